import { crc32c as nativeCrc32c } from '@node-rs/crc32'
import { crc32c, crc32cPortable } from '../../src/records/crc32c.js'
import { random } from './golden.js'

const next = random(7)
const noise = Uint8Array.from({ length: 70_000 }, () => next() * 256)

/** Bit by bit, straight from the definition. */
function definition(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return ~crc >>> 0
}

describe('crc32c', () => {
  test('gives the check value of the catalogue of CRC algorithms', () => {
    expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283)
    expect(crc32c(new Uint8Array(0))).toBe(0)
    // RFC 3720 B.4: 32 bytes of zeros, of ones, ascending.
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa)
    expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43)
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, index) => index))).toBe(0x46dd794e)
  })

  test('agrees with another implementation for every length to 2000 and every alignment', () => {
    for (let length = 0; length <= 2000; length++) {
      for (let start = 0; start < 17; start++) {
        const end = start + length
        const expected = nativeCrc32c(noise.slice(start, end))
        if (crc32cPortable(noise, start, end, 0) !== expected) throw new Error(`[${start}, ${end})`)
        if (crc32c(noise, start, end) !== expected) throw new Error(`crc32c of [${start}, ${end})`)
      }
    }
    for (let start = 0; start < 40; start++) {
      const expected = nativeCrc32c(noise.slice(start, start + 65_537))
      expect(crc32cPortable(noise, start, start + 65_537, 0)).toBe(expected)
      expect(crc32c(noise, start, start + 65_537)).toBe(expected)
    }
  })

  test('agrees with another implementation where it goes from one way to the next', () => {
    for (const about of [2560, 4096, 24_576, 65_536]) {
      for (let length = about - 18; length <= about + 18; length++) {
        const start = length % 16
        const expected = nativeCrc32c(noise.slice(start, start + length))
        expect(crc32c(noise, start, start + length)).toBe(expected)
      }
    }
  })

  test('agrees with the definition', () => {
    for (let length = 0; length < 100; length++) {
      expect(crc32cPortable(noise, 3, 3 + length, 0)).toBe(definition(noise.slice(3, 3 + length)))
    }
  })

  test('goes on where an earlier checksum ended', () => {
    const whole = crc32c(noise)
    for (const cut of [0, 1, 15, 16, 255, 256, 300, 69_999, 70_000]) {
      expect(crc32c(noise, cut, noise.length, crc32c(noise, 0, cut))).toBe(whole)
      const first = crc32cPortable(noise, 0, cut, 0)
      expect(crc32cPortable(noise, cut, noise.length, first)).toBe(whole)
    }
  })

  test('does without WebAssembly', () => {
    const own = Object.getOwnPropertyDescriptor(globalThis, 'WebAssembly')!
    Object.defineProperty(globalThis, 'WebAssembly', { ...own, value: undefined })
    try {
      jest.isolateModules(() => {
        const alone = jest.requireActual<{ crc32c: typeof crc32c }>('../../src/records/crc32c')
        expect(alone.crc32c(noise, 0, 3000)).toBe(nativeCrc32c(noise.slice(0, 3000)))
      })
    } finally {
      Object.defineProperty(globalThis, 'WebAssembly', own)
    }
  })
})
