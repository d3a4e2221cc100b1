// kafkajs 2.2.4 against our broker: producing, consuming, groups. KFK_INTEROP=kafka runs the same
// against Apache Kafka.
import {
  CompressionTypes,
  Kafka,
  logLevel,
  type Consumer,
  type ConsumerRunConfig,
  type KafkaMessage,
} from 'kafkajs'
import { eventually, startInteropBroker, type InteropBroker } from '../../src/index'

let broker: InteropBroker
let kafka: Kafka
const open: { disconnect(): Promise<void> }[] = []
beforeAll(async () => {
  broker = await startInteropBroker()
  kafka = new Kafka({
    clientId: 'interop',
    brokers: [broker.bootstrap],
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 50, retries: 20 },
  })
})
afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.disconnect()))
})
afterAll(() => broker.stop())

async function connected<T extends { connect(): Promise<void>; disconnect(): Promise<void> }>(
  client: T,
): Promise<T> {
  await client.connect()
  open.push(client)
  return client
}

async function createTopic(topic: string, numPartitions = 1): Promise<void> {
  const admin = await connected(kafka.admin())
  await admin.createTopics({ topics: [{ topic, numPartitions }] })
}

async function send(topic: string, ...values: string[]): Promise<void> {
  const producer = await connected(kafka.producer())
  await producer.send({ topic, messages: values.map((value) => ({ key: value, value })) })
}

const numbered = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, n) => `${prefix}${n}`)

/** A member of a group with what it has read. */
class Member {
  readonly values: string[] = []
  readonly messages: { partition: number; message: KafkaMessage }[] = []
  assigned: readonly number[] = []
  generation = -1
  private constructor(readonly consumer: Consumer) {}

  static async join(
    groupId: string,
    topic: string,
    config: ConsumerRunConfig | ((member: Member) => ConsumerRunConfig) = {},
  ): Promise<Member> {
    const consumer = kafka.consumer({
      groupId,
      sessionTimeout: 30_000,
      heartbeatInterval: 100,
      maxWaitTimeInMs: 100,
    })
    const member = new Member(consumer)
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      member.assigned = payload.memberAssignment[topic] ?? []
    })
    await connected(consumer)
    await consumer.subscribe({ topic, fromBeginning: true })
    const eachMessage: ConsumerRunConfig['eachMessage'] = async ({ partition, message }) =>
      member.take(partition, message)
    const given = typeof config === 'function' ? config(member) : config
    await consumer.run({ ...(given.eachBatch ? {} : { eachMessage }), ...given })
    return member
  }

  take(partition: number, message: KafkaMessage): void {
    this.messages.push({ partition, message })
    this.values.push(String(message.value))
  }

  has(count: number): Promise<true> {
    return eventually(`${count} messages`, () => this.values.length >= count || undefined)
  }
}

test('keys, headers, tombstones and timestamps come back as they went', async () => {
  await createTopic('shapes')
  const producer = await connected(kafka.producer())
  const messages = [
    { key: 'k', value: 'v', headers: { a: '1', b: Buffer.from([0, 255]), many: ['x', 'y'] } },
    { key: null, value: 'no key', timestamp: '1700000000000' },
    { key: 'gone', value: null },
    { value: '' },
  ]
  const [sent] = await producer.send({ topic: 'shapes', messages })
  expect(sent).toMatchObject({ topicName: 'shapes', partition: 0, errorCode: 0, baseOffset: '0' })
  const member = await Member.join('shapes', 'shapes')
  await member.has(4)
  const [first, second, third, fourth] = member.messages.map(({ message }) => message)
  expect(first).toMatchObject({ offset: '0', key: Buffer.from('k'), value: Buffer.from('v') })
  const text = (value: string): Buffer => Buffer.from(value)
  expect(first!.headers).toEqual({
    a: text('1'),
    b: Buffer.from([0, 255]),
    many: [text('x'), text('y')],
  })
  expect(second).toMatchObject({ offset: '1', key: null, timestamp: '1700000000000' })
  expect(third).toMatchObject({ offset: '2', value: null })
  expect(fourth).toMatchObject({ offset: '3', key: null, value: text('') })
})

test.each([0, 1, -1])('acks %i, with gzip', async (acks) => {
  const topic = `acks${acks}`
  await createTopic(topic, 2)
  const producer = await connected(kafka.producer())
  const messages = numbered('value ', 200).map((value) => ({ key: value, value }))
  await producer.send({ topic, messages, acks, compression: CompressionTypes.GZIP })
  const member = await Member.join(topic, topic)
  await member.has(200)
  expect(new Set(member.values)).toEqual(new Set(numbered('value ', 200)))
  expect(new Set(member.messages.map(({ partition }) => partition))).toEqual(new Set([0, 1]))
})

