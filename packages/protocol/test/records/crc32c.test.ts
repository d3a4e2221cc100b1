import { crc32c as nativeCrc32c } from '@node-rs/crc32'
import { encodeRecordBatch, recordBatchFormat } from '../../src/index.js'
import { crc32c, crc32cPortable, matchingBatches } from '../../src/records/crc32c.js'
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

describe('many batches at once', () => {
  const batchOf = (valueBytes: number) => {
    const value = noise.subarray(valueBytes % 1000, (valueBytes % 1000) + valueBytes)
    const batch = encodeRecordBatch([{ key: null, value, timestamp: valueBytes }])
    recordBatchFormat.stamp(batch, 0, { baseOffset: 2 ** 33 + valueBytes, leaderEpoch: 7 })
    return batch
  }

  test('batches of every length match, at every alignment', () => {
    for (let bytes = 0; bytes < 900; bytes++) {
      const before = bytes % 17
      const batches = [batchOf(bytes), batchOf(0), batchOf(bytes + 1)]
      const all = Buffer.concat([Buffer.alloc(before, 1), ...batches])
      if (matchingBatches(all, before) !== all.length) throw new Error(`batches of ${bytes}`)
    }
    const long = Buffer.concat(Array.from({ length: 40 }, (_, n) => batchOf(n * 1500)))
    expect(matchingBatches(long, 0)).toBe(long.length)
  })

  test('one wrong bit shows, wherever it is', () => {
    const parts = [batchOf(20), batchOf(500), batchOf(0)]
    const starts = [0, parts[0]!.length, parts[0]!.length + parts[1]!.length]
    const all = Buffer.concat(parts)
    for (let at = 0; at < all.length; at++) {
      const batch = starts.findLast((start) => start <= at)!
      const free = at - batch < 8 || (at - batch >= 12 && at - batch < 16)
      for (let bit = 0; bit < 8; bit++) {
        all[at]! ^= 1 << bit
        const until = matchingBatches(all, 0)
        all[at]! ^= 1 << bit
        if (free ? until !== all.length : until > batch) throw new Error(`bit ${bit} of ${at}`)
      }
    }
  })

  test('what is no batch, or too large, is left to others', () => {
    expect(matchingBatches(new Uint8Array(500), 3)).toBe(3)
    expect(matchingBatches(new Uint8Array(0), 0)).toBe(0)
    const large = Buffer.concat([batchOf(10), batchOf(66_000)])
    expect(matchingBatches(large, 0)).toBe(batchOf(10).length)
    const cut = Buffer.concat([batchOf(10), batchOf(300)]).subarray(0, -1)
    expect(matchingBatches(cut, 0)).toBe(batchOf(10).length)
  })
})
