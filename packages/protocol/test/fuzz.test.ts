import fc from 'fast-check'
import { apis } from '../src/api-keys.js'
import type { Api } from '../src/api.js'
import type { WireCodec } from '../src/codec.js'
import { ProtocolError } from '../src/errors.js'
import { createKafkaCodec, kafkaCodec } from '../src/kafka-codec.js'
import { msgpackCodec } from '../src/msgpack-codec.js'
import { sampleMessage } from '../src/sample-message.js'

// More in a nightly run: FUZZ_RUNS=100000.
const runs = Number(process.env.FUZZ_RUNS ?? 300)
const all = Object.values<Api>(apis)

/** Decodes what may be anything; only a ProtocolError may come out of it. */
function survives(decode: () => unknown): void {
  try {
    decode()
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
  }
}

function decodeAny(codec: WireCodec, frame: Uint8Array): void {
  survives(() => {
    const { apiKey, apiVersion, bodyPosition } = codec.decodeRequestHeader(frame)
    const api = all.find((candidate) => candidate.key === apiKey)!
    codec.decodeRequest(api, apiVersion, frame, bodyPosition)
  })
}

/** Whole frames of every API and version, without their length prefix. */
function seedFrames(codec: WireCodec): Buffer[] {
  return all.flatMap((api) =>
    Array.from({ length: api.versions[1] - api.versions[0] + 1 }, (_, index) => {
      const apiVersion = api.versions[0] + index
      const at = { version: apiVersion, flexible: apiVersion >= api.flexibleSince }
      const body = sampleMessage(api.request, at, apiVersion + 1)
      const header = { apiVersion, correlationId: 1, clientId: 'fuzz' }
      return Buffer.concat(codec.encodeRequest(api, header, body)).subarray(4)
    }),
  )
}

describe.each([kafkaCodec, msgpackCodec])('$name codec', (codec) => {
  const seeds = seedFrames(codec)

  test('random bytes give a ProtocolError or a value', () => {
    const target = fc.constantFrom(...all)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), target, fc.nat(20), (bytes, api, version) => {
        decodeAny(codec, bytes)
        survives(() => codec.decodeRequest(api, version, bytes, 0))
        survives(() => codec.decodeResponse(api, version, bytes))
        survives(() => codec.peekCorrelationId(bytes))
      }),
      { numRuns: runs * 5, seed: 2 },
    )
  })

  test('mutated frames give a ProtocolError or a value', () => {
    const mutation = fc.record({
      position: fc.nat(400),
      bytes: fc.oneof(
        fc.uint8Array({ minLength: 1, maxLength: 5 }),
        fc.constantFrom([0xff, 0xff, 0xff, 0xff, 0x0f], [0x7f, 0xff, 0xff, 0xff], [0x80, 0, 0, 0]),
      ),
      cut: fc.option(fc.nat(400), { freq: 6 }),
    })
    const mutations = fc.array(mutation, { minLength: 1, maxLength: 3 })
    fc.assert(
      fc.property(fc.constantFrom(...seeds), mutations, (seed, changes) => {
        let frame = Buffer.from(seed)
        for (const { position, bytes, cut } of changes) {
          frame.set(
            [...bytes].slice(0, Math.max(0, frame.length - position)),
            Math.min(position, frame.length),
          )
          if (cut !== null) frame = frame.subarray(0, cut)
        }
        decodeAny(codec, frame)
        // Past the header and its checksum: what is wrong there must not hide the body from the test.
        const { apiKey, apiVersion, bodyPosition } = codec.decodeRequestHeader(seed)
        const api = all.find((candidate) => candidate.key === apiKey)!
        survives(() => codec.decodeRequest(api, apiVersion, frame, bodyPosition))
      }),
      { numRuns: runs * 20, seed: 3 },
    )
  })
})

