// The state of producers by itself: what batches and markers do to it, and its files.
import { ProducerTracker } from '../src/index'
import type { AbortedTransaction, BatchSummary, ProducerSummary } from '../src/index'

/** What the batch at each position is. */
let summaries: (ProducerSummary | undefined)[]
let tracker: ProducerTracker
let nextOffset: number

const format = { describe: (_bytes: Uint8Array, position: number) => summaries[position] }
const noBytes = new Uint8Array(0)

beforeEach(() => {
  summaries = []
  nextOffset = 0
  tracker = new ProducerTracker(format)
})

interface Given extends Partial<Omit<ProducerSummary, 'producerId'>> {
  readonly id: number
  readonly records?: number
  readonly timestamp?: number
}

/** Applies a batch that comes next in the log. */
function apply(given: Given | undefined, into = tracker): AbortedTransaction | undefined {
  const { id, records = 1, timestamp = 1000, ...fields } = given ?? { id: -1 }
  const { producerEpoch = 0, baseSequence = 0, transactional = false, ...control } = fields
  const lastSequence = (baseSequence + records - 1) & 0x7fffffff
  const producerId = BigInt(id)
  const batch: BatchSummary = {
    ...{ sizeInBytes: 100, baseOffset: nextOffset, lastOffset: nextOffset + records - 1 },
    ...{ maxTimestamp: timestamp, leaderEpoch: 0, recordCount: records },
  }
  const producer = { producerId, producerEpoch, baseSequence, lastSequence, transactional }
  summaries.push(given && { ...producer, ...control })
  nextOffset += records
  return into.apply(noBytes, summaries.length - 1, batch)
}

const mark = (id: number, control: 'commit' | 'abort', more: Partial<Given> = {}) =>
  apply({ id, control, coordinatorEpoch: 5, transactional: true, baseSequence: -1, ...more })

const ids = (from: ProducerTracker): number[] =>
  [...from.entries()].map(({ producerId }) => Number(producerId))

test('the last five batches of a producer are remembered, of its epoch only', () => {
  for (let n = 0; n < 7; n++) apply({ id: 7, baseSequence: n * 10, records: 10 })
  expect(tracker.get(7n)!.batches.map((batch) => batch.firstSequence)).toEqual([20, 30, 40, 50, 60])
  expect(tracker.get(7n)!.batches.at(-1)).toEqual({
    ...{ firstSequence: 60, lastSequence: 69, lastOffset: 69, offsetDelta: 9, timestamp: 1000 },
  })
  apply({ id: 7, producerEpoch: 1, records: 2 })
  expect(tracker.get(7n)).toMatchObject({ epoch: 1, batches: [{ lastSequence: 1 }] })
})

test('a batch without a producer changes nothing', () => {
  apply(undefined)
  expect(tracker.isEmpty).toBe(true)
  expect(tracker.firstUnstableOffset(100)).toBeUndefined()
})

test('transactions open with their first batch and end with a marker', () => {
  apply({ id: 1 })
  apply({ id: 2, transactional: true, records: 3 }) // 1..3
  apply({ id: 3, transactional: true }) // 4
  apply({ id: 2, transactional: true, baseSequence: 3 }) // 5
  expect(tracker.get(2n)!.transactionFirstOffset).toBe(1)
  expect(tracker.firstUnstableOffset(nextOffset)).toBe(1)
  expect(mark(2, 'abort', { timestamp: 2000 })).toEqual({
    ...{ producerId: 2n, firstOffset: 1, lastOffset: 6, lastStableOffset: 4 },
  })
  expect(tracker.get(2n)).toMatchObject({
    ...{ coordinatorEpoch: 5, lastTimestamp: 2000, transactionFirstOffset: -1 },
    batches: [{ lastOffset: 3 }, { lastOffset: 5 }],
  })
  expect(tracker.firstUnstableOffset(nextOffset)).toBe(4)
  // A commit is nothing to be left out.
  expect(mark(3, 'commit')).toBeUndefined()
  expect(tracker.firstUnstableOffset(nextOffset)).toBeUndefined()
})

