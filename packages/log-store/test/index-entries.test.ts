// Indexes whose oldest entries lie in a file: searched there by guesses, a few pieces at a time.
import { IndexMismatch, type IndexSource } from '../src/index-entries'
import { OffsetIndex } from '../src/offset-index'
import { TimeIndex } from '../src/time-index'

/** A file in memory that counts what is read of it. */
class Source implements IndexSource {
  reads = 0
  readBytes = 0
  reserved = 0
  constructor(
    public bytes: Buffer,
    private readonly memory = 0,
  ) {}

  read(position: number, length: number): Buffer {
    this.reads++
    this.readBytes += length
    if (position + length > this.bytes.length) throw new IndexMismatch()
    return Buffer.from(this.bytes.subarray(position, position + length))
  }

  reserve(bytes: number): boolean {
    if (this.reserved + bytes > this.memory) return false
    this.reserved += bytes
    return true
  }
}

/** Deterministic and uneven. */
function* uneven(count: number, seed: number): Generator<number> {
  let state = seed
  let value = 0
  for (let n = 0; n < count; n++) {
    state = (state * 1103515245 + 12345) % 2 ** 31
    value += 1 + (state % 7) * (n % 100 === 0 ? 500 : 1)
    yield value
  }
}

function stored(count: number, options: { memory?: number; tail?: number; seed?: number } = {}) {
  const offsets = [...uneven(count + (options.tail ?? 0), options.seed ?? 1)]
  const whole = new OffsetIndex()
  for (const offset of offsets.slice(0, count)) whole.append(offset, offset * 10)
  const source = new Source(Buffer.from(whole.encode()), options.memory)
  const index = new OffsetIndex({ source, count })
  for (const offset of offsets.slice(count)) index.append(offset, offset * 10)
  return { offsets, source, index }
}

test.each([1, 2, 63, 64, 65, 129, 1000, 20_000])('finds every place among %d entries', (count) => {
  for (const tail of [0, 1, 70]) {
    const { offsets, index } = stored(count, { tail })
    const step = Math.max(1, Math.floor(count / 200))
    for (let at = 0; at < offsets.length; at += step) {
      const offset = offsets[at]!
      expect(index.floor(offset)).toBe(at)
      expect(index.floor(offset - 1)).toBe(at - 1)
      expect(index.floorPosition(offset * 10 + 9)).toBe(at)
      expect(index.relativeOffsetAt(at)).toBe(offset)
    }
    expect(index.floor(2 ** 31 - 1)).toBe(offsets.length - 1)
    expect(index.floor(0)).toBe(-1)
    expect(index.lastRelativeOffset).toBe(offsets.at(-1))
  }
})

test('a search reads a few pieces, however large the file', () => {
  for (const count of [1000, 200_000]) {
    const { offsets, source, index } = stored(count)
    index.floor(offsets[5]!)
    for (const at of [0, 0.1, 0.33, 0.5, 0.77, 0.99].map((share) => Math.floor(share * count))) {
      source.reads = 0
      source.readBytes = 0
      expect(index.floor(offsets[at]!)).toBe(at)
      expect(source.reads).toBeLessThanOrEqual(6)
      expect(source.readBytes).toBeLessThanOrEqual(6 * 128 * 8)
    }
  }
})

test('a file that is searched a lot is kept in memory, as far as the memory goes', () => {
  const { offsets, source, index } = stored(5000, { memory: 40_000 })
  for (let n = 0; n < 8; n++) index.floor(offsets[n * 600]!)
  source.reads = 0
  expect(offsets.every((offset, at) => index.floor(offset) === at)).toBe(true)
  expect(source.reads).toBe(0)
  index.forgetKept()
  index.floor(offsets[2500]!)
  expect(source.reads).toBeGreaterThan(0)

  const poor = stored(5000, { memory: 39_999 })
  for (let n = 0; n < 20; n++) poor.index.floor(poor.offsets[n * 200]!)
  poor.source.reads = 0
  poor.index.floor(poor.offsets[77]!)
  expect(poor.source.reads).toBeGreaterThan(0)
})

