import assert from 'node:assert/strict'
import { apis } from './api-keys.js'
import type { Api } from './api.js'
import type { WireCodec } from './codec.js'
import { ProtocolError } from './errors.js'
import { defaultValue, isArray, isStruct } from './layout.js'
import { sampleMessage } from './sample-message.js'
import type { Schema } from './schema.js'
import { ZERO_UUID } from './schema.js'

/** The test runner's own functions, and the codec to test. */
export interface ComplianceOptions {
  describe(name: string, body: () => void): void
  test(name: string, body: () => void): void
  factory(): WireCodec
}

const clientId = 'compliance'

/**
 * Declares the tests that every `WireCodec` has to pass. They use nothing but `node:assert`, so
 * jest, vitest and node:test will do.
 */
export function wireCodecCompliance(options: ComplianceOptions): void {
  options.describe('messages', () => messageSuite(options))
  options.describe('values', () => valueSuite(options))
  options.describe('frames', () => frameSuite(options))
  options.describe('damage', () => damageSuite(options))
}

function messageSuite({ test, factory }: ComplianceOptions): void {
  for (const api of Object.values<Api>(apis)) {
    test(`${api.name}: every version survives, in both directions`, () => {
      const codec = factory()
      for (let version = api.versions[0]; version <= api.versions[1]; version += 1) {
        const at = { version, flexible: version >= api.flexibleSince }
        for (let seed = 1; seed < 8; seed += 1) {
          const request = sampleMessage(api.request, at, seed)
          const header = { apiVersion: version, correlationId: seed * 1e8, clientId }
          const frame = onlyFrame(codec, codec.encodeRequest(api, header, request))
          const decodedHeader = codec.decodeRequestHeader(frame)
          const { bodyPosition } = decodedHeader
          assert.deepEqual(decodedHeader, { ...header, apiKey: api.key, bodyPosition })
          assertSame(
            codec.decodeRequest(api, version, frame, bodyPosition),
            complete(api.request, request),
          )

          const response = sampleMessage(api.response, at, seed)
          const answer = onlyFrame(codec, codec.encodeResponse(api, version, -seed, response))
          assert.equal(codec.peekCorrelationId(answer), -seed)
          assertSame(codec.decodeResponse(api, version, answer), complete(api.response, response))
        }
      }
    })
  }
}

