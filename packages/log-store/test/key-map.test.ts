import { KeyHash } from '../src/key-hash'
import { KeyMap } from '../src/key-map'

const referenceKey = Int32Array.of(0x833d3433, 0x009f389f, 0x2398e64f, 0x417acf39)
const words = (hash: KeyHash) =>
  [hash.word0, hash.word1, hash.word2, hash.word3].map((word) => word >>> 0)

test('the hash agrees with the reference implementation', () => {
  const hash = new KeyHash(referenceKey)
  const message = Uint8Array.from({ length: 64 }, (_, n) => n)
  const expected = new Map([
    [0, [0x792e8fe5, 0x75ce87aa, 0x2d1450b5, 0x1191970b]],
    [1, [0x13a9307b, 0x50e62c89, 0x4577bd88, 0xc0bbdc18]],
    [10, [0xac5b9dae, 0x6cf8c0ac, 0x56e7b945, 0xd7ecf8f0]],
    [16, [0x79271ca9, 0xd66a1c71, 0x81ca474e, 0x49831cad]],
    [17, [0x048da968, 0x4e25d096, 0x2d6cf897, 0xbc3959ca]],
    [32, [0x60b3f7af, 0x37eee7c8, 0x836cfd98, 0x782ca060]],
    [63, [0x9047fad7, 0x88136d8c, 0xa488286b, 0x7fe9352c]],
  ])
  for (const [length, tag] of expected) {
    hash.hash(message, 0, length)
    expect(words(hash)).toEqual(tag)
  }
})

test('a map holds the last offset of each key, beyond 2^32 too', () => {
  const map = new KeyMap({ maxBytes: 1_000_000, keys: 5_000 })
  const key = (n: number) => Buffer.from(`key ${n}`)
  for (let n = 0; n < 10_000; n++) {
    const bytes = key(n % 5_000)
    expect(map.put(bytes, 0, bytes.length, n * 1_000_003)).toBe(true)
  }
  expect(map.size).toBe(5_000)
  for (let n = 0; n < 5_000; n++) {
    expect(map.get(key(n), 0, key(n).length)).toBe((n + 5_000) * 1_000_003)
  }
  expect(map.get(key(5_001), 0, key(5_001).length)).toBe(-1)
})

test('a full map takes no new key, but later offsets of known ones', () => {
  const map = new KeyMap({ maxBytes: 24 * 8, keys: 1_000_000 })
  expect(map.capacity).toBe(6)
  const put = (n: number, offset: number) => map.put(Buffer.from([n]), 0, 1, offset)
  for (let n = 0; n < 6; n++) expect(put(n, n)).toBe(true)
  expect(put(6, 6)).toBe(false)
  expect(put(3, 7)).toBe(true)
  expect(map.get(Buffer.from([3]), 0, 1)).toBe(7)
  expect(map.get(Buffer.from([6]), 0, 1)).toBe(-1)
})
