import { connect } from 'node:net'
import { apis, batches, decodeRecords, errorCodes, kafkaCodec } from '@kfk/protocol'
import { batchOf, Harness, type RawClient } from './harness.js'

const harness = new Harness()
/** Part of every fetch. */
const none = { forgottenTopicsData: [] }
afterEach(() => harness.close())

/** Base offsets of the batches in a response. */
const baseOffsets = (records: Uint8Array | null): number[] =>
  [...batches(records ?? new Uint8Array())].map(({ header }) => header.baseOffset)

async function epochOf(client: RawClient): Promise<number | undefined> {
  const response = await client.request(apis.metadata, 12, {
    topics: [{ name: 'events' }],
    allowAutoTopicCreation: false,
    includeTopicAuthorizedOperations: false,
  })
  return response.topics[0]!.partitions[0]!.leaderEpoch
}

async function withBatches(count: number, size = 1) {
  const broker = await harness.broker()
  const client = await harness.client(broker)
  const topicId = await client.topic('events')
  for (let index = 0; index < count; index++) {
    await client.produce('events', batchOf(Array.from({ length: 3 }, () => 'x'.repeat(size))))
  }
  return { broker, client, topicId }
}

test('every version returns whole batches and the high watermark', async () => {
  const { client, topicId } = await withBatches(3)
  for (let version = 4; version <= 18; version++) {
    const response = await client.request(apis.fetch, version, {
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: 1_000_000,
      topics: [
        {
          topic: 'events',
          topicId,
          partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000 }],
        },
      ],
      forgottenTopicsData: [],
    })
    const [partition] = response.responses[0]!.partitions
    expect(partition).toMatchObject({ errorCode: 0, highWatermark: 9, lastStableOffset: 9 })
    expect(baseOffsets(partition!.records)).toEqual([0, 3, 6])
    expect(response.sessionId).toBe(0)
  }
})

test('an offset inside a batch returns the whole batch', async () => {
  const { client } = await withBatches(3)
  expect(baseOffsets((await client.fetch('events', 4)).records)).toEqual([3, 6])
})

test('limits cut between batches, but the first batch always comes', async () => {
  const { client } = await withBatches(3, 1000)
  expect(baseOffsets((await client.fetch('events', 0, { maxBytes: 7000 })).records)).toEqual([0, 3])
  expect(baseOffsets((await client.fetch('events', 3, { maxBytes: 10 })).records)).toEqual([3])
})

test('the limit of a response holds over its partitions', async () => {
  const broker = await harness.broker({ config: { 'num.partitions': '2' } })
  const client = await harness.client(broker)
  await client.topic('events')
  for (const index of [0, 1]) await client.produce('events', batchOf(['x'.repeat(1000)]), { index })
  const fetch = async (maxBytes: number): Promise<number[][]> => {
    const response = await client.request(apis.fetch, 11, {
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes,
      topics: [
        {
          topic: 'events',
          partitions: [0, 1].map((partition) => ({
            partition,
            fetchOffset: 0,
            partitionMaxBytes: 5000,
          })),
        },
      ],
      forgottenTopicsData: [],
    })
    return response.responses[0]!.partitions.map(({ records }) => baseOffsets(records))
  }
  expect(await fetch(5000)).toEqual([[0], [0]])
  expect(await fetch(100)).toEqual([[0], []])
})

test('a waiting fetch is answered when a record comes', async () => {
  const { broker, client } = await withBatches(1)
  const other = await harness.client(broker)
  const waiting = client.fetch('events', 3, { maxWaitMs: 20_000 })
  await other.produce('events', batchOf(['next']))
  expect(await waiting).toMatchObject({ errorCode: 0, highWatermark: 4 })
})

test('who waits for a record is answered before who wrote it', async () => {
  const { broker, client } = await withBatches(1)
  const producer = await harness.client(broker)
  const order: string[] = []
  for (let round = 0; round < 5; round++) {
    const waiting = client.fetch('events', 3 + round, { maxWaitMs: 20_000 })
    // The broker has taken up the fetch: its connections are read in turn.
    await producer.request(apis.apiVersions, 0, {})
    const noted = waiting.then(() => order.push('reader'))
    await producer.produce('events', batchOf(['next']))
    order.push('writer')
    await noted
  }
  expect(order).toEqual(Array.from({ length: 5 }, () => ['reader', 'writer']).flat())
})