test('an ended transaction is unstable until its marker is below the high watermark', () => {
  apply({ id: 1, transactional: true })
  apply({ id: 2, transactional: true })
  mark(2, 'commit') // 2
  mark(1, 'commit') // 3
  expect(tracker.firstUnstableOffset(2)).toBe(0)
  expect(tracker.firstUnstableOffset(3)).toBe(0)
  expect(tracker.firstUnstableOffset(4)).toBeUndefined()
  expect(tracker.isEmpty).toBe(false)
})

test('a marker without a transaction aborts nothing, but says what epoch there is', () => {
  expect(mark(9, 'abort', { producerEpoch: 3 })).toBeUndefined()
  expect(tracker.get(9n)).toMatchObject({ epoch: 3, coordinatorEpoch: 5, batches: [] })
  // KIP-890: the marker's epoch is one higher, and what came before is done with.
  apply({ id: 9, producerEpoch: 3, transactional: true })
  expect(mark(9, 'abort', { producerEpoch: 4 })).toMatchObject({ firstOffset: 1, lastOffset: 2 })
  expect(tracker.get(9n)).toMatchObject({ epoch: 4, batches: [] })
})

test('a control batch that compaction emptied says nothing', () => {
  apply({ id: 1, transactional: true })
  apply({ id: 1, control: 'other', producerEpoch: 9 })
  expect(tracker.get(1n)).toMatchObject({ epoch: 0, transactionFirstOffset: 0 })
})

test('what could not be written is taken back as if it had never been', () => {
  apply({ id: 1, transactional: true })
  for (let n = 0; n < 5; n++) apply({ id: 2, baseSequence: n })
  mark(1, 'abort')
  apply({ id: 4, transactional: true })
  tracker.settle()
  const before = [...tracker.entries()]
  const unstable = tracker.firstUnstableOffset(3)
  apply({ id: 3, transactional: true })
  apply({ id: 2, baseSequence: 5 })
  apply({ id: 2, producerEpoch: 1 })
  mark(4, 'abort')
  mark(3, 'commit')
  tracker.rollBack()
  expect([...tracker.entries()]).toEqual(before)
  expect(tracker.firstUnstableOffset(3)).toBe(unstable)
  expect(tracker.firstUnstableOffset(7)).toBe(7)
  // Nothing is left to be taken back.
  tracker.rollBack()
  expect([...tracker.entries()]).toEqual(before)
})

test('silent producers expire, not those with an open transaction', () => {
  tracker = new ProducerTracker(format, { expirationMs: 1000 })
  apply({ id: 1, timestamp: 100 })
  apply({ id: 2, timestamp: 200 })
  apply({ id: 3, timestamp: 100, transactional: true })
  tracker.expire(1150)
  expect(ids(tracker)).toEqual([2, 3])
  tracker.expire(100_000)
  expect(ids(tracker)).toEqual([3])
})

test('too many producers: those silent for longest go, never the newest or an open one', () => {
  tracker = new ProducerTracker(format, { maxProducers: 32 })
  apply({ id: 1000, timestamp: 1, transactional: true })
  for (let id = 0; id < 100; id++) apply({ id, timestamp: 5000 + id })
  expect(tracker.size).toBeLessThanOrEqual(32)
  expect(ids(tracker)).toContain(1000)
  expect(ids(tracker)).toContain(99)
  expect(ids(tracker)).not.toContain(0)
  apply({ id: 2000, timestamp: 0 })
  expect(ids(tracker)).toContain(2000)
})

test("the snapshot is Kafka's, byte for byte", () => {
  nextOffset = 116
  apply({ id: 4001, producerEpoch: 2, baseSequence: 1, records: 5, timestamp: 2000 })
  apply({ id: 2 ** 40, transactional: true, timestamp: 3000 })
  mark(77, 'commit', { producerEpoch: 1, timestamp: 4000 })
  const { state, detail } = tracker.capture()()
  expect(detail).toBeUndefined()
  const bytes = Buffer.from(state)
  expect(bytes.toString('hex')).toBe(
    '0001' + // version
      bytes.toString('hex', 2, 6) + // checksum, see below
      '00000003' + // entries
      '0000000000000fa1' + // producer id
      '0002' + // epoch
      '00000005' + // last sequence
      '0000000000000078' + // last offset
      '00000004' + // offset delta
      '00000000000007d0' + // timestamp
      'ffffffff' + // coordinator epoch: none
      'ffffffffffffffff' + // open transaction: none
      '0000010000000000 0000 00000000 0000000000000079 00000000'.replaceAll(' ', '') +
      '0000000000000bb8 ffffffff 0000000000000079'.replaceAll(' ', '') +
      '000000000000004d 0001 ffffffff ffffffffffffffff 00000000'.replaceAll(' ', '') +
      '0000000000000fa0 00000005 ffffffffffffffff'.replaceAll(' ', ''),
  )
  expect(bytes.toString('hex', 2, 6)).toBe('ff7e1f2f')
})

