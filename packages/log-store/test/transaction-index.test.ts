import type { AbortedTransaction } from '../src/index'
import { AbortedTransactions } from '../src/aborted-transactions'
import {
  collectAborted,
  decodeTransactionIndex,
  encodeTransactionIndex,
} from '../src/transaction-index'

const aborted = (
  firstOffset: number,
  lastOffset: number,
  lastStableOffset = lastOffset + 1,
  producerId = 7n,
): AbortedTransaction => ({ producerId, firstOffset, lastOffset, lastStableOffset })

const segment = { baseOffset: 100, endOffset: 300 }

test("an entry is Kafka's, byte for byte", () => {
  const entry = aborted(0x0102030405, 0x0102030409, 0x0102030400, 0x1122334455667788n)
  const bytes = encodeTransactionIndex([entry])
  expect(bytes.toString('hex')).toBe(
    '0000' + '1122334455667788' + '0000000102030405' + '0000000102030409' + '0000000102030400',
  )
  const range = { baseOffset: 0, endOffset: 2 ** 40 }
  expect(decodeTransactionIndex(bytes, range)).toEqual([entry])
  expect(decodeTransactionIndex(new Uint8Array(0), range)).toEqual([])
})

test.each<[string, AbortedTransaction[]]>([
  ['a marker before the segment', [aborted(90, 99)]],
  ['a marker behind the segment', [aborted(110, 300)]],
  ['markers out of order', [aborted(110, 150), aborted(120, 140)]],
  ['a transaction that ends before it begins', [aborted(151, 150)]],
  ['a negative offset', [aborted(-1, 150)]],
  ['a negative producer', [aborted(110, 150, 151, -2n)]],
  ['a stable offset behind the marker', [aborted(110, 150, 152)]],
])('%s is refused', (_name, entries) => {
  expect(decodeTransactionIndex(encodeTransactionIndex(entries), segment)).toBeUndefined()
})

test('a part of an entry and an unknown version are refused', () => {
  const bytes = encodeTransactionIndex([aborted(110, 150), aborted(120, 160)])
  for (let length = 1; length < bytes.length; length++) {
    const found = decodeTransactionIndex(bytes.subarray(0, length), segment)
    if (length === 34) expect(found).toHaveLength(1)
    else expect(found).toBeUndefined()
  }
  bytes.writeInt16BE(1, 34)
  expect(decodeTransactionIndex(bytes, segment)).toBeUndefined()
})

test('collects what overlaps, and says when there can be no more', () => {
  // The first was open while the second was aborted: nothing from 110 on is decided there.
  const entries = [aborted(120, 130, 110), aborted(110, 140, 141), aborted(150, 160, 161)]
  const collect = (from: number, to: number) => {
    const found: AbortedTransaction[] = []
    const complete = collectAborted(entries, { from, to }, found)
    return { found: found.map(({ lastOffset }) => lastOffset), complete }
  }
  expect(collect(100, 105)).toEqual({ found: [], complete: true })
  expect(collect(100, 111)).toEqual({ found: [140], complete: true })
  expect(collect(100, 125)).toEqual({ found: [130, 140], complete: true })
  expect(collect(135, 142)).toEqual({ found: [140], complete: true })
  expect(collect(141, 150)).toEqual({ found: [], complete: true })
  expect(collect(141, 151)).toEqual({ found: [160], complete: true })
  expect(collect(161, 200)).toEqual({ found: [], complete: false })
})

test('of many segments only some stay in memory, the changed ones and the last always', () => {
  const bases = Array.from({ length: 50 }, (_, at) => at * 10)
  const index = new AbortedTransactions(bases)
  index.replace(0, [aborted(0, 5)])
  index.keep(490, [aborted(490, 491)])
  for (const base of bases) index.keep(base, [aborted(base, base + 1)])
  expect(bases.filter((base) => index.loaded(base) !== undefined).length).toBeLessThan(25)
  expect(index.loaded(0)).toEqual([aborted(0, 5)])
  expect(index.loaded(490)).toHaveLength(1)
  expect(index.collect({ base: 490, from: 490, to: 500 })).toHaveLength(1)
  expect(index.collect({ base: 0, from: 0, to: 500 })).toBeUndefined()
  expect(index.dirty).toEqual([0])
  index.saved(0)
  expect(index.dirty).toEqual([])
})

test('the entries of segments whose files were written, and that nobody reads, leave memory', () => {
  const all = new AbortedTransactions()
  for (let base = 0; base < 100; base++) {
    all.append(base, aborted(base, base))
    // That of the segment before is written when the next one has begun.
    if (base > 0) all.saved(base - 1)
  }
  const loaded = all.bases.filter((base) => all.loaded(base) !== undefined)
  expect(all.bases).toHaveLength(100)
  expect(loaded).toContain(99)
  expect(loaded.length).toBeLessThanOrEqual(18)
})
