import { apis, decodeRecords, errorCodes, ZERO_UUID } from '@kfk/protocol'
import { batchOf, Harness, RawClient } from './harness.js'

const harness = new Harness()
afterEach(() => harness.close())

const values = (from: number, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `v${from + index}`)

async function everything(client: RawClient, topic: string): Promise<string[]> {
  const seen: string[] = []
  for (let offset = 0; ;) {
    const { records, highWatermark } = await client.fetch(topic, offset, { maxBytes: 200 })
    if (offset >= highWatermark) return seen
    // Whole batches; a fetch may give several.
    for (let rest = records!; rest.length > 0;) {
      const decoded = decodeRecords(rest)
      for (const record of decoded) seen.push(Buffer.from(record.value!).toString())
      offset = decoded.at(-1)!.offset + 1
      rest = rest.subarray(Buffer.from(rest).readInt32BE(8) + 12)
    }
  }
}

test('every version from 3 on appends, for every acks, and tells where', async () => {
  const broker = await harness.broker()
  const client = await harness.client(broker)
  const topicId = await client.topic('events')
  let next = 0
  for (let version = 3; version <= 13; version++) {
    for (const acks of [1, -1]) {
      const batch = batchOf(values(next, 3))
      const response = await client.produce('events', batch, { version, acks, topicId })
      expect(response).toMatchObject({
        index: 0,
        errorCode: 0,
        baseOffset: next,
        logAppendTimeMs: -1,
      })
      next += 3
    }
  }
  expect(await everything(client, 'events')).toEqual(values(0, next))
})

test('acks=0 has no response, and an error closes the connection', async () => {
  const broker = await harness.broker()
  const client = await harness.client(broker)
  await client.topic('events')
  const partitionData = [{ index: 0, records: batchOf(['a']) }]
  const body = { acks: 0, timeoutMs: 1000, topicData: [{ name: 'events', partitionData }] }
  client.send(apis.produce, 7, body)
  const { baseOffset } = await client.produce('events', batchOf(['b']))
  expect(baseOffset).toBe(1)
  client.send(apis.produce, 7, { ...body, topicData: [{ name: 'absent', partitionData }] })
  await client.untilClosed()
})

test('pipelined requests are appended and answered in order', async () => {
  const broker = await harness.broker()
  const client = await harness.client(broker)
  await client.topic('events')
  for (let index = 0; index < 50; index++) {
    client.send(apis.produce, 9, {
      acks: -1,
      timeoutMs: 1000,
      topicData: [
        { name: 'events', partitionData: [{ index: 0, records: batchOf([`v${index}`]) }] },
      ],
    })
  }
  for (let index = 0; index < 50; index++) await client.receive()
  expect(await everything(client, 'events')).toEqual(values(0, 50))
})

test('large requests are stored as they came, though their memory is used again', async () => {
  const broker = await harness.broker()
  const clients = await Promise.all([1, 2, 3].map(() => harness.client(broker)))
  const topics = ['a', 'b', 'c']
  for (const topic of topics) await clients[0]!.topic(topic)
  const valueOf = (index: number): string =>
    String(index)
      .padStart(5)
      .repeat(4_000 + ((index * 1987) % 12_000))
  for (let index = 0; index < 180; index++) {
    const partitionData = [{ index: 0, records: batchOf([valueOf(index)]) }]
    const topicData = [{ name: topics[index % 3]!, partitionData }]
    // Nobody waits for half of them, which are still to be written when their requests are over.
    const acks = index % 2
    clients[(index % 4) % 3]!.send(apis.produce, 7, { acks, timeoutMs: 30_000, topicData })
  }
  const acknowledged = [45, 45, 0]
  for (const [at, client] of clients.entries()) {
    for (let answer = 0; answer < acknowledged[at]!; answer++) await client.receive()
    // Served after all that came before it.
    await client.topic('a')
  }
  const seen: number[] = []
  for (const topic of topics) {
    for (let offset = 0; offset < 60; offset++) {
      const { records } = await clients[0]!.fetch(topic, offset, { maxBytes: 1 })
      const value = Buffer.from(decodeRecords(records!)[0]!.value!).toString()
      const index = Number(value.slice(0, 5))
      expect(value === valueOf(index) && topics[index % 3] === topic).toBe(true)
      seen.push(index)
    }
  }
  expect(new Set(seen).size).toBe(180)
})

test('each partition has its own outcome', async () => {
  const broker = await harness.broker({ config: { 'num.partitions': '3' } })
  const client = await harness.client(broker)
  const topicId = await client.topic('events')
  const corrupt = Buffer.from(batchOf(['x'.repeat(50)])).fill(1, 70, 71)
  const response = await client.request(apis.produce, 13, {
    acks: 1,
    timeoutMs: 1000,
    topicData: [
      {
        topicId,
        partitionData: [
          { index: 0, records: batchOf(['a']) },
          { index: 1, records: corrupt },
          { index: 2, records: null },
          { index: 3, records: batchOf(['a']) },
        ],
      },
      { topicId: 'QAAAAAAAAAAAAAAAAAAAAA', partitionData: [{ index: 0, records: batchOf(['a']) }] },
    ],
  })
  expect(
    response.responses.map((topic) => topic.partitionResponses.map(({ errorCode }) => errorCode)),
  ).toEqual([
    [
      errorCodes.NONE,
      errorCodes.CORRUPT_MESSAGE,
      errorCodes.INVALID_RECORD,
      errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
    ],
    [errorCodes.UNKNOWN_TOPIC_ID],
  ])
  expect(response.responses[0]!.topicId).toBe(topicId)
  expect(topicId).not.toBe(ZERO_UUID)
})