function valueSuite({ test, factory }: ComplianceOptions): void {
  const { fetch, heartbeat, joinGroup, metadata, findCoordinator } = apis

  test('a field left out holds its default after decoding', () => {
    const codec = factory()
    const body = { groupId: 'g', generationId: 1, memberId: 'm' }
    const frame = onlyFrame(codec, codec.encodeRequest(heartbeat, header(4), body))
    const { bodyPosition } = codec.decodeRequestHeader(frame)
    const decoded = codec.decodeRequest(heartbeat, 4, frame, bodyPosition)
    assertSame(decoded, { ...body, groupInstanceId: null })
  })

  test('an ignorable value that the version lacks is dropped, another one is refused', () => {
    const codec = factory()
    const topics = [{ name: 't', topicId: 'BBBBBBBBBBBBBBBBBBBBBA' }]
    const frame = onlyFrame(codec, codec.encodeRequest(metadata, header(4), { topics }))
    const { bodyPosition } = codec.decodeRequestHeader(frame)
    const decoded = codec.decodeRequest(metadata, 4, frame, bodyPosition)
    assert.equal(decoded.topics?.[0]?.topicId, ZERO_UUID)
    const body = { groupId: 'g', generationId: 1, memberId: 'm', groupInstanceId: 'static' }
    refuses('UNSUPPORTED_VERSION', () => codec.encodeRequest(heartbeat, header(2), body))
    refuses('UNSUPPORTED_VERSION', () =>
      codec.encodeRequest(findCoordinator, header(4), { key: 'k', coordinatorKeys: ['k'] }),
    )
  })

  test('a value that no field of its type can carry is refused', () => {
    const codec = factory()
    for (const generationId of [1.5, 2 ** 31, Number.NaN, '1', undefined, null, 1n]) {
      const body = { groupId: 'g', memberId: 'm', generationId: generationId as number }
      refuses('INVALID_ARGUMENT', () => codec.encodeRequest(heartbeat, header(1), body))
    }
    for (const groupId of [undefined, null, 7, 'x'.repeat(0x8000)]) {
      const body = { groupId: groupId as string, memberId: 'm', generationId: 1 }
      refuses('INVALID_ARGUMENT', () => codec.encodeRequest(heartbeat, header(1), body))
    }
    const body = { throttleTimeMs: 0, brokers: [], topics: 'none' as unknown as [] }
    refuses('INVALID_ARGUMENT', () => codec.encodeResponse(metadata, 9, 1, body))
  })

  test('names that objects inherit are values like any other', () => {
    const codec = factory()
    for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      const body = {
        groupId: name,
        sessionTimeoutMs: 1,
        memberId: name,
        protocolType: name,
        protocols: [{ name, metadata: Buffer.from(name) }],
      }
      const frame = onlyFrame(codec, codec.encodeRequest(joinGroup, header(5), body))
      const { bodyPosition } = codec.decodeRequestHeader(frame)
      const decoded = codec.decodeRequest(joinGroup, 5, frame, bodyPosition)
      assertSame(decoded, complete(joinGroup.request, body))
      assert.equal(Object.getPrototypeOf(decoded), Object.prototype)
    }
  })

  test('empty, null, small and large records survive', () => {
    const codec = factory()
    const sizes = [0, 1, 1023, 1024, 100_000]
    const values = [null, ...sizes.map((size) => Buffer.alloc(size, size))]
    const partitions = values.map((records, partitionIndex) => ({
      partitionIndex,
      errorCode: 0,
      highWatermark: 2 ** 53 - 1,
      abortedTransactions: null,
      records,
    }))
    const body = { throttleTimeMs: 0, responses: [{ topic: 't', partitions }] }
    const frame = onlyFrame(codec, codec.encodeResponse(fetch, 12, 1, body))
    assertSame(codec.decodeResponse(fetch, 12, frame), complete(fetch.response, body))
  })
}

function frameSuite({ test, factory }: ComplianceOptions): void {
  const frames = (codec: WireCodec): Buffer[] =>
    Array.from({ length: 5 }, (_, index) =>
      Buffer.concat(
        codec.encodeResponse(apis.syncGroup, 3, index, {
          errorCode: 0,
          assignment: Buffer.alloc(index * 100),
        }),
      ),
    )

  test('however the stream is cut, the same frames come out', () => {
    const codec = factory()
    const stream = Buffer.concat(frames(codec))
    for (let size = 1; size <= stream.length; size += size < 20 ? 1 : 97) {
      const decoder = codec.createFrameDecoder({ maxFrameBytes: 10_000 })
      const seen: number[] = []
      for (let position = 0; position < stream.length; position += size) {
        for (const frame of decoder.push(Buffer.from(stream.subarray(position, position + size)))) {
          seen.push(codec.peekCorrelationId(frame))
          const { assignment } = codec.decodeResponse(apis.syncGroup, 3, frame)
          assert.equal(assignment.length, (seen.length - 1) * 100)
        }
      }
      assert.deepEqual(seen, [0, 1, 2, 3, 4])
      assert.equal(decoder.bufferedBytes, 0)
    }
  })

  test('an impossible size is refused as soon as it is read', () => {
    const codec = factory()
    for (const size of [-1, -0x80000000, 0, 3, 101, 0x7fffffff]) {
      const decoder = codec.createFrameDecoder({ maxFrameBytes: 100 })
      const prefix = Buffer.alloc(4)
      prefix.writeInt32BE(size)
      refuses(size > 100 ? 'TOO_LARGE' : 'MALFORMED', () => decoder.push(prefix))
    }
  })

  test('a claimed size reserves nothing', () => {
    const codec = factory()
    const decoder = codec.createFrameDecoder({ maxFrameBytes: 0x7fffffff })
    const prefix = Buffer.alloc(8)
    prefix.writeInt32BE(0x7fffffff)
    const before = process.memoryUsage().arrayBuffers
    assert.deepEqual(decoder.push(prefix), [])
    assert.ok(process.memoryUsage().arrayBuffers - before < 1_000_000)
    assert.equal(decoder.bufferedBytes, 8)
  })
}

