// Programs written for kafkajs run under kafkajs itself and under our package with its API, and see
// the same. KFK_INTEROP=kafka runs them against Apache Kafka.
import * as kafkajs from 'kafkajs'
import * as ours from '@kfk/client-kafkajs'
import { eventually, startInteropBroker, type InteropBroker } from '../../src/index'

let broker: InteropBroker
beforeAll(async () => {
  broker = await startInteropBroker()
})
afterAll(async () => {
  await broker.stop()
})

// The types of our package are those that programs are written in; kafkajs's enums are its own.
const clients: [string, typeof ours][] = [
  ['kafkajs', kafkajs as unknown as typeof ours],
  ['@kfk/client-kafkajs', ours],
]

/** kafkajs has texts where its types say numbers. */
function typed(value: unknown): unknown {
  const number = (key: string, each: unknown) =>
    key === 'partition' || key === 'nodeId' ? Number(each) : each
  return JSON.parse(JSON.stringify(value ?? null, number))
}

/** Which partition each key went to, by each client. */
const chosen: string[] = []

describe.each(clients)('%s', (name, client) => {
  const label = name === 'kafkajs' ? 'theirs' : 'ours'
  const { Kafka, logLevel, CompressionTypes } = client
  const open: { disconnect(): Promise<void> }[] = []
  let kafka: ours.Kafka
  let admin: ours.Admin
  let producer: ours.Producer
  beforeAll(async () => {
    kafka = new Kafka({
      clientId: 'program',
      brokers: [broker.bootstrap],
      logLevel: logLevel.NOTHING,
      retry: { initialRetryTime: 30, retries: 4 },
    })
    admin = kafka.admin()
    producer = kafka.producer()
    await Promise.all([admin.connect(), producer.connect()])
  })
  afterEach(async () => {
    await Promise.all(open.splice(0).map((each) => each.disconnect()))
  })
  afterAll(async () => {
    await Promise.all([admin.disconnect(), producer.disconnect()])
  })

  async function createTopic(base: string, numPartitions = 1): Promise<string> {
    const topic = `${label}-${base}`
    await admin.createTopics({ topics: [{ topic, numPartitions }] })
    return topic
  }

  function consumer(
    base: string,
    config: Partial<ours.ConsumerConfig> = {},
  ): [ours.Consumer, string] {
    const groupId = `${label}-${base}`
    const made = kafka.consumer({ groupId, maxWaitTimeInMs: 100, ...config })
    open.push(made)
    return [made, groupId]
  }

  const values = (count: number, from = 0) =>
    Array.from({ length: count }, (_, index) => ({ value: `${from + index}`, partition: 0 }))

  test('send tells where messages are', async () => {
    const topic = await createTopic('send', 2)
    const first = await producer.send({
      topic,
      messages: [
        { key: 'a', value: '1', partition: 1 },
        { key: Buffer.from('b'), value: Buffer.from('2'), partition: 1 },
        { value: null, partition: 0 },
      ],
    })
    const byPartition = first.sort((a, b) => a.partition - b.partition)
    const result = { topicName: topic, errorCode: 0, baseOffset: '0', logAppendTime: '-1' }
    expect(byPartition).toEqual([
      { ...result, partition: 0, logStartOffset: '0' },
      { ...result, partition: 1, logStartOffset: '0' },
    ])
    const [second] = await producer.sendBatch({
      acks: 1,
      compression: CompressionTypes.GZIP,
      topicMessages: [
        { topic, messages: [{ value: '3', partition: 1 }] },
        { topic, messages: [{ value: '4', partition: 1 }] },
      ],
    })
    expect(second).toMatchObject({ partition: 1, baseOffset: '2' })
    expect(await producer.send({ topic, acks: 0, messages: [{ value: '5' }] })).toEqual([])
  })

  test('keys choose partitions, and keyless messages go round', async () => {
    const topic = await createTopic('partitions', 3)
    const keys = Array.from({ length: 40 }, (_, index) => `key-${index} ü`)
    await producer.send({ topic, messages: keys.map((key) => ({ key, value: key })) })
    await producer.send({ topic, messages: [{ value: '' }, { value: '' }, { value: '' }] })
    const legacy = kafka.producer({ createPartitioner: client.Partitioners.LegacyPartitioner })
    open.push(legacy)
    await legacy.connect()
    await legacy.send({ topic, messages: keys.map((key) => ({ key, value: `legacy ${key}` })) })
    const seen: string[] = []
    const [reader] = consumer('partitions')
    await reader.subscribe({ topics: [topic], fromBeginning: true })
    void reader.run({
      eachMessage: ({ partition, message }) => {
        seen.push(`${partition} ${message.value?.toString()}`)
        return Promise.resolve()
      },
    })
    await eventually('83 messages', () => (seen.length === 83 ? true : undefined))
    expect(seen.filter((each) => /^\d $/.test(each)).sort()).toEqual(['0 ', '1 ', '2 '])
    chosen.push(
      seen
        .filter((each) => each.includes('key'))
        .sort()
        .join(),
    )
    expect(new Set(chosen).size).toBe(1)
  })

  test('messages come back as they were sent', async () => {
    const topic = await createTopic('roundtrip')
    await producer.send({
      topic,
      messages: [
        {
          key: 'key',
          value: 'välue',
          timestamp: '1700000000123',
          headers: { text: 'a', bytes: Buffer.from([1, 2]), many: ['x', Buffer.from('y')] },
        },
        { value: null, timestamp: '1700000000124' },
      ],
    })
    const seen: ours.EachMessagePayload[] = []
    const [reader] = consumer('roundtrip')
    await reader.connect()
    await reader.subscribe({ topic, fromBeginning: true })
    await reader.run({
      eachMessage: (payload) => {
        seen.push(payload)
        return Promise.resolve()
      },
    })
    await eventually('both', () => (seen.length === 2 ? true : undefined))
    expect(seen[0]).toMatchObject({ topic, partition: 0 })
    const { batchContext: _, ...message } = seen[0]!.message as unknown as Record<string, unknown>
    expect(message).toEqual({
      magicByte: 2,
      attributes: 0,
      isControlRecord: false,
      timestamp: '1700000000123',
      offset: '0',
      key: Buffer.from('key'),
      value: Buffer.from('välue'),
      headers: {
        text: Buffer.from('a'),
        bytes: Buffer.from([1, 2]),
        many: [Buffer.from('x'), Buffer.from('y')],
      },
    })
    expect(seen[1]!.message).toMatchObject({ key: null, value: null, headers: {}, offset: '1' })
  })

  test('eachBatch gets batches, resolves a part and commits', async () => {
    const topic = await createTopic('batches')
    await producer.send({ topic, messages: values(10) })
    const [reader, groupId] = consumer('batches')
    const seen: unknown[] = []
    await reader.subscribe({ topics: [topic], fromBeginning: true })
    await reader.run({
      eachBatchAutoResolve: false,
      eachBatch: async ({ batch, resolveOffset, uncommittedOffsets, isRunning, ...rest }) => {
        const offsets = batch.messages.map(({ offset }) => offset)
        const [first] = offsets
        seen.push({
          first,
          count: offsets.length,
          firstOffset: batch.firstOffset(),
          lastOffset: batch.lastOffset(),
          lag: batch.offsetLag(),
          lagLow: batch.offsetLagLow(),
          highWatermark: batch.highWatermark,
          isEmpty: batch.isEmpty(),
          isRunning: isRunning(),
          isStale: rest.isStale(),
        })
        if (seen.length > 2) return
        resolveOffset(String(Number(first) + 3))
        await rest.heartbeat()
        seen.push(typed(uncommittedOffsets()))
        await rest.commitOffsetsIfNecessary(uncommittedOffsets())
      },
    })
    await eventually('another batch', () => (seen.length > 2 ? true : undefined))
    const common = {
      highWatermark: '10',
      isEmpty: false,
      isRunning: true,
      isStale: false,
      lag: '0',
    }
    expect(seen.slice(0, 3)).toEqual([
      { ...common, first: '0', count: 10, firstOffset: '0', lastOffset: '9', lagLow: '9' },
      { topics: [{ topic, partitions: [{ partition: 0, offset: '4' }] }] },
      { ...common, first: '4', count: 6, firstOffset: '4', lastOffset: '9', lagLow: '5' },
    ])
    await reader.stop()
    expect(await admin.fetchOffsets({ groupId, topics: [topic] })).toEqual([
      { topic, partitions: [{ partition: 0, offset: '4', metadata: null }] },
    ])
  })

  test('a group goes on where it has committed', async () => {
    const topic = await createTopic('resume')
    const read = async (until: string): Promise<string[]> => {
      const [reader] = consumer('resume')
      const seen: string[] = []
      await reader.connect()
      await reader.subscribe({ topics: [new RegExp(`^${topic}$`)], fromBeginning: true })
      await reader.run({
        eachMessage: ({ message }) => Promise.resolve(void seen.push(message.value!.toString())),
      })
      await eventually(until, () => (seen.includes(until) ? true : undefined))
      await reader.disconnect()
      return seen
    }
    await producer.send({ topic, messages: values(3) })
    expect(await read('2')).toEqual(['0', '1', '2'])
    await producer.send({ topic, messages: values(2, 3) })
    expect(await read('4')).toEqual(['3', '4'])
  })

  test('commitOffsets with metadata, and nothing automatic', async () => {
    const topic = await createTopic('manual')
    await producer.send({ topic, messages: values(3) })
    const [reader, groupId] = consumer('manual')
    const early = reader.commitOffsets([{ topic, partition: 0, offset: '1' }])
    await expect(early).rejects.toMatchObject({
      name: 'KafkaJSNonRetriableError',
      message: 'Consumer group was not initialized, consumer#run must be called first',
    })
    const seen: string[] = []
    await reader.subscribe({ topics: [topic], fromBeginning: true })
    await reader.run({
      autoCommit: false,
      eachMessage: ({ message }) => Promise.resolve(void seen.push(message.offset)),
    })
    await eventually('three', () => (seen.length === 3 ? true : undefined))
    const committed = () => admin.fetchOffsets({ groupId, topics: [topic] })
    expect((await committed())[0]!.partitions[0]).toMatchObject({ offset: '-1' })
    await reader.commitOffsets([{ topic, partition: 0, offset: '2', metadata: 'mine' }])
    expect((await committed())[0]!.partitions[0]).toEqual({
      partition: 0,
      offset: '2',
      metadata: 'mine',
    })
  })

  test('seek, at once after run and later', async () => {
    const topic = await createTopic('seek')
    await producer.send({ topic, messages: values(6) })
    const [reader] = consumer('seek')
    const seen: string[] = []
    await reader.connect()
    await reader.subscribe({ topics: [topic], fromBeginning: true })
    void reader.run({
      eachMessage: ({ message }) => Promise.resolve(void seen.push(message.value!.toString())),
    })
    reader.seek({ topic, partition: 0, offset: '4' })
    await eventually('the end', () => (seen.includes('5') ? true : undefined))
    expect(seen).toEqual(['4', '5'])
    reader.seek({ topic, partition: 0, offset: '3' })
    await eventually('five', () => (seen.length === 5 ? true : undefined))
    expect(seen.slice(2)).toEqual(['3', '4', '5'])
  })

  test('pause and resume', async () => {
    const topic = await createTopic('pause', 2)
    const [reader] = consumer('pause')
    const seen: string[] = []
    let resume: (() => void) | undefined
    await reader.connect()
    await reader.subscribe({ topics: [topic], fromBeginning: true })
    await reader.run({
      eachMessage: ({ partition, message, pause }) => {
        seen.push(`${partition}/${message.offset}`)
        if (partition === 0 && message.offset === '1') resume = pause()
        return Promise.resolve()
      },
    })
    const messages = [0, 1].flatMap((partition) =>
      ['', '', '', ''].map((value) => ({ value, partition })),
    )
    await producer.send({ topic, messages })
    await eventually('all of 1', () => (seen.includes('1/3') && resume ? true : undefined))
    expect(reader.paused()).toEqual([{ topic, partitions: [0] }])
    expect(seen.filter((each) => each.startsWith('0'))).toEqual(['0/0', '0/1'])
    resume!()
    expect(reader.paused()).toEqual([])
    await eventually('all of 0', () => (seen.includes('0/3') ? true : undefined))
    reader.pause([{ topic }])
    expect(reader.paused()).toEqual([{ topic, partitions: [0, 1] }])
    reader.resume([{ topic }])
    expect(seen.sort()).toEqual([0, 1].flatMap((p) => [0, 1, 2, 3].map((o) => `${p}/${o}`)))
  })

  test('a handler that throws gets the message again, and those before are committed', async () => {
    const topic = await createTopic('again')
    await producer.send({ topic, messages: values(4) })
    const [reader, groupId] = consumer('again')
    const seen: string[] = []
    const atFailure: unknown[] = []
    await reader.subscribe({ topics: [topic], fromBeginning: true })
    await reader.run({
      eachMessage: async ({ message }) => {
        const value = message.value!.toString()
        seen.push(value)
        if (value !== '2') return
        const count = seen.filter((each) => each === '2').length
        if (count === 1) throw new Error('the first time')
        if (count === 2) atFailure.push(...(await admin.fetchOffsets({ groupId, topics: [topic] })))
      },
    })
    await eventually('the last', () => (seen.includes('3') ? true : undefined))
    expect(seen).toEqual(['0', '1', '2', '2', '3'])
    expect(atFailure).toMatchObject([{ partitions: [{ offset: '2' }] }])
  })

  test('a handler that goes on throwing ends in a crash, and the consumer starts over', async () => {
    const topic = await createTopic('crash')
    await producer.send({ topic, messages: values(1) })
    const asked: string[] = []
    const [reader, groupId] = consumer('crash', {
      retry: {
        initialRetryTime: 10,
        retries: 1,
        restartOnFailure: (error) => Promise.resolve(asked.push(error.name) === 1),
      },
    })
    const happened: string[] = []
    const crashes: unknown[] = []
    const { events } = reader
    for (const event of [events.STOP, events.DISCONNECT, events.GROUP_JOIN] as const) {
      reader.on(event, ({ type }) => void happened.push(type))
    }
    reader.on(events.CRASH, ({ type, payload: { error, restart, groupId: group } }) => {
      happened.push(type)
      const { name, message, retriable, cause } = error as Error & {
        retriable?: boolean
        cause?: Error
      }
      crashes.push({ name, message, retriable, cause: cause?.message, restart, group })
    })
    await reader.subscribe({ topics: [topic], fromBeginning: true })
    await reader.run({ eachMessage: () => Promise.reject(new Error('no good')) })
    await eventually('two crashes', () => (crashes.length === 2 ? true : undefined))
    const crash = {
      name: 'KafkaJSNumberOfRetriesExceeded',
      message: 'no good',
      retriable: false,
      cause: 'no good',
      group: groupId,
    }
    expect(crashes).toEqual([
      { ...crash, restart: true },
      { ...crash, restart: false },
    ])
    const round = ['group_join', 'stop', 'disconnect', 'crash'].map((each) => `consumer.${each}`)
    expect(happened).toEqual([...round, ...round])
    expect(asked).toEqual(['KafkaJSNumberOfRetriesExceeded', 'KafkaJSNumberOfRetriesExceeded'])
  })

  test("a programmer's error crashes at once and for good", async () => {
    const topic = await createTopic('mistake')
    await producer.send({ topic, messages: values(1) })
    const [reader] = consumer('mistake')
    const crashes: unknown[] = []
    let calls = 0
    reader.on(reader.events.CRASH, ({ payload: { error, restart } }) => {
      crashes.push({ name: error.name, cause: (error.cause as Error).name, restart })
    })
    await reader.subscribe({ topics: [topic], fromBeginning: true })
    await reader.run({
      eachMessage: () => {
        calls += 1
        throw new TypeError('undefined is not a function')
      },
    })
    await eventually('a crash', () => (crashes.length === 1 ? true : undefined))
    expect(crashes).toEqual([
      { name: 'KafkaJSNonRetriableError', cause: 'TypeError', restart: false },
    ])
    expect(calls).toBe(1)
  })

  test('what consumers tell of themselves', async () => {
    const topic = await createTopic('events')
    await producer.send({ topic, messages: values(3) })
    const [reader, groupId] = consumer('events', { heartbeatInterval: 50 })
    const payloads = new Map<string, unknown>()
    for (const event of Object.values(reader.events)) {
      reader.on(event, ({ type, payload }) => {
        if (!payloads.has(type)) payloads.set(type, typed(payload))
      })
    }
    await reader.connect()
    await reader.subscribe({ topics: [topic], fromBeginning: true })
    await reader.run({ eachMessage: () => Promise.resolve() })
    await eventually('a heartbeat', () => payloads.has('consumer.heartbeat') || undefined)
    await eventually('a commit', () => payloads.has('consumer.commit_offsets') || undefined)
    await reader.disconnect()
    const memberId: unknown = expect.stringMatching(/./)
    const batch = { topic, partition: 0, highWatermark: '3', offsetLag: '0', offsetLagLow: '2' }
    const size = { batchSize: 3, firstOffset: '0', lastOffset: '2' }
    const duration: unknown = expect.any(Number)
    expect(payloads.get('consumer.group_join')).toEqual({
      groupId,
      memberId,
      leaderId: memberId,
      isLeader: true,
      memberAssignment: { [topic]: [0] },
      groupProtocol: 'RoundRobinAssigner',
      duration,
    })
    expect(payloads.get('consumer.start_batch_process')).toEqual({ ...batch, ...size })
    expect(payloads.get('consumer.end_batch_process')).toEqual({ ...batch, ...size, duration })
    expect(payloads.get('consumer.heartbeat')).toEqual({
      groupId,
      memberId,
      groupGenerationId: 1,
    })
    expect(payloads.get('consumer.commit_offsets')).toMatchObject({
      groupId,
      memberId,
      groupGenerationId: 1,
      topics: [{ topic, partitions: [{ offset: '3' }] }],
    })
    expect(payloads.get('consumer.fetch_start')).toEqual({ nodeId: 1 })
    expect(payloads.get('consumer.fetch')).toEqual({ nodeId: 1, numberOfBatches: 0, duration })
    expect(payloads.get('consumer.network.request')).toMatchObject({ clientId: 'program' })
    for (const type of ['connect', 'stop', 'disconnect']) {
      expect(payloads.has(`consumer.${type}`)).toBe(true)
    }
    expect(() => reader.on('consumer.nothing' as 'consumer.stop', () => undefined)).toThrow(
      'Event name should be one of consumer.events.HEARTBEAT',
    )
  })

  test('partitions side by side, each in order; stopped and run again', async () => {
    const topic = await createTopic('concurrent', 3)
    const send = () =>
      producer.send({
        topic,
        messages: [0, 1, 2].flatMap((partition) =>
          ['a', 'b'].map((value) => ({ value, partition })),
        ),
      })
    await send()
    const [reader] = consumer('concurrent')
    const seen: string[] = []
    let running = 0
    let most = 0
    let twoRun = () => {}
    const twoHaveRun = new Promise<void>((resolve) => (twoRun = resolve))
    await reader.connect()
    await reader.subscribe({ topics: [topic], fromBeginning: true })
    const run = () =>
      reader.run({
        partitionsConsumedConcurrently: 2,
        eachMessage: async ({ partition, message, heartbeat }) => {
          running += 1
          most = Math.max(most, running)
          if (running === 2) twoRun()
          await twoHaveRun
          await heartbeat()
          running -= 1
          seen.push(`${partition}/${message.offset}`)
        },
      })
    await run()
    await eventually('six messages', () => (seen.length === 6 ? true : undefined))
    expect(most).toBe(2)
    await reader.stop()
    await send()
    await run()
    await eventually('twelve messages', () => (seen.length === 12 ? true : undefined))
    for (const partition of [0, 1, 2]) {
      const own = seen.filter((each) => each.startsWith(`${partition}/`))
      expect(own).toEqual([0, 1, 2, 3].map((offset) => `${partition}/${offset}`))
    }
  })

  test('topics begin where each subscription says', async () => {
    const early = await createTopic('early')
    const late = await createTopic('late')
    for (const topic of [early, late]) await producer.send({ topic, messages: values(2) })
    const [reader] = consumer('begin')
    const seen: string[] = []
    await reader.connect()
    await reader.subscribe({ topics: [early], fromBeginning: true })
    await reader.subscribe({ topics: [late] })
    const fetched = new Promise((resolve) => {
      reader.on(reader.events.FETCH, resolve)
    })
    await reader.run({
      eachMessage: ({ topic, message }) => {
        seen.push(`${topic === early ? 'early' : 'late'} ${message.offset}`)
        return Promise.resolve()
      },
    })
    await fetched
    for (const topic of [early, late]) await producer.send({ topic, messages: values(1) })
    await eventually('four messages', () => (seen.length >= 4 ? true : undefined))
    expect(seen.sort()).toEqual(['early 0', 'early 1', 'early 2', 'late 2'])
    await expect(reader.subscribe({ topics: [late] })).rejects.toMatchObject({
      message: 'Cannot subscribe to topic while consumer is running',
    })
  })

  test('commits by count within a batch', async () => {
    const topic = await createTopic('threshold')
    await producer.send({ topic, messages: values(7) })
    const [reader] = consumer('threshold')
    const committed: string[] = []
    reader.on(reader.events.COMMIT_OFFSETS, ({ payload: { topics } }) => {
      committed.push(topics[0]!.partitions[0]!.offset)
    })
    await reader.subscribe({ topics: [topic], fromBeginning: true })
    await reader.run({ autoCommitThreshold: 3, eachMessage: () => Promise.resolve() })
    await eventually('the last commit', () => (committed.includes('7') ? true : undefined))
    expect(committed).toEqual(['3', '6', '7'])
  })

  test('a member hears of a rebalance and gives up what it has', async () => {
    const topic = await createTopic('rebalance', 2)
    const [first] = consumer('rebalance', { heartbeatInterval: 50 })
    const [second] = consumer('rebalance', { heartbeatInterval: 50 })
    const happened: string[] = []
    first.on(first.events.REBALANCING, () => void happened.push('rebalancing'))
    first.on(first.events.GROUP_JOIN, ({ payload: { memberAssignment } }) => {
      happened.push(`joined ${memberAssignment[topic]?.length ?? 0}`)
    })
    for (const member of [first, second]) {
      await member.subscribe({ topics: [topic], fromBeginning: true })
      await member.run({ eachMessage: () => Promise.resolve() })
    }
    await eventually('half of it', () => (happened.includes('joined 1') ? true : undefined))
    expect(happened).toEqual(['joined 2', 'rebalancing', 'joined 1'])
    await second.disconnect()
    await eventually('all of it', () => (happened.length >= 5 ? true : undefined))
    expect(happened.slice(3)).toEqual(['rebalancing', 'joined 2'])
  })

  test("a program's own assigner", async () => {
    const topic = await createTopic('assigner', 4)
    const lines: unknown[] = []
    const { MemberAssignment, MemberMetadata } = client.AssignerProtocol
    /** Everything to the member that asks for it. */
    const greedy: ours.PartitionAssigner = ({ cluster, groupId }) => ({
      name: 'Greedy',
      version: 1,
      protocol: ({ topics }) => ({
        name: 'Greedy',
        metadata: MemberMetadata.encode({ version: 1, topics, userData: Buffer.from('mine') }),
      }),
      assign: ({ members, topics }) => {
        const wanted = MemberMetadata.decode(members[0]!.memberMetadata)!
        lines.push(groupId, topics, wanted.topics, wanted.userData.toString())
        const partitions = cluster.findTopicPartitionMetadata(topic)
        const all = partitions.map(({ partitionId }) => partitionId).sort()
        return Promise.resolve(
          members.map(({ memberId }, index) => ({
            memberId,
            memberAssignment: MemberAssignment.encode({
              version: 1,
              assignment: index === 0 ? { [topic]: all } : {},
              userData: Buffer.alloc(0),
            }),
          })),
        )
      },
    })
    const [reader, groupId] = consumer('assigner', { partitionAssigners: [greedy] })
    const joined = new Promise<unknown>((resolve) => {
      reader.on(reader.events.GROUP_JOIN, ({ payload: { groupProtocol, memberAssignment } }) =>
        resolve({ groupProtocol, memberAssignment }),
      )
    })
    await reader.connect()
    await reader.subscribe({ topics: [topic] })
    await reader.run({ eachMessage: () => Promise.resolve() })
    const memberAssignment = { [topic]: [0, 1, 2, 3] }
    expect(await joined).toEqual({ groupProtocol: 'Greedy', memberAssignment })
    expect(lines).toEqual([groupId, [topic], [topic], 'mine'])
  })

  test('wrong arguments are refused', async () => {
    const refusals = await Promise.all(
      [
        producer.send({ topic: '', messages: [] }),
        producer.send({ topic: 'x', messages: undefined as unknown as ours.Message[] }),
        producer.send({ topic: 'x', messages: [{} as ours.Message] }),
        kafka.producer().send({ topic: 'x', messages: [] }),
        kafka.producer().transaction(),
        admin.createTopics({ topics: [{ topic: 'x' }, { topic: 'x' }] }),
        admin.fetchTopicOffsets(''),
        admin.fetchOffsets({ groupId: '' }),
        kafka.consumer({ groupId: 'x' }).subscribe({} as { topic: string }),
      ].map((each) =>
        Promise.resolve(each).then(
          () => 'accepted',
          ({ name: errorName, message }: Error) => `${errorName}: ${message}`,
        ),
      ),
    )
    expect(refusals).toEqual([
      'KafkaJSNonRetriableError: Invalid topic',
      'KafkaJSNonRetriableError: Invalid messages array [undefined] for topic "x"',
      'KafkaJSNonRetriableError: Invalid message without value for topic "x": {}',
      'KafkaJSError: The producer is disconnected',
      'KafkaJSNonRetriableError: Must provide transactional id for transactional producer',
      'KafkaJSNonRetriableError: Invalid topics array, it cannot have multiple entries for the same topic',
      'KafkaJSNonRetriableError: Invalid topic ',
      'KafkaJSNonRetriableError: Invalid groupId ',
      'KafkaJSNonRetriableError: Missing required argument "topics"',
    ])
    expect(() => kafka.consumer({ groupId: '' })).toThrow(client.KafkaJSNonRetriableError)
  })

  test('errors of brokers and of the network have their names', async () => {
    const topic = await createTopic('errors')
    const large = producer.send({ topic, messages: [{ value: Buffer.alloc(2_000_000) }] })
    await expect(large).rejects.toMatchObject({
      name: 'KafkaJSProtocolError',
      type: 'MESSAGE_TOO_LARGE',
      code: 10,
      retriable: false,
    })
    const nowhere = new Kafka({
      brokers: ['127.0.0.1:1'],
      logLevel: logLevel.NOTHING,
      retry: { retries: 1, initialRetryTime: 10 },
    })
    await expect(nowhere.admin().connect()).rejects.toMatchObject({
      name: 'KafkaJSNumberOfRetriesExceeded',
      retriable: false,
      cause: { name: 'KafkaJSConnectionError', code: 'ECONNREFUSED' },
    })
  })
})

