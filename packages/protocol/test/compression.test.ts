import * as zstdNative from '@mongodb-js/zstd'
import lz4Native from 'lz4-napi'
import { gunzipSync, gzipSync } from 'node:zlib'
import {
  compressionCodecs,
  prepareCompression,
  ProtocolError,
  type CompressionCodec,
  type CompressionType,
} from '@kfk/protocol'
import snappyNative from 'snappy'
import { Lz4Codec } from '../src/compression-lz4.js'
import { SnappyCodec } from '../src/compression-snappy.js'
import { codeOf } from './protocol-code.js'

const compressed: CompressionType[] = ['gzip', 'snappy', 'lz4', 'zstd']

const none = () => undefined

/** Every codec as the registry has it, and those that native code stands in for by themselves. */
const codecs: [string, CompressionCodec][] = [
  ...compressed.map((type): [string, CompressionCodec] => [
    type,
    {
      compress: (bytes) => compressionCodecs.compress(type, bytes),
      compressBriefly: (bytes) => compressionCodecs.compressBriefly(type, bytes),
      decompress: (bytes, bound) => compressionCodecs.decompress(type, bytes, bound),
    },
  ]),
  ['portable snappy', new SnappyCodec(none)],
  ['portable lz4', new Lz4Codec(none)],
]

/** A small linear congruential generator: the same inputs in every run. */
function random(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

function noise(length: number, seed = 1): Buffer {
  const next = random(seed)
  const bytes = Buffer.alloc(length)
  for (let at = 0; at < length; at++) bytes[at] = next() * 256
  return bytes
}

function text(length: number, seed = 1): Buffer {
  const next = random(seed)
  const words = ['event', 'view', 'path', '/product/', 'user', '":"', 'naïve', '日本', '1700000000']
  let result = ''
  while (result.length < length)
    result += `${words[Math.floor(next() * words.length)]!}${Math.floor(next() * 1000)}`
  return Buffer.from(result).subarray(0, length)
}

/** Of every size where something changes: empty, below the shortest match, around block borders. */
const inputs: [string, Buffer][] = [
  ...[
    0, 1, 4, 11, 12, 13, 16, 17, 100, 1000, 32767, 32768, 32769, 65535, 65536, 65537, 200_000,
  ].flatMap((length): [string, Buffer][] => [
    [`zeros ${length}`, Buffer.alloc(length)],
    [`text ${length}`, text(length, length + 1)],
    [`noise ${length}`, noise(length, length + 1)],
  ]),
  [
    'repeats at long distances',
    Buffer.concat([noise(60_000), noise(60_000), text(1000), noise(60_000)]),
  ],
  ['runs', Buffer.concat(Array.from({ length: 300 }, (_, i) => Buffer.alloc(i, i)))],
]

const limit = { maxOutputBytes: 1024 * 1024 }
/** More than a codec keeps memory for. */
const zeros = Buffer.alloc(3_000_000)

describe.each(codecs)('%s', (_name, codec) => {
  test('gives back what it compressed', () => {
    for (const [name, input] of inputs) {
      const output = codec.decompress(codec.compress(input), limit)
      expect([name, Buffer.compare(output, input)]).toEqual([name, 0])
    }
  })

  test('works on views into larger buffers, and gives the same bytes each time', () => {
    const whole = text(5000)
    const view = new Uint8Array(whole.buffer, whole.byteOffset + 13, 4000)
    const first = codec.compress(view)
    const shifted = Buffer.concat([Buffer.alloc(7), first]).subarray(7)
    expect(Buffer.compare(codec.decompress(shifted, limit), view)).toBe(0)
    expect(Buffer.compare(codec.compress(view), first)).toBe(0)
  })

  test('briefly gives the same bytes; what was not brief outlives the next call', () => {
    const [other, another] = [noise(10_000, 77), noise(10_000, 78)]
    for (const [name, input] of [inputs[0]!, ['text', text(9000)], ['large', zeros]] as const) {
      const kept = codec.compress(input)
      const copy = Buffer.from(codec.compressBriefly!(input))
      codec.compress(other)
      codec.compressBriefly!(another)
      expect([name, Buffer.compare(kept, copy)]).toEqual([name, 0])
      const output = codec.decompress(kept, { maxOutputBytes: 1 << 22 })
      expect([name, Buffer.compare(output, input)]).toEqual([name, 0])
    }
  })

  test('refuses output above the limit, at the byte', () => {
    for (const input of [Buffer.alloc(300_000), text(70_000), noise(70_000)]) {
      const bytes = codec.compress(input)
      const decompress = (maxOutputBytes: number) => () =>
        codec.decompress(bytes, { maxOutputBytes })
      expect(codeOf(decompress(input.length))).toBe('no error')
      expect(codeOf(decompress(input.length - 1))).toBe('KFK_PROTOCOL_TOO_LARGE')
      expect(codeOf(decompress(1))).toBe('KFK_PROTOCOL_TOO_LARGE')
    }
  })

  test('refuses a bomb without allocating what it claims', () => {
    const bomb = codec.compress(Buffer.alloc(32 * 1024 * 1024))
    const before = process.memoryUsage().arrayBuffers
    expect(codeOf(() => codec.decompress(bomb, limit))).toBe('KFK_PROTOCOL_TOO_LARGE')
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 1024 * 1024)
  })

  test('mutated and cut bytes give a value or a ProtocolError, never more than the limit', () => {
    const next = random(42)
    const seeds = [text(3000), Buffer.alloc(5000), noise(300), text(70_000)].map((input) =>
      codec.compress(input),
    )
    for (let round = 0; round < 1500; round++) {
      const bytes = Buffer.from(seeds[Math.floor(next() ** 2 * seeds.length)]!)
      const changes = 1 + Math.floor(next() * 4)
      for (let change = 0; change < changes; change++) {
        bytes[Math.floor(next() ** 3 * bytes.length)] = next() < 0.3 ? 255 : next() * 256
      }
      const cut = next() < 0.3 ? bytes.subarray(0, next() * bytes.length) : bytes
      try {
        const output = codec.decompress(cut, { maxOutputBytes: 100_000 })
        expect(output.length).toBeLessThanOrEqual(100_000)
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error
      }
    }
  })
})

