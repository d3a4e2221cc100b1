import { apis } from '../src/api-keys.js'
import { kafkaCodec } from '../src/kafka-codec.js'
import { INT64_MAX } from '../src/schema.js'
import { WireReader } from '../src/wire-reader.js'
import { WireWriter } from '../src/wire-writer.js'

function written(write: (writer: WireWriter) => void): Buffer {
  const writer = new WireWriter()
  writer.begin()
  write(writer)
  return Buffer.concat(writer.finish()).subarray(4)
}

test('offsets are exact to 2^53 - 1, and 2^63 - 1 has a stand-in', () => {
  const values = [
    0,
    1,
    -1,
    -2,
    2 ** 31,
    2 ** 32 - 1,
    2 ** 32,
    2 ** 53 - 1,
    -(2 ** 53 - 1),
    -(2 ** 63),
  ]
  for (const value of [...values, INT64_MAX]) {
    const bytes = written((writer) => {
      writer.offsetAt(writer.reserve(8), value, 'offset')
    })
    const expected = value === INT64_MAX ? 2n ** 63n - 1n : BigInt(value)
    expect(bytes.readBigInt64BE(0)).toBe(expected)
    expect(new WireReader(bytes, 0, 0).offsetAt(0)).toBe(value)
  }
  for (const value of [0.5, Number.NaN, Infinity, 2 ** 64, 5n as unknown as number]) {
    expect(() => written((writer) => writer.offsetAt(writer.reserve(8), value, 'offset'))).toThrow(
      expect.objectContaining({ code: 'KFK_PROTOCOL_INVALID_ARGUMENT' }),
    )
  }
})

test('varints take up to five bytes', () => {
  for (const value of [0, 127, 128, 16_383, 16_384, 2 ** 28 - 1, 2 ** 28, 2 ** 32 - 1]) {
    const bytes = written((writer) => writer.varint(value))
    expect(new WireReader(bytes, 0, 0).varint()).toBe(value)
  }
})

test('text around the limits of its short form survives', () => {
  const texts = ['', 'a', 'é', 'a'.repeat(48), 'a'.repeat(49), 'é'.repeat(48), 'a'.repeat(32_767)]
  for (const text of texts) {
    const bytes = written((writer) => {
      writer.string(text, 'text')
      writer.compactString(text, 'text')
    })
    const reader = new WireReader(bytes, 0, 0)
    expect([reader.string(), reader.compactString()]).toEqual([text, text])
    expect(reader.position).toBe(bytes.length)
  }
  const tooLong = 'é'.repeat(16_384)
  expect(() => written((writer) => writer.compactString(tooLong, 'text'))).toThrow('text cannot be')
})

test('a tagged field of any size gets its size in front', () => {
  // NodeEndpoints of a Produce response: 127, 128 and 16,384 bytes need size prefixes of 1, 2, 3 bytes.
  for (let length = 90; length < 140; length += 1) roundTrip(length)
  for (const length of [16_300, 16_384, 32_000]) roundTrip(length)

  function roundTrip(length: number): void {
    const nodeEndpoints = [{ nodeId: 1, host: 'h'.repeat(length), port: 2, rack: null }]
    const body = { responses: [], throttleTimeMs: 3, nodeEndpoints }
    const frame = Buffer.concat(kafkaCodec.encodeResponse(apis.produce, 12, 1, body))
    expect(kafkaCodec.decodeResponse(apis.produce, 12, frame.subarray(4))).toEqual(body)
  }
})

test('large bytes are chunks by reference, small ones are copied', () => {
  const large = Buffer.alloc(1024, 1)
  const small = Buffer.alloc(1023, 2)
  const partitionData = [large, small, large].map((records, index) => ({ index, records }))
  const body = { acks: 1, timeoutMs: 1, topicData: [{ name: 't', partitionData }] }
  const header = { apiVersion: 9, correlationId: 1, clientId: null }
  const chunks = kafkaCodec.encodeRequest(apis.produce, header, body)
  expect(chunks).toHaveLength(5)
  expect(chunks[1]).toBe(large)
  expect(chunks[3]).toBe(large)
  const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  expect(Buffer.from(chunks[0]!).readInt32BE(0)).toBe(length - 4)
})

test('frames do not share bytes, whatever failed in between', () => {
  const header = { apiVersion: 4, correlationId: 1, clientId: 'c' }
  const heartbeat = (groupId: string) =>
    Buffer.concat(
      kafkaCodec.encodeRequest(apis.heartbeat, header, { groupId, generationId: 1, memberId: 'm' }),
    )
  const expected = heartbeat('group').toString('hex')
  const frames: Uint8Array[][] = []
  for (let index = 0; index < 3000; index += 1) {
    const body = { groupId: 'group', generationId: 1, memberId: 'm' }
    frames.push(kafkaCodec.encodeRequest(apis.heartbeat, header, body))
    const wrong = { ...body, groupInstanceId: 1 as unknown as string }
    expect(() => kafkaCodec.encodeRequest(apis.heartbeat, header, wrong)).toThrow('groupInstanceId')
  }
  expect(frames.every((frame) => Buffer.concat(frame).toString('hex') === expected)).toBe(true)
})

test('a frame larger than a slab is one piece', () => {
  const topics = Array.from({ length: 20_000 }, (_, index) => ({ name: `topic-${index}` }))
  const header = { apiVersion: 9, correlationId: 1, clientId: null }
  const chunks = kafkaCodec.encodeRequest(apis.metadata, header, { topics })
  expect(chunks).toHaveLength(1)
  const frame = Buffer.from(chunks[0]!).subarray(4)
  const { bodyPosition } = kafkaCodec.decodeRequestHeader(frame)
  const decoded = kafkaCodec.decodeRequest(apis.metadata, 9, frame, bodyPosition)
  expect(decoded.topics?.map(({ name }) => name)).toEqual(topics.map(({ name }) => name))
})
