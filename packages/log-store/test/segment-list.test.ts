// The list of segments: snapshots over shared rows, objects made when touched.
import { FileCache } from '../src/file-cache'
import { memoryFileSystem } from '../src/fs/memory-file-system'
import { decodeListedLog, encodeListedLog } from '../src/log-list'
import { SegmentList } from '../src/segment-list'
import { type SealedFacts, Segment } from '../src/segment'

const directory = '/log'
const fileSystem = memoryFileSystem()
const files = new FileCache(fileSystem, 8, () => undefined)

function segment(baseOffset: number, timestamp?: number): Segment {
  const sizeBytes = baseOffset + 1
  const made = new Segment(files, { directory, baseOffset, createdMs: 0, sizeBytes })
  if (timestamp !== undefined) made.setLargest({ timestamp, offset: baseOffset })
  return made
}

function rolled(count: number): SegmentList {
  let list = SegmentList.of([segment(0, 0)])
  for (let n = 1; n < count; n++) list = list.with(segment(n * 10, n))
  return list
}

const bases = (list: SegmentList) => list.all.map(({ baseOffset }) => baseOffset)
const upTo = (count: number, from = 0) =>
  Array.from({ length: count - from }, (_, n) => (from + n) * 10)

test('a snapshot does not see what later ones add, drop, cut or replace', () => {
  const snapshots: { list: SegmentList; expected: number[]; bytes: number }[] = []
  const keep = (list: SegmentList) => {
    const expected = bases(list)
    snapshots.push({ list, expected, bytes: expected.reduce((sum, base) => sum + base + 1, 0) })
    return list
  }
  let list = keep(rolled(20))
  list = keep(list.dropFirst(3))
  const branch = keep(list.takeFirst(10))
  keep(branch.with(segment(1000)))
  keep(branch.with(segment(2000)).with(segment(3000)))
  list = keep(list.with(segment(200)))
  list = keep(list.replace(2, 5, [segment(50)]))
  for (let n = 21; n < 60; n++) list = list.dropFirst(1).with(segment(n * 10))
  keep(list)
  expect(bases(list)).toEqual(upTo(60, 44))
  for (const { list: old, expected, bytes } of snapshots) {
    expect(bases(old)).toEqual(expected)
    expect(old.count).toBe(expected.length)
    expect(old.sizeBytes).toBe(bytes)
    expect(old.firstOffset).toBe(expected[0])
    expect(expected.map((_, at) => old.sizeAt(at))).toEqual(expected.map((base) => base + 1))
  }
})

test('floor finds the segment of every offset', () => {
  const list = rolled(33).dropFirst(2)
  for (let offset = 0; offset < 400; offset++) {
    const expected = bases(list).findLastIndex((base) => base <= offset)
    expect(list.floor(offset)).toBe(expected)
  }
  expect(list.endOffset(0, 999)).toBe(30)
  expect(list.endOffset(list.count - 1, 999)).toBe(999)
})

test('the same segment is the same object in all lists, a replaced one is another', () => {
  const list = rolled(6)
  const { active } = list
  const second = list.at(1)
  const later = list.with(segment(60)).dropFirst(1)
  expect(later.at(0)).toBe(second)
  expect(later.at(4)).toBe(active)
  const swapped = segment(10)
  const replaced = list.replace(1, 2, [swapped])
  expect(replaced.at(1)).toBe(swapped)
  expect(list.at(1)).toBe(second)
  expect(replaced.at(2)).toBe(list.at(2))
})

/** As after the next opening; `facts` are of the sealed ones. */
function reopened(facts: readonly SealedFacts[], active: Segment): SegmentList {
  const list = SegmentList.of([...facts.map((each) => active.sealedSibling(each)), active])
  return SegmentList.unpack(list.packSealed(), active)
}

test('facts make no objects, and those made know their facts', () => {
  const facts = upTo(1000).map((baseOffset) => ({
    baseOffset,
    sizeBytes: 7,
    largest: { timestamp: baseOffset, offset: baseOffset },
  }))
  const list = reopened(facts, segment(10_000))
  expect(list.count).toBe(1001)
  expect(list.touched()).toEqual([list.active])
  expect(list.sizeBytes).toBe(7000 + 10_001)
  const made = list.at(500)
  expect(made).toMatchObject({ baseOffset: 5000, sizeBytes: 7, sealed: true })
  expect(made.largest).toEqual({ timestamp: 5000, offset: 5000 })
  expect(list.touched()).toEqual([made, list.active])
  expect(files.openCount).toBe(0)
})