test('a waiting fetch is answered when its time is up, and waits for min.bytes', async () => {
  const { broker, client } = await withBatches(1)
  const empty = await client.fetch('events', 3, { maxWaitMs: 20 })
  expect(empty).toMatchObject({ errorCode: 0, highWatermark: 3 })
  expect(empty.records?.length).toBe(0)
  const other = await harness.client(broker)
  let answered = false
  const waiting = client.fetch('events', 3, { maxWaitMs: 20_000, minBytes: 3000 })
  void waiting.then(() => (answered = true))
  await other.produce('events', batchOf(['x'.repeat(1000)]))
  await other.produce('events', batchOf(['x'.repeat(1000)]))
  expect(answered).toBe(false)
  await other.produce('events', batchOf(['x'.repeat(1000)]))
  expect(baseOffsets((await waiting).records)).toEqual([3, 4, 5])
})

test('a waiting fetch ends when its topic is deleted', async () => {
  const { broker, client } = await withBatches(1)
  const other = await harness.client(broker)
  const waiting = client.fetch('events', 3, { maxWaitMs: 20_000 })
  await other.fetch('events', 0)
  await other.request(apis.deleteTopics, 5, { topicNames: ['events'], timeoutMs: 5000 })
  expect((await waiting).errorCode).not.toBe(0)
})

test('what a slow reader has not taken yet stays as it was', async () => {
  const broker = await harness.broker()
  const client = await harness.client(broker)
  for (const topic of ['a', 'b']) {
    await client.topic(topic)
    for (let batch = 0; batch < 12; batch++) {
      await client.produce(topic, batchOf([topic.repeat(900_000)]))
    }
  }
  const perFetch = 3_800_000
  const slow = connect({ host: broker.host, port: broker.port, noDelay: true })
  // Nobody reads from here: more than the system takes waits in the broker.
  for (const fetchOffset of [0, 4, 8]) {
    const partitions = [{ partition: 0, fetchOffset, partitionMaxBytes: perFetch }]
    const body = { maxWaitMs: 0, minBytes: 1, maxBytes: perFetch, forgottenTopicsData: [] }
    const header = { apiVersion: 11, correlationId: fetchOffset, clientId: null }
    const topics = [{ topic: 'a', partitions }]
    slow.write(Buffer.concat(kafkaCodec.encodeRequest(apis.fetch, header, { ...body, topics })))
  }
  for (let round = 0; round < 10; round++) {
    const { records } = await client.fetch('b', (round % 3) * 4, { maxBytes: perFetch })
    expect(records!.length).toBeGreaterThan(3_000_000)
  }
  const decoder = kafkaCodec.createFrameDecoder({ maxFrameBytes: 2 * perFetch })
  const values: string[] = []
  for await (const chunk of slow) {
    for (const frame of decoder.push(chunk as Buffer)) {
      const { responses } = kafkaCodec.decodeResponse(apis.fetch, 11, frame)
      for (const { bytes } of batches(responses[0]!.partitions[0]!.records!)) {
        const records = decodeRecords(bytes, { verifyChecksum: true })
        values.push(...records.map(({ value }) => Buffer.from(value!).toString()))
      }
    }
    if (values.length >= 12) break
  }
  expect(values.map((value) => value === 'a'.repeat(900_000))).toEqual(Array(12).fill(true))
})