test('garbled entries mislead a search, but never end it in an endless loop or beyond the file', () => {
  const { offsets, source, index } = stored(3000)
  for (const at of [0, 1, 700, 1500, 2999]) {
    for (const value of [-1, 0, 2 ** 31 - 1, -(2 ** 31)]) {
      const sound = Buffer.from(source.bytes)
      source.bytes.writeInt32BE(value, at * 8)
      for (const offset of [0, offsets[1], offsets[699], offsets[1500], offsets[2999], 2 ** 30]) {
        const found = index.floor(offset!)
        expect(found).toBeGreaterThanOrEqual(-1)
        expect(found).toBeLessThan(3000)
      }
      source.bytes = sound
    }
  }
  source.bytes = source.bytes.subarray(0, 8000)
  expect(() => index.floor(offsets[1500]!)).toThrow(IndexMismatch)
})

test('truncation and storing keep the entries that are left, wherever they lie', () => {
  for (const keep of [0, 1, 50, 99, 100, 101, 130]) {
    const { offsets, index, source } = stored(100, { tail: 40 })
    index.truncateToPosition(keep === 0 ? 0 : offsets[keep - 1]! * 10 + 1)
    expect(index.count).toBe(keep)
    expect(index.lastRelativeOffset).toBe(keep === 0 ? -1 : offsets[keep - 1])
    const pending = Buffer.from(index.bytes(index.stored))
    const file = Buffer.concat([source.bytes.subarray(0, index.stored * 8), pending])
    index.noteStored(index.count, new Source(file))
    expect(index.pending).toBe(0)
    index.append(10 ** 6, 10 ** 7)
    for (let at = 0; at < keep; at++) expect(index.floor(offsets[at]!)).toBe(at)
    expect(index.floor(10 ** 6)).toBe(keep)
  }
})

test('what is cut off is not found in the memory of the file either', () => {
  const { offsets, index } = stored(200, { memory: 1600 })
  for (let n = 0; n < 10; n++) index.floor(offsets[n * 20]!)
  index.truncateToPosition(offsets[99]! * 10 + 1)
  for (let n = 1; n <= 50; n++) index.append(offsets[199]! + n * 10, offsets[199]! * 10 + n * 10)
  expect(index.floor(offsets[150]!)).toBe(99)
  expect(index.floor(offsets[199]! + 11)).toBe(100)
})

test('entries that come while others are stored stay in memory', () => {
  const index = new OffsetIndex()
  for (let n = 1; n <= 50; n++) index.append(n * 3, n * 30)
  index.noteStored(20, new Source(Buffer.from(index.encode().subarray(0, 160))))
  expect(index.pending).toBe(30)
  for (let n = 1; n <= 50; n++) expect(index.floor(n * 3 + 1)).toBe(n - 1)
})

test('a time index in a file: timestamps of 64 bits, and truncation by offset', () => {
  const whole = new TimeIndex()
  for (let n = 0; n < 2000; n++) whole.maybeAppend(2 ** 40 + n * 1000, n * 4)
  const source = new Source(Buffer.from(whole.encode()))
  const index = new TimeIndex({ source, count: 2000 })
  expect(index.lastTimestamp).toBe(2 ** 40 + 1_999_000)
  for (const n of [0, 1, 999, 1500, 1999]) {
    expect(index.floor(2 ** 40 + n * 1000)).toBe(n)
    expect(index.floor(2 ** 40 + n * 1000 - 1)).toBe(n - 1)
  }
  index.truncateToOffset(4000)
  expect(index.count).toBe(1000)
  expect(index.lastRelativeOffset).toBe(3996)
})

test('an offset index that is cut where an entry points to loses that entry', () => {
  const index = new OffsetIndex()
  for (let n = 1; n <= 5; n++) index.append(n * 10, n * 100)
  index.truncateToPosition(301)
  expect([index.count, index.lastPosition]).toEqual([3, 300])
  index.truncateToPosition(300)
  expect([index.count, index.lastPosition]).toEqual([2, 200])
})
