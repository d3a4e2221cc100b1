import {
  batches,
  decodeRecords,
  encodeRecordBatch,
  readBatchHeader,
  readControlRecord,
  recordBatchFormat,
  setProducerState,
  stampBatch,
  stampLogAppendTime,
  validateBatch,
  writeControlRecord,
  type CompressionType,
} from '@kfk/protocol'
import { golden } from './golden.js'

const types: CompressionType[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

const records = Array.from({ length: 10 }, (_, index) => ({
  key: `k${index % 3}`,
  value: index === 5 ? null : `v${index}`,
  timestamp: 1000 + index * 10,
}))

describe('recordBatchFormat', () => {
  test('tells sizes apart from unwritten space and from nonsense', () => {
    const batch = encodeRecordBatch(records)
    const bytes = Buffer.concat([Buffer.alloc(5), batch, Buffer.alloc(100)])
    expect(recordBatchFormat.sizeOf(bytes, 5)).toBe(batch.length)
    expect(recordBatchFormat.sizeOf(bytes, 5 + batch.length)).toBe(0)
    expect(recordBatchFormat.sizeOf(bytes, 5 + batch.length - 3)).toBe(-1)
    expect(recordBatchFormat.sizeOf(Buffer.alloc(100, 1), 0)).not.toBe(0)
    expect(recordBatchFormat.sizeOf(Buffer.alloc(100, 255), 0)).toBe(-1)
    expect(recordBatchFormat.sizeOf(bytes, bytes.length - 10)).toBe(-1)
  })

  test('describes, stamps and checks in place', () => {
    const batch = encodeRecordBatch(records)
    const bytes = Buffer.concat([Buffer.alloc(5), batch])
    recordBatchFormat.stamp(bytes, 5, { baseOffset: 2 ** 40 + 3, leaderEpoch: 7 })
    expect(recordBatchFormat.describe(bytes, 5)).toEqual({
      sizeInBytes: batch.length,
      baseOffset: 2 ** 40 + 3,
      lastOffset: 2 ** 40 + 12,
      maxTimestamp: 1090,
      leaderEpoch: 7,
      recordCount: 10,
    })
    expect(recordBatchFormat.check(bytes, 5)).toBeUndefined()
    bytes[bytes.length - 1]! ^= 1
    expect(recordBatchFormat.check(bytes, 5)).toContain('checksum')
    expect(recordBatchFormat.check(bytes.subarray(0, bytes.length - 1), 5)).toContain('present')
  })

  test.each(types)('%s: compaction keeps offsets, times and the producer', (compression) => {
    const options = { compression, producerId: 9n, producerEpoch: 2, baseSequence: 5 }
    const batch = encodeRecordBatch(records, { ...options, baseOffset: 100, leaderEpoch: 3 })
    const kept = recordBatchFormat.records.retain(
      batch,
      (offset) => offset === 102 || offset === 105,
    )
    expect(kept).not.toBeNull()
    expect(recordBatchFormat.check(kept!, 0)).toBeUndefined()
    expect(readBatchHeader(kept!)).toMatchObject({
      baseOffset: 100,
      lastOffset: 109,
      recordCount: 2,
      baseTimestamp: 1000,
      maxTimestamp: 1050,
      partitionLeaderEpoch: 3,
      compression,
      ...{ producerId: 9n, producerEpoch: 2, baseSequence: 5 },
    })
    expect([...recordBatchFormat.records.iterate(kept!)]).toEqual([
      { offset: 102, timestamp: 1020, key: new TextEncoder().encode('k2'), tombstone: false },
      { offset: 105, timestamp: 1050, key: new TextEncoder().encode('k2'), tombstone: true },
    ])
    expect(decodeRecords(kept!).map((record) => record.offset)).toEqual([102, 105])
    expect(recordBatchFormat.records.retain(batch, () => true)).toBe(batch)
    expect(recordBatchFormat.records.retain(batch, () => false)).toBeNull()
  })

  test('a batch that compaction emptied is read as one without records', () => {
    const batch = encodeRecordBatch(records)
    const empty = batch.slice(0, 61)
    new DataView(empty.buffer).setInt32(8, 49)
    new DataView(empty.buffer).setInt32(57, 0)
    setProducerState(empty, { producerId: 1n, producerEpoch: 0, baseSequence: 0 })
    expect(recordBatchFormat.check(empty, 0)).toBeUndefined()
    expect(decodeRecords(empty)).toEqual([])
    expect(readBatchHeader(empty).lastOffset).toBe(9)
  })

  test('sequences wrap after 2^31 - 1', () => {
    const batch = encodeRecordBatch(records)
    expect(recordBatchFormat.producer.describe(batch, 0)).toBeUndefined()
    setProducerState(batch, {
      producerId: 2n ** 62n + 1n,
      producerEpoch: 32767,
      baseSequence: 2 ** 31 - 4,
    })
    validateBatch(batch)
    expect(recordBatchFormat.producer.describe(batch, 0)).toEqual({
      producerId: 2n ** 62n + 1n,
      producerEpoch: 32767,
      baseSequence: 2 ** 31 - 4,
      lastSequence: 5,
      transactional: false,
    })
  })
})

describe('stamps', () => {
  test('the broker stamps offset and epoch without touching the checksum', () => {
    const batch = encodeRecordBatch(records)
    const { crc } = readBatchHeader(batch)
    stampBatch(batch, { baseOffset: Number.MAX_SAFE_INTEGER - 9, leaderEpoch: 2 ** 31 - 1 })
    validateBatch(batch)
    expect(readBatchHeader(batch)).toMatchObject({
      crc,
      baseOffset: Number.MAX_SAFE_INTEGER - 9,
      lastOffset: Number.MAX_SAFE_INTEGER,
      partitionLeaderEpoch: 2 ** 31 - 1,
    })
  })

  test.each(types)('%s: the append time becomes the time of every record', (compression) => {
    const batch = encodeRecordBatch(records, { compression })
    stampLogAppendTime(batch, 1_800_000_000_000)
    validateBatch(batch, { verifyRecords: 'all' })
    expect(readBatchHeader(batch)).toMatchObject({
      timestampType: 'LogAppendTime',
      maxTimestamp: 1_800_000_000_000,
      compression,
    })
    expect(new Set(decodeRecords(batch).map((record) => record.timestamp)).size).toBe(1)
    expect([...recordBatchFormat.records.iterate(batch)][3]).toMatchObject({
      timestamp: 1_800_000_000_000,
    })
  })
})

describe('control records', () => {
  test('the markers that Kafka wrote are read, and ours are the same bytes', () => {
    const segment = golden('kafka-tx')
    const found = [...batches(segment)]
    expect(found.map(({ header }) => [header.isTransactional, header.isControl])).toEqual([
      [true, false],
      [true, true],
      [true, false],
      [true, true],
    ])
    for (const [index, type] of [[1, 'commit'] as const, [3, 'abort'] as const]) {
      const { bytes, header } = found[index]!
      const [record] = decodeRecords(bytes)
      const marker = readControlRecord(record!)
      expect(marker).toEqual({ type, coordinatorEpoch: expect.any(Number) as number })
      const ours = writeControlRecord(marker!, {
        producerId: header.producerId,
        producerEpoch: header.producerEpoch,
        timestamp: header.baseTimestamp,
        baseOffset: header.baseOffset,
        leaderEpoch: header.partitionLeaderEpoch,
      })
      expect(Buffer.from(ours).equals(bytes)).toBe(true)
      expect(recordBatchFormat.producer.describe(bytes, 0)).toMatchObject({
        producerId: header.producerId,
        lastSequence: -1,
        transactional: true,
        control: type,
      })
      expect([...recordBatchFormat.records.iterate(bytes)][0]).toMatchObject({
        key: null,
        tombstone: false,
      })
    }
    expect(recordBatchFormat.producer.describe(found[0]!.bytes, 0)?.control).toBeUndefined()
  })
})
