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

const record = (n: number, offset: number) => {
  const source = Buffer.from(`key ${n}`)
  return { source, keyAt: 0, keyLength: source.length, offset }
}

/** `stride`: how far the offsets lie apart; close ones have a bit each. */
test.each([1, 1_000_003])('the last record of each key is known, stride %d', (stride) => {
  const from = 2 ** 40 + 5
  const map = new KeyMap({ maxBytes: 1_000_000, from, to: from + 10_000 * stride })
  for (let n = 0; n < 10_000; n++) map.put(record(n % 5_000, from + n * stride))
  expect(map.size).toBe(5_000)
  const wrong = Array.from({ length: 5_000 }, (_, n) => n).filter((n) => {
    // Below all that were put; put and superseded; put last.
    const offsets = [n, from + n * stride, from + (n + 5_000) * stride]
    return offsets.map((offset) => map.supersedes(record(n, offset))).join() !== 'true,true,false'
  })
  expect(wrong).toEqual([])
  expect(map.supersedes(record(5_001, 7))).toBe(false)
})

test('a full map takes no new key, but later offsets of known ones', () => {
  const map = new KeyMap({ maxBytes: 24 * 8, from: 0, to: 1_000_000 })
  expect(map.capacity).toBe(6)
  for (let n = 0; n < 6; n++) expect(map.put(record(n, n))).toBe(true)
  expect(map.put(record(6, 6))).toBe(false)
  expect(map.put(record(3, 7))).toBe(true)
  expect([3, 7].map((offset) => map.supersedes(record(3, offset)))).toEqual([true, false])
  expect(map.supersedes(record(6, 6))).toBe(false)
})

test('bits and keys together stay within the memory that is given', () => {
  // 1,600 offsets take 200 bytes of bits, what is left has 58 slots.
  expect(new KeyMap({ maxBytes: 1600, from: 0, to: 1600 }).capacity).toBe(43)
  expect(new KeyMap({ maxBytes: 1599, from: 0, to: 1600 }).capacity).toBe(49)
})

test('is what a map without bounds would be, whatever order the questions come in', () => {
  let state = 5
  const random = (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return (state >>> 8) % below
  }
  const map = new KeyMap({ maxBytes: 24 * 270, from: 100, to: 1e9 })
  const model = new Map<number, number>()
  expect(map.capacity).toBe(202)
  for (let offset = 100; offset < 5000; offset++) {
    const key = random(230)
    const fits = model.has(key) || model.size < 202
    if (map.put(record(key, offset)) !== fits) throw new Error(`put at ${offset}`)
    if (fits) model.set(key, offset)
    if (random(40) > 0) continue
    const asked = random(230)
    const at = random(offset)
    const known = (model.get(asked) ?? -1) > at
    if (map.supersedes(record(asked, at)) !== known) throw new Error(`asked at ${offset}`)
    expect(map.size).toBe(model.size)
  }
})
