import fc from 'fast-check'
import { murmur2, murmur2Ascii, toPositive } from '../src/murmur2.js'

/** A second, plain reading of the algorithm in exact integers, to compare with. */
function reference(bytes: Uint8Array): number {
  const int = (value: bigint): bigint => BigInt.asIntN(32, value)
  const unsignedShift = (value: bigint, by: bigint): bigint => BigInt.asUintN(32, value) >> by
  const m = 0x5bd1e995n
  let h = int(0x9747b28cn ^ BigInt(bytes.length))
  const blocks = Math.floor(bytes.length / 4)
  for (let block = 0; block < blocks; block += 1) {
    let k = 0n
    for (let at = 0; at < 4; at += 1) k |= BigInt(bytes[block * 4 + at]!) << BigInt(8 * at)
    k = int(int(k) * m)
    k = int(k ^ unsignedShift(k, 24n))
    k = int(k * m)
    h = int(int(h * m) ^ k)
  }
  const rest = bytes.length - blocks * 4
  if (rest >= 3) h = int(h ^ (BigInt(bytes[blocks * 4 + 2]!) << 16n))
  if (rest >= 2) h = int(h ^ (BigInt(bytes[blocks * 4 + 1]!) << 8n))
  if (rest >= 1) h = int(int(h ^ BigInt(bytes[blocks * 4]!)) * m)
  h = int(h ^ unsignedShift(h, 13n))
  h = int(h * m)
  return Number(int(h ^ unsignedShift(h, 15n)))
}

describe('murmur2', () => {
  test.each([
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ])('is that of the Java client for %s', (text, hash) => {
    expect(murmur2(Buffer.from(text))).toBe(hash)
  })

  test('agrees with the algorithm in exact integers for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
        expect(murmur2(bytes)).toBe(reference(bytes))
      }),
      { seed: 1 },
    )
  })

  test('of ASCII text is that of its bytes, and other text is left to them', () => {
    for (let length = 0; length < 20; length += 1) {
      const text = 'a~\u0000Z7{\u007f'.repeat(3).slice(0, length)
      expect(murmur2Ascii(text)).toBe(murmur2(Buffer.from(text)))
      for (let at = 0; at < length; at += 1) {
        for (const other of ['\u0080', '\u0100', '\uffff']) {
          expect(murmur2Ascii(text.slice(0, at) + other + text.slice(at + 1))).toBeUndefined()
        }
      }
    }
  })

  test('reads only up to the given end', () => {
    expect(murmur2(Buffer.from('abcdefgh'), 3)).toBe(murmur2(Buffer.from('abc')))
  })

  test('toPositive clears the sign bit, as Java does, and is no absolute value', () => {
    expect(toPositive(-1)).toBe(0x7fffffff)
    expect(toPositive(-973932308)).toBe(-973932308 & 0x7fffffff)
    expect(toPositive(7)).toBe(7)
  })
})