test('a restored snapshot is the state that was captured, not what came after', () => {
  for (let n = 0; n < 6; n++)
    apply({ id: 1, baseSequence: (0x7ffffffe + n * 3) & 0x7fffffff, records: 3 })
  apply({ id: 2, transactional: true })
  mark(2, 'abort', { timestamp: 9999 })
  apply({ id: 3, transactional: true })
  apply({ id: 4 })
  const before = [...tracker.entries()]
  const make = tracker.capture()
  apply({ id: 1, baseSequence: 100 })
  mark(3, 'abort')
  const snapshot = make()
  const other = new ProducerTracker(format)
  expect(other.restore(snapshot)).toBe(true)
  expect([...other.entries()]).toEqual(before)
  expect(other.firstUnstableOffset(1000)).toBe(20)
  // Without its other file only the last batch of each is known, as in Kafka.
  expect(other.restore({ state: snapshot.state })).toBe(true)
  expect([...other.entries()].map(({ batches }) => batches.length)).toEqual([1, 1, 1, 1])
  expect(other.get(1n)!.batches[0]).toEqual(before[0]!.batches.at(-1))
})

test('every damaged or missing byte of a snapshot is noticed', () => {
  for (let n = 0; n < 3; n++) apply({ id: 1, baseSequence: n })
  apply({ id: 2, transactional: true })
  const { state, detail } = tracker.capture()()
  const other = new ProducerTracker(format)
  const whole = [...tracker.entries()]
  for (let at = 0; at < state.length; at++) {
    const damaged = Uint8Array.from(state)
    damaged[at]! ^= 0x10
    expect(other.restore({ state: damaged, detail: detail! })).toBe(false)
    expect(other.restore({ state: state.subarray(0, at) })).toBe(false)
  }
  expect(other.isEmpty).toBe(true)
  for (let at = 0; at < detail!.length; at++) {
    const damaged = Uint8Array.from(detail!)
    damaged[at]! ^= 0x10
    for (const bad of [damaged, detail!.subarray(0, at)]) {
      expect(other.restore({ state, detail: bad })).toBe(true)
      expect(other.get(1n)!.batches).toEqual(whole[0]!.batches.slice(-1))
    }
  }
  // The detail of another snapshot does not count either.
  apply({ id: 1, baseSequence: 3 })
  expect(other.restore({ state: tracker.capture()().state, detail: detail! })).toBe(true)
  expect(other.get(1n)!.batches).toHaveLength(1)
})

test('ended transactions that nobody asks about are not kept one by one', () => {
  const count = 5000
  for (let n = 0; n < count; n++) {
    apply({ id: n % 3, transactional: true })
    mark(n % 3, 'commit')
    tracker.settle()
  }
  const told = new Set<number | undefined>()
  for (let highWatermark = 0; highWatermark <= nextOffset; highWatermark++) {
    const first = tracker.firstUnstableOffset(highWatermark)
    told.add(first)
    // The transaction whose marker comes next begins there at the latest.
    const due = highWatermark === nextOffset ? undefined : highWatermark - (highWatermark % 2)
    expect(first ?? Infinity).toBeLessThanOrEqual(due ?? Infinity)
    if (due === undefined) expect(first).toBeUndefined()
  }
  expect(told.size).toBeLessThanOrEqual(1002)
  expect(told.size).toBeGreaterThan(400)
})

test('what is told apart no more is not taken back with what could not be written', () => {
  // An odd number is settled, so that one of them would be joined with one that is not.
  for (let n = 0; n < 1100; n++) {
    apply({ id: 1, transactional: true })
    mark(1, 'commit')
    if (n < 999) tracker.settle()
  }
  tracker.rollBack()
  expect(tracker.firstUnstableOffset(1997)).toBe(1996)
  expect(tracker.firstUnstableOffset(1998)).toBeUndefined()
})