test('a group of both kinds of members shares its partitions', async () => {
  const kinds = clients.map(([, { Kafka, logLevel }]) => {
    return new Kafka({ brokers: [broker.bootstrap], logLevel: logLevel.NOTHING })
  })
  const topic = 'both-kinds'
  const admin = kinds[1]!.admin()
  await admin.createTopics({ topics: [{ topic, numPartitions: 4 }] })
  const shares = kinds.map(() => [] as number[])
  const seen: string[] = []
  const members = kinds.map((kafka, index) => {
    const member = kafka.consumer({
      groupId: topic,
      maxWaitTimeInMs: 50,
      heartbeatInterval: 50,
    })
    member.on(member.events.GROUP_JOIN, ({ payload }) => {
      shares[index] = payload.memberAssignment[topic] ?? []
    })
    return member
  })
  for (const member of members) {
    await member.connect()
    await member.subscribe({ topics: [topic], fromBeginning: true })
    await member.run({
      eachMessage: ({ message }) => Promise.resolve(void seen.push(message.value!.toString())),
    })
  }
  await eventually('each has two', () =>
    shares.every(({ length }) => length === 2) ? true : undefined,
  )
  expect(shares.flat().sort()).toEqual([0, 1, 2, 3])
  const producer = kinds[1]!.producer()
  await producer.connect()
  const messages = Array.from({ length: 40 }, (_, index) => ({
    value: `${index}`,
    partition: index % 4,
  }))
  await producer.send({ topic, messages })
  await eventually('40 messages', () => (seen.length >= 40 ? true : undefined))
  expect(new Set(seen).size).toBe(40)
  await Promise.all([...members, producer, admin].map((each) => each.disconnect()))
})
