import { apis, encodeRecordBatch, errorCodes } from '@kfk/protocol'
import { batchOf, Harness, type RawClient } from './harness.js'

const harness = new Harness()
afterEach(() => harness.close())

const start = Date.now() - 100_000

/** Three batches of two records, a second apart each. */
async function withRecords(dataDir?: string): Promise<RawClient> {
  const client = await harness.client(
    await harness.broker(dataDir === undefined ? {} : { dataDir }),
  )
  await client.topic('events')
  for (let index = 0; index < 6; index += 2) {
    const records = [index, index + 1].map((n) => ({
      key: 'k',
      value: String(n),
      timestamp: start + 1000 * n,
    }))
    await client.produce('events', encodeRecordBatch(records, {}))
  }
  return client
}

async function list(
  client: RawClient,
  version: number,
  timestamp: number,
  currentLeaderEpoch = -1,
) {
  const response = await client.request(apis.listOffsets, version, {
    replicaId: -1,
    isolationLevel: 0,
    topics: [
      { name: 'events', partitions: [{ partitionIndex: 0, currentLeaderEpoch, timestamp }] },
    ],
  })
  return response.topics[0]!.partitions[0]!
}

test('the ends of the log, in every version', async () => {
  const client = await withRecords()
  for (let version = 1; version <= 11; version++) {
    expect(await list(client, version, -1)).toMatchObject({ errorCode: 0, offset: 6 })
    expect(await list(client, version, -2)).toMatchObject({ errorCode: 0, offset: 0 })
  }
})

test('the start carries the epoch that wrote it, and while nothing is written the one that will', async () => {
  const dataDir = await harness.directory()
  const broker = await harness.broker({ dataDir })
  const client = await harness.client(broker)
  await client.topic('events')
  const { leaderEpoch: first } = await list(client, 4, -1)
  expect(await list(client, 4, -2)).toMatchObject({ offset: 0, leaderEpoch: first })
  await client.produce('events', batchOf(['a', 'b']))
  await broker.close()
  const later = await harness.client(await harness.broker({ dataDir }))
  await later.produce('events', batchOf(['c']))
  const { leaderEpoch } = await list(later, 4, -1)
  expect(await list(later, 4, -2)).toMatchObject({ offset: 0, leaderEpoch: leaderEpoch! - 1024 })
  const partitions = [{ partitionIndex: 0, offset: 2 }]
  await later.request(apis.deleteRecords, 2, {
    topics: [{ name: 'events', partitions }],
    timeoutMs: 1000,
  })
  expect(await list(later, 4, -2)).toMatchObject({ offset: 2, leaderEpoch })
})

test('the special timestamps exist from their versions on', async () => {
  const client = await withRecords()
  const since = { [-3]: 7, [-4]: 8, [-5]: 9, [-6]: 11 }
  const offsets = { [-3]: 5, [-4]: 0, [-5]: -1, [-6]: -1 }
  for (const timestamp of [-3, -4, -5, -6] as const) {
    expect(await list(client, 11, timestamp)).toMatchObject({
      errorCode: 0,
      offset: offsets[timestamp],
    })
    expect(await list(client, since[timestamp] - 1, timestamp)).toMatchObject({
      errorCode: errorCodes.UNSUPPORTED_VERSION,
    })
  }
  expect(await list(client, 7, -3)).toMatchObject({ timestamp: start + 5000 })
})

test('a timestamp finds the first record that is not older, exactly', async () => {
  const client = await withRecords()
  for (const [timestamp, offset] of [
    [0, 0],
    [start, 0],
    [start + 1, 1],
    [start + 1000, 1],
    [start + 3500, 4],
    [start + 5000, 5],
  ] as const) {
    expect(await list(client, 7, timestamp)).toMatchObject({
      errorCode: 0,
      offset,
      timestamp: start + 1000 * offset,
    })
  }
  expect(await list(client, 7, start + 5001)).toMatchObject({ offset: -1, timestamp: -1 })
})

test('an absent partition, and another epoch', async () => {
  const client = await withRecords()
  expect(await list(client, 4, -1, 1)).toMatchObject({ errorCode: errorCodes.FENCED_LEADER_EPOCH })
  expect(await list(client, 4, -1, 99_999)).toMatchObject({
    errorCode: errorCodes.UNKNOWN_LEADER_EPOCH,
  })
  const response = await client.request(apis.listOffsets, 4, {
    replicaId: -1,
    isolationLevel: 0,
    topics: [{ name: 'absent', partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
  })
  expect(response.topics[0]!.partitions[0]).toMatchObject({
    errorCode: errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
  })
})

test('each start of the broker is an epoch of its own, and the end of each is known', async () => {
  const dataDir = await harness.directory()
  const broker = await harness.broker({ dataDir })
  const before = await harness.client(broker)
  await before.topic('events')
  await before.produce('events', batchOf(['a', 'b']))
  await broker.close()
  const after = await harness.client(await harness.broker({ dataDir }))
  const epochEnd = async (leaderEpoch: number, version = 4) => {
    const response = await after.request(apis.offsetForLeaderEpoch, version, {
      replicaId: -1,
      topics: [{ topic: 'events', partitions: [{ partition: 0, leaderEpoch }] }],
    })
    return response.topics[0]!.partitions[0]!
  }
  const [first, second] = [1025, 2049]
  // Nothing has been written under the new epoch.
  expect(await epochEnd(first)).toMatchObject({ errorCode: 0, leaderEpoch: first, endOffset: 2 })
  expect(await epochEnd(second)).toMatchObject({ leaderEpoch: second, endOffset: 2 })
  await after.produce('events', batchOf(['c']))
  for (const version of [2, 3, 4]) {
    expect(await epochEnd(first, version)).toMatchObject({ leaderEpoch: first, endOffset: 2 })
    expect(await epochEnd(second, version)).toMatchObject({ leaderEpoch: second, endOffset: 3 })
  }
  expect(await epochEnd(1500)).toMatchObject({ leaderEpoch: first, endOffset: 2 })
  expect(await epochEnd(3000)).toMatchObject({ leaderEpoch: -1, endOffset: -1 })
})