test('what is packed, of a list that has been cut, rolled and replaced, is its own rows', () => {
  const first = rolled(20).dropFirst(3)
  const list = first
    .replace(2, 5, [segment(50)])
    .with(segment(200, 20))
    .dropFirst(1)
  const again = SegmentList.unpack(list.packSealed(), list.active)
  expect(bases(again)).toEqual(bases(list))
  expect(again.sizeBytes).toBe(list.sizeBytes)
  const later = again.with(segment(210)).with(segment(220))
  const objects = later.slice(0, later.sealedCount)
  expect(new Set(objects).size).toBe(later.sealedCount)
  expect(objects.map(({ baseOffset }) => baseOffset)).toEqual([...bases(list), 210])
})

test('facts of the list of logs come as they were written', () => {
  const largest = [
    undefined,
    { timestamp: -1, offset: 2 ** 40 },
    { timestamp: 2 ** 41, offset: 2 ** 40 + 9 },
  ]
  const facts = largest.map((known, n) => {
    return { baseOffset: n === 0 ? 0 : 2 ** 40, sizeBytes: 2 ** 31 - 1 - n, largest: known }
  })
  const sealed = reopened(facts, segment(2 ** 41)).packSealed()
  const indexes = {
    offsets: { count: 0, lastRelativeOffset: -1, lastPosition: -1 },
    times: { count: 0, lastTimestamp: -1, lastRelativeOffset: -1 },
  }
  const active = { baseOffset: 2 ** 41, sizeBytes: 5, largest: undefined, indexes }
  const listed = {
    ...{ name: 'a-0', directoryMs: 1.5, fileMs: 2.5, logStartOffset: 0, logEndOffset: 2 ** 42 },
    ...{ gapsBelow: 0, newestSnapshot: undefined, indexed: [7], sealed },
    epochs: [{ epoch: 3, startOffset: 2 ** 33 }],
    active: { ...active, firstTimestamp: undefined, bytesSinceIndexEntry: 3 },
  }
  const decoded = decodeListedLog(encodeListedLog(listed))
  expect(decoded).toEqual({ ...listed, sealed: expect.anything() as unknown })
  const list = SegmentList.unpack(decoded.sealed, segment(2 ** 41))
  const found = facts.map((_, at) => {
    const [baseOffset, sizeBytes] = [list.baseAt(at), list.sizeAt(at)]
    return { baseOffset, sizeBytes, largest: list.largestAt(at) }
  })
  expect(found).toEqual(facts)
  const bytes = facts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  expect(list.sizeBytes).toBe(bytes + list.active.sizeBytes)
  expect(list.at(1)).not.toBe(list.at(2))
})

test('the first segment that reaches a timestamp, whatever the order of timestamps', () => {
  const timestamps = [5, 3, 9, 1, 9, 12, 2, 12]
  let list = SegmentList.of([segment(0, timestamps[0])])
  for (const [n, timestamp] of timestamps.entries()) {
    if (n > 0) list = list.with(segment(n * 10, timestamp))
  }
  for (const dropped of [0, 3, 6]) {
    const rest = list.dropFirst(dropped)
    const own = timestamps.slice(dropped)
    for (let from = 0; from <= own.length; from++) {
      for (let wanted = 0; wanted < 14; wanted++) {
        const expected = own.findIndex((timestamp, at) => at >= from && timestamp >= wanted)
        const found = expected === -1 ? own.length : expected
        expect(rest.firstReaching(wanted, from)).toBe(found)
        const limit = Math.min(own.length, from + 2)
        expect(rest.firstReaching(wanted, from, limit)).toBe(Math.min(found, limit))
      }
    }
  }
})

test('unknown timestamps are found in order and noted once', () => {
  const facts = upTo(10).map((baseOffset) => ({ baseOffset, sizeBytes: 1, largest: undefined }))
  const list = reopened(facts, segment(100))
  expect(list.firstUnknownLargest(4)).toBe(4)
  for (let at = 4; at < 10; at++) {
    expect(list.firstUnknownLargest(4)).toBe(at)
    list.noteLargest(at, { timestamp: at, offset: at })
  }
  expect(list.firstUnknownLargest(4)).toBeUndefined()
  expect(list.firstUnknownLargest(0)).toBe(0)
  list.noteLargest(9, { timestamp: 99, offset: 99 })
  expect(list.largestAt(9)).toEqual({ timestamp: 9, offset: 9 })
})
