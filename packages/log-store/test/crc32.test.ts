// The checksum of short frames is computed without zlib: it must be the same one.
import { crc32 as zlibCrc32 } from 'node:zlib'
import { crc32, crc32Portable } from '../src/crc32'
import { crc32c } from '../src/crc32c'

test('is the checksum of RFC 1952', () => {
  const bytes = Buffer.from('-123456789-')
  expect(crc32(bytes, 1, 10)).toBe(0xcbf43926)
  expect(crc32Portable(bytes, 1, 10)).toBe(0xcbf43926)
  expect(crc32Portable(bytes, 3, 3)).toBe(0)
})

test('equals zlib at every length and alignment', () => {
  const bytes = Uint8Array.from({ length: 400 }, (_, at) => (at * 7919) >>> (at % 5))
  for (let start = 0; start < 9; start++) {
    for (let end = start; end <= bytes.length; end++) {
      const expected = zlibCrc32(bytes.subarray(start, end))
      if (crc32(bytes, start, end) !== expected) throw new Error(`crc32 of [${start}, ${end})`)
      if (crc32Portable(bytes, start, end) !== expected) throw new Error(`[${start}, ${end})`)
    }
  }
})

test('CRC-32C is the checksum of RFC 3720', () => {
  expect(crc32c(Buffer.from('-123456789'), 1)).toBe(0xe3069283)
  expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa)
  expect(crc32c(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43)
  expect(crc32c(Buffer.from(Array.from({ length: 32 }, (_, n) => n)))).toBe(0x46dd794e)
})
