// The checksum has three ways to be computed, by length: all must give the same one.
import { crc32, crc32Portable } from '../src/crc32'
import { crc32c } from '../src/crc32c'

let state = 7
const noise = Uint8Array.from({ length: 200_000 }, () => {
  state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
  return state >>> 16
})

/** Bit by bit, straight from the definition. */
function definition(bytes: Uint8Array, start: number, end: number): number {
  let crc = -1
  for (let at = start; at < end; at++) {
    crc ^= bytes[at]!
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  }
  return ~crc >>> 0
}

/** Register values after each prefix of `noise` from `start` on: one pass for all lengths. */
function* prefixes(start: number, lengths: number): Generator<[end: number, crc: number]> {
  let crc = -1
  for (let end = start; end <= start + lengths; end++) {
    yield [end, ~crc >>> 0]
    crc ^= noise[end]!
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  }
}

test('is the checksum of RFC 1952', () => {
  const bytes = Buffer.from('-123456789-')
  expect(crc32(bytes, 1, 10)).toBe(0xcbf43926)
  expect(crc32Portable(bytes, 1, 10)).toBe(0xcbf43926)
  expect(crc32Portable(bytes, 3, 3)).toBe(0)
  // Of a megabyte of zeros, by zlib's crc32().
  expect(crc32(new Uint8Array(1024 ** 2), 0, 1024 ** 2)).toBe(0xa738ea1c)
})

test('agrees with the definition for every length to 2,000 and every alignment', () => {
  for (let start = 0; start < 17; start++) {
    for (const [end, expected] of prefixes(start, 2000)) {
      if (crc32(noise, start, end) !== expected) throw new Error(`crc32 of [${start}, ${end})`)
      if (crc32Portable(noise, start, end) !== expected) throw new Error(`[${start}, ${end})`)
    }
  }
})

test('agrees with the definition where it goes from one way to the next', () => {
  for (const about of [2560, 4096, 24_576, 65_536, 131_072]) {
    for (let length = about - 18; length <= about + 18; length++) {
      const start = length % 16
      expect(crc32(noise, start, start + length)).toBe(definition(noise, start, start + length))
    }
  }
})

test('does not remember what it saw before', () => {
  const long = new Uint8Array(70_000).fill(255)
  const expected = definition(noise, 5, 905)
  for (const length of [70_000, 24_576, 3000, 600]) {
    crc32(long, 0, length)
    expect(crc32(noise, 5, 905)).toBe(expected)
  }
})

test('leaves the bytes as they are, also in a view on shared memory', () => {
  const shared = new Uint8Array(new SharedArrayBuffer(5000), 100, 4500)
  shared.set(noise.subarray(0, 4500))
  expect(crc32(shared, 0, 4500)).toBe(definition(noise, 0, 4500))
  expect(shared).toEqual(noise.slice(0, 4500))
})

test('does without WebAssembly', () => {
  const own = Object.getOwnPropertyDescriptor(globalThis, 'WebAssembly')!
  Object.defineProperty(globalThis, 'WebAssembly', { ...own, value: undefined })
  try {
    jest.isolateModules(() => {
      const alone = jest.requireActual<{ crc32: typeof crc32 }>('../src/crc32')
      expect(alone.crc32(noise, 0, 3000)).toBe(definition(noise, 0, 3000))
    })
  } finally {
    Object.defineProperty(globalThis, 'WebAssembly', own)
  }
})

test('CRC-32C is the checksum of RFC 3720', () => {
  expect(crc32c(Buffer.from('-123456789'), 1)).toBe(0xe3069283)
  expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa)
  expect(crc32c(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43)
  expect(crc32c(Buffer.from(Array.from({ length: 32 }, (_, n) => n)))).toBe(0x46dd794e)
})