describe('against other implementations', () => {
  const portableSnappy = new SnappyCodec(none)
  const portableLz4 = new Lz4Codec(none)

  test('gzip: node:zlib reads ours, and several members are read as one', () => {
    const input = text(40_000)
    expect(gunzipSync(compressionCodecs.compress('gzip', input)).equals(input)).toBe(true)
    const members = Buffer.concat([gzipSync(input), gzipSync(input)])
    expect(compressionCodecs.decompress('gzip', members, limit).length).toBe(80_000)
  })

  test('snappy: the native package reads the blocks of ours, and its raw output is read', () => {
    for (const [, input] of inputs) {
      const raw = snappyNative.compressSync(input)
      expect(Buffer.compare(portableSnappy.decompress(raw, limit), input)).toBe(0)
      const ours = Buffer.from(portableSnappy.compress(input))
      const outputs: Buffer[] = []
      for (let at = 16; at < ours.length; at += 4 + ours.readInt32BE(at)) {
        const block = ours.subarray(at + 4, at + 4 + ours.readInt32BE(at))
        outputs.push(snappyNative.uncompressSync(block) as Buffer)
      }
      expect(Buffer.concat(outputs).equals(input)).toBe(true)
    }
  })

  test('snappy: Xerial streams written one after another are read as one', () => {
    const one = compressionCodecs.compress('snappy', Buffer.from('one '))
    const two = compressionCodecs.compress('snappy', Buffer.from('two'))
    const both = compressionCodecs.decompress('snappy', Buffer.concat([one, two]), limit)
    expect(Buffer.from(both).toString()).toBe('one two')
  })

  test('lz4: output holds no more memory than it needs, and none of another', () => {
    const codec = new Lz4Codec(none)
    const inputs = [10, 40_000, 400_000].map((size) => Buffer.alloc(size, `of ${size} `))
    const outputs = inputs.map((input) =>
      codec.decompress(codec.compress(input), { maxOutputBytes: 1 << 20 }),
    )
    for (const [index, output] of outputs.entries()) {
      expect(output.length).toBe(inputs[index]!.length)
      expect(inputs[index]!.equals(output)).toBe(true)
      expect(output.buffer.byteLength).toBeLessThanOrEqual(2 * output.length)
    }
  })

  test('lz4: the native package reads ours, and we read its frames with every option', () => {
    for (const [, input] of inputs) {
      const ours = Buffer.from(portableLz4.compress(input))
      expect(lz4Native.decompressFrameSync(ours).equals(input)).toBe(true)
      for (const options of [{}, { blockChecksums: true }, { contentChecksum: true }]) {
        const frame = lz4Native.compressFrameSync(input, options)
        expect(Buffer.compare(portableLz4.decompress(frame, limit), input)).toBe(0)
      }
    }
  })

  test('zstd: the native package reads ours, and we read its frames, many too', async () => {
    await prepareCompression('zstd')
    for (const [, input] of inputs) {
      const ours = Buffer.from(compressionCodecs.compress('zstd', input))
      expect((await zstdNative.decompress(ours)).equals(input)).toBe(true)
      const frame = await zstdNative.compress(input)
      expect(Buffer.compare(compressionCodecs.decompress('zstd', frame, limit), input)).toBe(0)
      const frames = compressionCodecs.decompress('zstd', Buffer.concat([frame, frame]), limit)
      expect(Buffer.compare(frames, Buffer.concat([input, input]))).toBe(0)
    }
  })
})

test('gzip in another thread gives what is read like any other, and nothing else has one', async () => {
  const { minBytes, compress } = compressionCodecs.apart('gzip')!
  for (const input of [text(minBytes), noise(300_000), Buffer.alloc(1_000_000)]) {
    expect(gunzipSync(await compress(input)).equals(input)).toBe(true)
    expect(gunzipSync(await compress(input, 1)).equals(input)).toBe(true)
  }
  expect(compressionCodecs.apart('lz4')).toBeUndefined()
})

test('an unknown compression type is refused', () => {
  const unknown = 'brotli' as CompressionType
  const code = 'KFK_PROTOCOL_UNSUPPORTED_COMPRESSION'
  expect(codeOf(() => compressionCodecs.compress(unknown, Buffer.alloc(1)))).toBe(code)
  expect(codeOf(() => compressionCodecs.decompress(unknown, Buffer.alloc(1), limit))).toBe(code)
})
