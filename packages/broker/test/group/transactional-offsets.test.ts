// Offsets of open transactions: what counts in the end, and that the log alone says so.
import { TransactionalOffsets } from '../../src/group/transactional-offsets.js'
import type { OffsetsRecord } from '../../src/group/group-records.js'

const record = (offset: number, partition = 0, groupId = 'g'): OffsetsRecord => ({
  ...{ kind: 'offset', groupId, topic: 't', partition },
  committed: {
    ...{ offset, leaderEpoch: -1, metadata: '', commitTimestamp: 0, expireTimestamp: -1 },
    topicId: 'AAAAAAAAAAAAAAAAAAAAAA',
  },
})

const place = { topic: 't', partition: 0 }

test('the last offset of a place counts when its transaction is committed', () => {
  const offsets = new TransactionalOffsets()
  offsets.add(1n, record(1))
  offsets.add(1n, record(2))
  offsets.add(1n, record(3, 1))
  offsets.add(2n, record(9, 2))
  expect(offsets.isUnstable('g', place)).toBe(true)
  expect(offsets.isUnstable('h', place)).toBe(false)
  expect(offsets.end({ producerId: 1n, committed: true })).toEqual([record(2), record(3, 1)])
  expect(offsets.isUnstable('g', place)).toBe(false)
  expect([...offsets.groupIds()]).toEqual(['g'])
  expect(offsets.end({ producerId: 1n, committed: true })).toEqual([])
})

test('nothing counts of what is aborted', () => {
  const offsets = new TransactionalOffsets()
  offsets.add(1n, record(1))
  expect(offsets.end({ producerId: 1n, committed: false })).toEqual([])
  expect(offsets.isUnstable('g', place)).toBe(false)
})

test('a later commit outside of the transaction wins, and is not stable until the end', () => {
  const offsets = new TransactionalOffsets()
  offsets.add(1n, record(1))
  offsets.add(1n, record(2, 1))
  offsets.overtake(record(5))
  expect(offsets.isUnstable('g', place)).toBe(true)
  expect([...offsets.keysOf('g')]).toHaveLength(2)
  expect(offsets.end({ producerId: 1n, committed: true })).toEqual([record(2, 1)])
})