function damageSuite({ test, factory }: ComplianceOptions): void {
  const sample = (codec: WireCodec): Buffer => {
    const api: Api = apis.metadata
    const body = sampleMessage(api.request, { version: 12, flexible: true }, 3)
    return onlyFrame(codec, codec.encodeRequest(api, header(12), body))
  }
  const decode = (codec: WireCodec, frame: Uint8Array): void => {
    const { bodyPosition } = codec.decodeRequestHeader(frame)
    codec.decodeRequest(apis.metadata, 12, frame, bodyPosition)
  }

  test('a frame that is cut off is refused', () => {
    const codec = factory()
    const frame = sample(codec)
    for (let length = 0; length < frame.length; length += 1) {
      assert.throws(() => decode(codec, frame.subarray(0, length)), isProtocolError)
    }
  })

  test('a flipped bit gives a value or a ProtocolError', () => {
    const codec = factory()
    const frame = sample(codec)
    for (let bit = 0; bit < frame.length * 8; bit += 1) {
      const damaged = Buffer.from(frame)
      damaged[bit >> 3]! ^= 1 << (bit & 7)
      try {
        decode(codec, damaged)
      } catch (error) {
        assert.ok(isProtocolError(error), String(error))
      }
    }
  })

  test('versions and APIs without a schema are refused', () => {
    const codec = factory()
    const { heartbeat } = apis
    const body = { groupId: 'g', generationId: 1, memberId: 'm' }
    for (const version of [-1, 5, 0.5, Number.NaN, 0x7fff]) {
      refuses('UNSUPPORTED_VERSION', () => codec.encodeRequest(heartbeat, header(version), body))
      refuses('UNSUPPORTED_VERSION', () =>
        codec.decodeResponse(heartbeat, version, Buffer.alloc(20)),
      )
    }
    const unknown: Api = { ...heartbeat, key: 999 }
    const frame = onlyFrame(codec, codec.encodeRequest(unknown, header(1), body))
    refuses('UNKNOWN_API', () => codec.decodeRequestHeader(frame))
  })
}

function header(apiVersion: number): {
  apiVersion: number
  correlationId: number
  clientId: string | null
} {
  return { apiVersion, correlationId: 7, clientId: null }
}

/** Passes chunks through a frame decoder, as a connection does. */
function onlyFrame(codec: WireCodec, chunks: readonly Uint8Array[]): Buffer {
  const frames = codec.createFrameDecoder({ maxFrameBytes: 1e8 }).push(Buffer.concat(chunks))
  assert.equal(frames.length, 1)
  return Buffer.from(frames[0]!)
}

/** A value as it comes back: with the defaults of what was left out. */
function complete(schema: Schema, value: unknown): unknown {
  if (value === undefined) return defaultValue(schema)
  if (value === null) return null
  if (isArray(schema)) return (value as unknown[]).map((element) => complete(schema.of, element))
  if (!isStruct(schema)) return value
  const values = value as Readonly<Record<string, unknown>>
  return Object.fromEntries(
    Object.entries(schema.fields).map(([name, field]) => [name, complete(field, values[name])]),
  )
}

function assertSame(actual: unknown, expected: unknown): void {
  assert.deepEqual(comparable(actual), comparable(expected))
}

/** Bytes compare by content, whatever view they come in. */
function comparable(value: unknown): unknown {
  if (value instanceof Uint8Array) return `0x${Buffer.from(value).toString('hex')}`
  if (Array.isArray(value)) return value.map(comparable)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, comparable(field)]))
}

function isProtocolError(error: unknown): boolean {
  return error instanceof ProtocolError
}

function refuses(kind: string, operation: () => unknown): void {
  assert.throws(
    operation,
    (error) => error instanceof ProtocolError && error.code === `KFK_PROTOCOL_${kind}`,
  )
}