test('what Kafka refuses is refused, with its code and a message', async () => {
  const broker = await harness.broker({ config: { 'message.max.bytes': '1000' } })
  const client = await harness.client(broker)
  await client.topic('events')
  const batch = batchOf(['a'])
  expect(await client.produce('events', batch, { acks: 2 })).toMatchObject({
    errorCode: errorCodes.INVALID_REQUIRED_ACKS,
  })
  expect(await client.produce('events', batchOf(['x'.repeat(1000)]))).toMatchObject({
    errorCode: errorCodes.MESSAGE_TOO_LARGE,
    errorMessage: expect.stringContaining('max.message.bytes is 1000'),
  })
  expect(await client.produce('__consumer_offsets', batch)).toMatchObject({
    errorCode: errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
  })
  expect(await client.produce('__kfk_metadata', batch)).toMatchObject({
    errorCode: errorCodes.INVALID_TOPIC_EXCEPTION,
  })
})

test('zstd needs Produce 7', async () => {
  const broker = await harness.broker()
  const client = await harness.client(broker)
  await client.topic('events')
  // The compression type alone decides; attributes are at byte 21.
  const zstd = Buffer.from(batchOf(['a'])).fill(4, 22, 23)
  expect(await client.produce('events', zstd, { version: 6 })).toMatchObject({
    errorCode: errorCodes.UNSUPPORTED_COMPRESSION_TYPE,
  })
})

test('versions below 3 close the connection', async () => {
  const broker = await harness.broker()
  const client = await harness.client(broker)
  client.send(apis.produce, 2, { acks: 1, timeoutMs: 1000, topicData: [] })
  await client.untilClosed()
})

describe('idempotence', () => {
  const producer = { producerId: 4000n, producerEpoch: 0 }

  test('a batch sent twice is stored once and answered with its first offset', async () => {
    const broker = await harness.broker()
    const client = await harness.client(broker)
    await client.topic('events')
    const send = (baseSequence: number) =>
      client.produce('events', batchOf(values(baseSequence, 2), { ...producer, baseSequence }))
    for (const sequence of [0, 2, 4]) {
      expect(await send(sequence)).toMatchObject({ errorCode: 0, baseOffset: sequence })
    }
    expect(await send(2)).toMatchObject({ errorCode: 0, baseOffset: 2 })
    expect(await send(8)).toMatchObject({ errorCode: errorCodes.OUT_OF_ORDER_SEQUENCE_NUMBER })
    expect(await send(6)).toMatchObject({ errorCode: 0, baseOffset: 6 })
    expect(await everything(client, 'events')).toEqual(values(0, 8))
  })

  test.each(['a clean stop', 'a crash'])('holds across %s', async (how) => {
    const dataDir = await harness.directory()
    const broker = await harness.broker({ dataDir })
    const client = await harness.client(broker)
    await client.topic('events')
    const batch = (sequence: number) =>
      batchOf(values(sequence, 1), { ...producer, baseSequence: sequence })
    for (let sequence = 0; sequence < 7; sequence++) {
      await client.produce('events', batch(sequence))
    }
    const crashed = how === 'a crash' ? await harness.crashed(dataDir) : dataDir
    await broker.close()
    const again = await harness.client(await harness.broker({ dataDir: crashed }))
    // All that may have been in flight when the broker went away.
    for (let sequence = 2; sequence < 7; sequence++) {
      expect(await again.produce('events', batch(sequence))).toMatchObject({
        errorCode: 0,
        baseOffset: sequence,
      })
    }
    expect(await again.produce('events', batch(8))).toMatchObject({
      errorCode: errorCodes.OUT_OF_ORDER_SEQUENCE_NUMBER,
    })
    expect(await again.produce('events', batch(7))).toMatchObject({ errorCode: 0, baseOffset: 7 })
    expect(await everything(again, 'events')).toEqual(values(0, 8))
  })

  test('InitProducerId gives every producer another id, also after a restart', async () => {
    const dataDir = await harness.directory()
    const ids = new Set<bigint>()
    for (let start = 0; start < 2; start++) {
      const broker = await harness.broker({ dataDir })
      const client = await harness.client(broker)
      for (let version = 0; version <= 5; version++) {
        const response = await client.request(apis.initProducerId, version, {
          transactionalId: null,
          transactionTimeoutMs: 60_000,
        })
        expect(response).toMatchObject({ errorCode: 0, producerEpoch: 0 })
        ids.add(response.producerId)
      }
      await broker.close()
    }
    expect(ids.size).toBe(12)
  })
})
