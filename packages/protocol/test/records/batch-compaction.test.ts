import {
  decodeRecords,
  encodeRecordBatch,
  readBatchHeader,
  recordBatchFormat,
} from '../../src/index'
import type { CompressionType } from '../../src/index'

const { compaction } = recordBatchFormat
const codecs: readonly CompressionType[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
const keepAll = { deleteHorizonMs: undefined, expires: false, keepEmpty: false, keep: () => true }

function batchOf(compression: CompressionType = 'none'): Uint8Array {
  const records = [
    { key: 'a', value: 'one', timestamp: 1000 },
    { key: 'b', value: null, timestamp: 1007 },
    { key: null, value: 'three', timestamp: 999, headers: [{ key: 'h', value: Buffer.from('v') }] },
    { key: 'a', value: 'four', timestamp: 1003 },
  ]
  return encodeRecordBatch(records, {
    compression,
    baseOffset: 50,
    leaderEpoch: 3,
    producerId: 7n,
    producerEpoch: 1,
    baseSequence: 20,
  })
}

const view = (batch: Uint8Array) =>
  decodeRecords(batch).map(({ offset, timestamp, key, value }) => [
    offset,
    timestamp,
    key && Buffer.from(key).toString(),
    value && Buffer.from(value).toString(),
  ])

test.each(codecs)('keeps some records and all that the header says of the batch: %s', (codec) => {
  const batch = batchOf(codec)
  const kept = compaction.rewrite(batch, 0, { ...keepAll, keep: ({ offset }) => offset > 51 })!
  expect(recordBatchFormat.check(kept, 0)).toBeUndefined()
  const fields = { baseOffset: 50, lastOffset: 53, producerId: 7n, producerEpoch: 1 }
  const more = { baseSequence: 20, partitionLeaderEpoch: 3, compression: codec }
  expect(readBatchHeader(kept)).toMatchObject({ ...fields, ...more, recordCount: 2 })
  expect(readBatchHeader(kept)).toMatchObject({ maxTimestamp: 1003, hasDeleteHorizon: false })
  expect(view(kept)).toEqual([
    [52, 999, null, 'three'],
    [53, 1003, 'a', 'four'],
  ])
  expect(compaction.rewrite(batch, 0, keepAll)).toBeUndefined()
})

test.each(codecs)(
  'tombstones that stay get a delete horizon, once; timestamps stay: %s',
  (codec) => {
    const batch = batchOf(codec)
    expect(compaction.deleteHorizonMs(batch, 0)).toBeUndefined()
    const deleteHorizonMs = 1_800_000_000_000
    const stamped = compaction.rewrite(batch, 0, { ...keepAll, deleteHorizonMs })!
    expect(recordBatchFormat.check(stamped, 0)).toBeUndefined()
    expect(compaction.deleteHorizonMs(stamped, 0)).toBe(deleteHorizonMs)
    expect(view(stamped)).toEqual(view(batch))
    expect(readBatchHeader(stamped)).toMatchObject({ maxTimestamp: 1007, recordCount: 4 })
    expect(compaction.rewrite(stamped, 0, { ...keepAll, deleteHorizonMs: 1 })).toBeUndefined()
    const later = compaction.rewrite(stamped, 0, {
      ...keepAll,
      deleteHorizonMs: 1,
      keep: ({ tombstone }) => tombstone,
    })!
    expect(compaction.deleteHorizonMs(later, 0)).toBe(deleteHorizonMs)
    expect(view(later)).toEqual([[51, 1007, 'b', null]])
  },
)

test('a batch that is kept without records is a header', () => {
  const batch = batchOf('gzip')
  expect(compaction.rewrite(batch, 0, { ...keepAll, keep: () => false })).toBeNull()
  const empty = compaction.rewrite(batch, 0, { ...keepAll, keep: () => false, keepEmpty: true })!
  expect(empty).toHaveLength(61)
  expect(recordBatchFormat.check(empty, 0)).toBeUndefined()
  expect(readBatchHeader(empty)).toMatchObject({ baseOffset: 50, lastOffset: 53, recordCount: 0 })
  expect(readBatchHeader(empty)).toMatchObject({ baseSequence: 20, maxTimestamp: 1007 })
  expect(readBatchHeader(empty)).toMatchObject({ compression: 'none', baseTimestamp: -1 })
  expect(compaction.rewrite(empty, 0, { ...keepAll, keepEmpty: true })).toBeUndefined()
  expect(compaction.rewrite(empty, 0, keepAll)).toBeNull()
})

test('records are seen with their keys, wherever the batch lies', () => {
  const seen: unknown[] = []
  const bytes = Buffer.concat([Buffer.alloc(10), batchOf('zstd')])
  compaction.visit(bytes, 10, ({ offset, source, keyAt, keyLength, tombstone }) => {
    const key = keyLength < 0 ? null : Buffer.from(source.subarray(keyAt, keyAt + keyLength))
    seen.push([offset, key?.toString(), tombstone])
  })
  expect(seen).toEqual([
    [50, 'a', false],
    [51, 'b', true],
    [52, undefined, false],
    [53, 'a', false],
  ])
})