test('several topics in one batch, the idempotent producer', async () => {
  await createTopic('idempotent-a', 2)
  await createTopic('idempotent-b')
  const producer = await connected(kafka.producer({ idempotent: true, maxInFlightRequests: 1 }))
  for (let round = 0; round < 20; round++) {
    await producer.sendBatch({
      topicMessages: ['idempotent-a', 'idempotent-b'].map((topic) => ({
        topic,
        messages: numbered(`${round}.`, 10).map((value) => ({ key: value, value })),
      })),
    })
  }
  for (const topic of ['idempotent-a', 'idempotent-b']) {
    const member = await Member.join(topic, topic)
    await member.has(200)
    expect(new Set(member.values).size).toBe(200)
  }
})

test('a topic that does not exist is created by the first message', async () => {
  await send('by-itself', 'hello')
  const member = await Member.join('by-itself', 'by-itself')
  await member.has(1)
  expect(member.values).toEqual(['hello'])
})

test('members share partitions, come and go; a successor resumes where they committed', async () => {
  await createTopic('shared', 4)
  const spread = (...members: Member[]): Promise<true> =>
    eventually('a spread assignment', () => {
      const all = members.flatMap(({ assigned }) => assigned)
      const even = members.every(({ assigned }) => assigned.length === 4 / members.length)
      return (even && new Set(all).size === 4) || undefined
    })
  const first = await Member.join('sharers', 'shared')
  await spread(first)
  const second = await Member.join('sharers', 'shared')
  await spread(first, second)
  await send('shared', ...numbered('a', 100))
  await eventually('100', () => first.values.length + second.values.length >= 100 || undefined)
  expect(Math.min(first.values.length, second.values.length)).toBeGreaterThan(0)
  await second.consumer.disconnect()
  await spread(first)
  await send('shared', ...numbered('b', 100))
  await eventually('200', () => first.values.length + second.values.length >= 200 || undefined)
  await first.consumer.disconnect()
  const third = await Member.join('sharers', 'shared')
  await send('shared', ...numbered('c', 100))
  await third.has(100)
  expect(new Set(third.values)).toEqual(new Set(numbered('c', 100)))
  const seen = [...first.values, ...second.values, ...third.values]
  expect(seen).toHaveLength(300)
  expect(new Set(seen).size).toBe(300)
})

test('eachBatch: resolves, commits by hand, and goes on from there', async () => {
  await createTopic('batches')
  await send('batches', ...numbered('', 50))
  const highWatermarks: string[] = []
  const half = await Member.join('batchers', 'batches', (member) => ({
    autoCommit: false,
    eachBatch: async ({ batch, resolveOffset, heartbeat, isRunning }) => {
      highWatermarks.push(batch.highWatermark)
      for (const message of batch.messages) {
        if (!isRunning() || member.values.length >= 25) return
        member.take(batch.partition, message)
        resolveOffset(message.offset)
        await heartbeat()
      }
    },
  }))
  await half.has(25)
  await half.consumer.commitOffsets([
    { topic: 'batches', partition: 0, offset: '25', metadata: 'half of it' },
  ])
  await half.consumer.disconnect()
  expect(highWatermarks[0]).toBe('50')
  const admin = await connected(kafka.admin())
  const committed = await admin.fetchOffsets({ groupId: 'batchers', topics: ['batches'] })
  expect(committed[0]!.partitions).toEqual([{ partition: 0, offset: '25', metadata: 'half of it' }])
  const rest = await Member.join('batchers', 'batches')
  await rest.has(25)
  expect(rest.values).toEqual(numbered('', 50).slice(25))
})

test('seek, pause and resume', async () => {
  await createTopic('sought')
  await send('sought', ...numbered('', 20))
  const member = await Member.join('seekers', 'sought')
  await member.has(20)
  member.consumer.seek({ topic: 'sought', partition: 0, offset: '15' })
  await member.has(25)
  expect(member.values.slice(20)).toEqual(numbered('', 20).slice(15))
  member.consumer.pause([{ topic: 'sought' }])
  expect(member.consumer.paused()).toEqual([{ topic: 'sought', partitions: [0] }])
  await send('sought', 'while paused')
  member.consumer.resume([{ topic: 'sought' }])
  await member.has(26)
  expect(member.values[25]).toBe('while paused')
})

test('of transactions only what was committed is read, offsets of a group among it', async () => {
  const [topic, groupId] = ['transactions', 'in-transactions']
  await createTopic(topic)
  const producer = await connected(
    kafka.producer({ transactionalId: 't', idempotent: true, maxInFlightRequests: 1 }),
  )
  const inTransaction = async (value: string, offset: string) => {
    const transaction = await producer.transaction()
    await transaction.send({ topic, messages: [{ value }] })
    const topics = [{ topic, partitions: [{ partition: 0, offset }] }]
    await transaction.sendOffsets({ consumerGroupId: groupId, topics })
    return transaction
  }
  await (await inTransaction('committed', '1')).commit()
  await (await inTransaction('aborted', '2')).abort()

  const admin = await connected(kafka.admin())
  const [stored] = await admin.fetchOffsets({ groupId, topics: [topic] })
  expect(stored!.partitions).toMatchObject([{ partition: 0, offset: '1' }])
  await (await inTransaction('the last', '3')).commit()
  const member = await Member.join('reads-transactions', topic)
  await member.has(2)
  expect(member.values).toEqual(['committed', 'the last'])
})