describe('a small frame that claims much', () => {
  /** A Metadata request whose topics are counted as 20 million. */
  function claim(version: 1 | 12, count: number): Buffer {
    const frame = Buffer.alloc(200)
    frame.writeInt16BE(3, 0)
    frame.writeInt16BE(version, 2)
    frame.writeInt16BE(-1, 8)
    if (version === 1) frame.writeInt32BE(count, 10)
    else {
      frame[10] = 0 // no tagged fields in the header
      for (let index = 0, rest = count + 1; index < 5; index += 1, rest >>>= 7) {
        frame[11 + index] = (rest & 0x7f) | (index < 4 ? 0x80 : 0)
      }
    }
    return frame
  }

  test.each([
    ['20 million elements', claim(1, 20_000_000)],
    ['20 million elements, compact', claim(12, 20_000_000)],
    ['a negative count', claim(1, -2)],
  ])('%s: refused at once', (_, frame) => {
    const before = process.cpuUsage()
    const { bodyPosition } = kafkaCodec.decodeRequestHeader(frame)
    const version = frame.readInt16BE(2)
    expect(() => kafkaCodec.decodeRequest(apis.metadata, version, frame, bodyPosition)).toThrow(
      expect.objectContaining({ code: 'KFK_PROTOCOL_MALFORMED' }),
    )
    // Time of the processor: it is the same when others have it in between.
    expect(process.cpuUsage(before).user).toBeLessThan(200_000)
  })

  test('elements of two bytes run into the budget of the request', () => {
    const count = 200_000
    const frame = Buffer.alloc(20 + count * 2)
    claim(1, count).copy(frame, 0, 0, 14)
    expect(() => kafkaCodec.decodeRequest(apis.metadata, 1, frame, 10)).toThrow(
      expect.objectContaining({ code: 'KFK_PROTOCOL_TOO_LARGE' }),
    )
    const generous = createKafkaCodec({ maxRequestElements: count })
    expect(generous.decodeRequest(apis.metadata, 1, frame, 10).topics).toHaveLength(count)
  })

  test('20 million tags, a repeated tag and an overlong varint are refused', () => {
    const header = '0003000c00000001ffff' // Metadata 12, correlation 1, no client id
    const cases = {
      'more tags than bytes': `${header}80dac409${'00'.repeat(100)}`,
      'a repeated tag': `${header}02` + '050100' + '050100',
      'descending tags': `${header}02` + '050100' + '040100',
      'a tag beyond the frame': `${header}01` + '05ff7f00',
      'a varint of six bytes': `${header}808080808000`,
      'a varint of 33 bits': `${header}8080808010`,
    }
    for (const hex of Object.values(cases)) {
      expect(() => kafkaCodec.decodeRequestHeader(Buffer.from(hex, 'hex'))).toThrow(
        expect.objectContaining({ code: 'KFK_PROTOCOL_MALFORMED' }),
      )
    }
  })

  test('msgpack: counts beyond the frame, extension types and deep nesting are refused', () => {
    const list = (body: Buffer): (() => unknown) => {
      const codec = msgpackCodec
      return () => codec.decodeRequest(apis.metadata, 12, Buffer.concat([body, Buffer.alloc(4)]), 0)
    }
    const bodies = [
      Buffer.from('dd01312d00', 'hex'), // a list of 20 million
      Buffer.from('df01312d00', 'hex'), // a map of 20 million
      Buffer.from('c6ffffffff', 'hex'), // 4 GiB of bytes
      Buffer.from('d60000000000', 'hex'), // an extension type
      Buffer.from('81c0c0', 'hex'), // a key that is no string
      Buffer.alloc(100, 0x91), // lists in lists
    ]
    for (const body of bodies) {
      expect(list(body)).toThrow(expect.objectContaining({ code: 'KFK_PROTOCOL_MALFORMED' }))
    }
  })
})

test('decoding allocates in proportion to the frame', () => {
  const header = { apiVersion: 12, correlationId: 1, clientId: null }
  const topics = Array.from({ length: 90_000 }, () => ({ name: '' }))
  const frame = Buffer.concat(kafkaCodec.encodeRequest(apis.metadata, header, { topics })).subarray(
    4,
  )
  const { bodyPosition } = kafkaCodec.decodeRequestHeader(frame)
  kafkaCodec.decodeRequest(apis.metadata, 12, frame, bodyPosition)
  const before = process.memoryUsage().heapUsed
  const decoded = kafkaCodec.decodeRequest(apis.metadata, 12, frame, bodyPosition)
  expect(decoded.topics).toHaveLength(90_000)
  const { heapUsed } = process.memoryUsage()
  expect(heapUsed - before).toBeLessThan(Math.max(8 * frame.length, 16 * 2 ** 20))
})
