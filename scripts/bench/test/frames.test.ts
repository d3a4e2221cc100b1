import { apis, kafkaCodec, validateBatch } from '@kfk/protocol'
import { fetchFrames, fetchOffsetAt, produceFrames } from '../cluster/frames.mjs'

const topic = 'bench-000001'

test('each produce request is for one partition and holds a valid batch', () => {
  const shape = { topic, partitions: 3, valueBytes: 100, acks: 'all', perBatch: 7 }
  const frames = produceFrames({ ...shape, codec: undefined })
  expect(frames).toHaveLength(16)
  const partitions = frames.map((bytes: Buffer) => {
    expect(bytes.readInt32BE(0)).toBe(bytes.length - 4)
    const frame = bytes.subarray(4)
    const header = kafkaCodec.decodeRequestHeader(frame)
    expect(header).toMatchObject({ apiKey: apis.produce.key, apiVersion: 7 })
    const body = kafkaCodec.decodeRequest(apis.produce, 7, frame, header.bodyPosition)
    expect(body).toMatchObject({ acks: -1, topicData: [{ name: topic }] })
    const { index, records } = body.topicData[0]!.partitionData[0]!
    validateBatch(records!)
    return index
  })
  expect(new Set(partitions)).toEqual(new Set([0, 1, 2]))
})

test('the partitions are shared out over the connections, their offsets where they are said to be', () => {
  const frames: Buffer[] = fetchFrames({ topic, partitions: 5, raw: false })
  const asked = frames.map((bytes, connection) => {
    const at = fetchOffsetAt(frames[0]!, 3)
    const count = connection === 0 ? 3 : 2
    for (let n = 0; n < count; n++) bytes.writeBigInt64BE(BigInt(100 + n), at + 16 * n)
    const frame = bytes.subarray(4)
    const { bodyPosition } = kafkaCodec.decodeRequestHeader(frame)
    const body = kafkaCodec.decodeRequest(apis.fetch, 4, frame, bodyPosition)
    return body.topics[0]!.partitions.map(({ partition, fetchOffset }) => [partition, fetchOffset])
  })
  expect(asked).toEqual([
    [
      [0, 100],
      [2, 101],
      [4, 102],
    ],
    [
      [1, 100],
      [3, 101],
    ],
  ])
})