test('what cannot be fetched has its error', async () => {
  const { broker, client } = await withBatches(1)
  expect(await client.fetch('events', 4)).toMatchObject({
    errorCode: errorCodes.OFFSET_OUT_OF_RANGE,
    highWatermark: -1,
    logStartOffset: -1,
  })
  expect(await client.fetch('events', -1)).toMatchObject({
    errorCode: errorCodes.OFFSET_OUT_OF_RANGE,
  })
  expect(await client.fetch('absent', 0)).toMatchObject({
    errorCode: errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
  })
  const fetch = (version: number, changes: object, partition: object) =>
    client.request(apis.fetch, version, {
      maxWaitMs: 0,
      minBytes: 1,
      topics: [
        {
          topic: 'events',
          topicId: 'QAAAAAAAAAAAAAAAAAAAAA',
          partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000, ...partition }],
        },
      ],
      forgottenTopicsData: [],
      ...changes,
    })
  const errorOf = async (version: number, partition: object): Promise<number> =>
    (await fetch(version, {}, partition)).responses[0]!.partitions[0]!.errorCode
  const leaderEpoch = 1024 + broker.nodeId
  expect(await errorOf(13, {})).toBe(errorCodes.UNKNOWN_TOPIC_ID)
  expect(await errorOf(12, { currentLeaderEpoch: leaderEpoch })).toBe(errorCodes.NONE)
  expect(await errorOf(12, { currentLeaderEpoch: leaderEpoch - 1 })).toBe(
    errorCodes.FENCED_LEADER_EPOCH,
  )
  expect(await errorOf(12, { currentLeaderEpoch: leaderEpoch + 1 })).toBe(
    errorCodes.UNKNOWN_LEADER_EPOCH,
  )
})

test('a limit below one byte stands for itself, and an unknown isolation level is refused', async () => {
  const { client } = await withBatches(1, 1000)
  // The answer is full with the first batch: nothing is gained by waiting for more.
  const started = performance.now()
  const limited = { minBytes: 5000, maxBytes: 10, maxWaitMs: 20_000 }
  expect(baseOffsets((await client.fetch('events', 0, limited)).records)).toEqual([0])
  expect(performance.now() - started).toBeLessThan(10_000)
  const refused = { errorCode: errorCodes.UNKNOWN_SERVER_ERROR, abortedTransactions: [] }
  expect(await client.fetch('events', 0, { isolationLevel: 2 })).toMatchObject(refused)
  expect(await client.fetch('events', 0, { maxBytes: -1 })).toMatchObject({
    errorCode: errorCodes.UNKNOWN_SERVER_ERROR,
  })
})

test('what is said last of a partition counts, and followers are refused', async () => {
  const { client } = await withBatches(2)
  const fetch = async (fetchOffsets: number[], changes: { replicaId?: number } = {}) => {
    const partitions = fetchOffsets.map((fetchOffset) => ({
      ...{ partition: 0, fetchOffset, partitionMaxBytes: 10_000 },
    }))
    const topics = [{ topic: 'events', partitions }]
    const limits = { maxWaitMs: 0, minBytes: 1 }
    const response = await client.request(apis.fetch, 11, {
      ...limits,
      topics,
      ...changes,
      ...none,
    })
    return response.responses[0]!.partitions
  }
  const [only, ...more] = await fetch([0, 3])
  expect(baseOffsets(only!.records)).toEqual([3])
  expect(more).toEqual([])
  expect(await fetch([0], { replicaId: 5 })).toMatchObject([
    { errorCode: errorCodes.NOT_LEADER_OR_FOLLOWER },
  ])
})

test('a reader whose last epoch ended earlier is told where', async () => {
  const dataDir = await harness.directory()
  const broker = await harness.broker({ dataDir })
  const client = await harness.client(broker)
  await client.topic('events')
  await client.produce('events', batchOf(['a', 'b']))
  const first = (await epochOf(client))!
  await broker.close()
  const later = await harness.client(await harness.broker({ dataDir }))
  await later.produce('events', batchOf(['c']))
  const second = (await epochOf(later))!
  expect(second).toBeGreaterThan(first)
  const fetch = async (fetchOffset: number, lastFetchedEpoch: number) => {
    const asked = { partition: 0, fetchOffset, lastFetchedEpoch, partitionMaxBytes: 10_000 }
    const response = await later.request(apis.fetch, 12, {
      ...{ maxWaitMs: 0, minBytes: 1, ...none },
      topics: [{ topic: 'events', partitions: [asked] }],
    })
    return response.responses[0]!.partitions[0]!
  }
  expect(await fetch(3, first)).toMatchObject({
    ...{ errorCode: 0, highWatermark: 3, divergingEpoch: { epoch: first, endOffset: 2 } },
    records: new Uint8Array(),
  })
  const agreeing = await fetch(2, first)
  expect(agreeing.divergingEpoch).toEqual({ epoch: -1, endOffset: -1 })
  expect(baseOffsets(agreeing.records)).toEqual([2])
  expect(await fetch(2, second + 5)).toMatchObject({ errorCode: errorCodes.OFFSET_OUT_OF_RANGE })
})
