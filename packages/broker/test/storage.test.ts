import { apis, errorCodes } from '@kfk/protocol'
import { batchOf, Harness } from './harness.js'

const harness = new Harness()
afterEach(() => harness.close())

async function withRecords() {
  const dataDir = await harness.directory()
  const client = await harness.client(await harness.broker({ dataDir }))
  await client.topic('events')
  for (let index = 0; index < 4; index++) await client.produce('events', batchOf(['a', 'b']))
  return { client, dataDir }
}

test('DescribeLogDirs tells the sizes of partitions and of the volume, in every version', async () => {
  const { client, dataDir } = await withRecords()
  for (let version = 1; version <= 4; version++) {
    const { results } = await client.request(apis.describeLogDirs, version, { topics: null })
    expect(results).toHaveLength(1)
    expect(results[0]).toMatchObject({ errorCode: 0, logDir: dataDir })
    expect(results[0]!.topics.map(({ name }) => name)).toEqual(['events'])
    expect(results[0]!.topics[0]!.partitions[0]!.partitionSize).toBeGreaterThan(4n * 61n)
    if (version === 4) {
      expect(results[0]!.totalBytes).toBeGreaterThan(results[0]!.usableBytes)
      expect(results[0]!.usableBytes).toBeGreaterThan(0n)
    }
  }
  const topics = [{ topic: 'events', partitions: [1] }]
  const { results } = await client.request(apis.describeLogDirs, 2, { topics })
  expect(results[0]!.topics).toEqual([])
})

test('DeleteRecords forgets all before an offset, in every version', async () => {
  const { client } = await withRecords()
  const remove = async (version: number, offset: number, name = 'events') => {
    const response = await client.request(apis.deleteRecords, version, {
      topics: [{ name, partitions: [{ partitionIndex: 0, offset }] }],
      timeoutMs: 1000,
    })
    return response.topics[0]!.partitions[0]!
  }
  for (const [version, offset] of [
    [0, 1],
    [1, 4],
    [2, 3],
  ] as const) {
    const lowWatermark = Math.max(offset, offset === 3 ? 4 : 0)
    expect(await remove(version, offset)).toMatchObject({ errorCode: 0, lowWatermark })
  }
  expect(await client.fetch('events', 3)).toMatchObject({
    errorCode: errorCodes.OFFSET_OUT_OF_RANGE,
    logStartOffset: -1,
  })
  expect(await client.fetch('events', 4)).toMatchObject({ errorCode: 0 })
  expect(await remove(2, 9)).toMatchObject({ errorCode: errorCodes.OFFSET_OUT_OF_RANGE })
  expect(await remove(2, -1)).toMatchObject({ errorCode: 0, lowWatermark: 8 })
  expect(await remove(2, 0, 'absent')).toMatchObject({
    errorCode: errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
  })
})
