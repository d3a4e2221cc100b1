import {
  decodeRecords,
  encodeRecordBatch,
  errorCodes,
  type RecordBatchOptions,
} from '@kfk/protocol'
import type { AppendRules } from '../src/partition/append-rules.js'
import { admitClientBatch } from '../src/partition/append-validation.js'
import { RewrittenBatch } from '../src/partition/rewritten-batch.js'

const now = 1_700_000_000_000
const rules: AppendRules = {
  maxMessageBytes: 10_000,
  segmentBytes: 100_000,
  compacted: false,
  logAppendTime: false,
  timestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
  timestampAfterMaxMs: 3_600_000,
}

function batch(
  options: RecordBatchOptions = {},
  timestamp = now,
  key: string | null = 'k',
): Buffer {
  const records = ['a', 'b', 'c'].map((value) => ({ key, value, timestamp }))
  return Buffer.from(encodeRecordBatch(records, options))
}

const admit = (bytes: Uint8Array, changes: Partial<AppendRules> = {}) =>
  admitClientBatch(bytes, { ...rules, ...changes }, now)

test.each(['none', 'gzip', 'snappy', 'lz4'] as const)(
  'a sound batch passes untouched (%s)',
  (compression) => {
    const bytes = batch({ compression })
    const before = Buffer.from(bytes)
    expect(admit(bytes)).toMatchObject({ recordCount: 3, compression })
    expect(bytes.equals(before)).toBe(true)
    expect(admit(bytes, { compacted: true })).toMatchObject({ recordCount: 3 })
  },
)

test.each<[string, () => Uint8Array, Partial<AppendRules>, number]>([
  ['a flipped bit', () => batch().fill(0x55, 80, 81), {}, errorCodes.CORRUPT_MESSAGE],
  ['garbage', () => Buffer.alloc(100, 0x41), {}, errorCodes.CORRUPT_MESSAGE],
  ['a batch that is cut short', () => batch().subarray(0, 70), {}, errorCodes.INVALID_RECORD],
  ['two batches', () => Buffer.concat([batch(), batch()]), {}, errorCodes.INVALID_RECORD],
  ['the old format', () => batch().fill(1, 16, 17), {}, errorCodes.INVALID_RECORD],
  [
    'more than max.message.bytes',
    () => batch(),
    { maxMessageBytes: 80 },
    errorCodes.MESSAGE_TOO_LARGE,
  ],
  [
    'more than segment.bytes',
    () => batch(),
    { segmentBytes: 80 },
    errorCodes.RECORD_LIST_TOO_LARGE,
  ],
  ['control records', () => batch({ control: true }), {}, errorCodes.INVALID_RECORD],
  ['a base offset', () => batch({ baseOffset: 5 }), {}, errorCodes.INVALID_RECORD],
  [
    'a producer id without a sequence',
    () => batch({ producerId: 5n, producerEpoch: 0, baseSequence: -1 }),
    {},
    errorCodes.INVALID_RECORD,
  ],
  [
    'a transactional batch of nobody',
    () => batch({ transactional: true }),
    {},
    errorCodes.INVALID_RECORD,
  ],
  ['a time far ahead', () => batch({}, now + 3_600_001), {}, errorCodes.INVALID_TIMESTAMP],
  [
    'a time long ago',
    () => batch({}, now - 1001),
    { timestampBeforeMaxMs: 1000 },
    errorCodes.INVALID_TIMESTAMP,
  ],
])('%s is refused', (_name, bytes, changes, errorCode) => {
  expect(admit(bytes(), changes)).toMatchObject({ errorCode, errorMessage: expect.any(String) })
})

test('a compacted topic names the records that lack a key', () => {
  for (const compression of ['none', 'gzip'] as const) {
    expect(admit(batch({ compression }, now, null), { compacted: true })).toMatchObject({
      errorCode: errorCodes.INVALID_RECORD,
      recordErrors: [0, 1, 2].map((batchIndex) => ({ batchIndex })),
    })
  }
})

test('LogAppendTime replaces the times of the producer, however far off they are', () => {
  const bytes = batch({}, 5)
  expect(admit(bytes, { logAppendTime: true, timestampBeforeMaxMs: 1 })).toMatchObject({
    timestampType: 'LogAppendTime',
    maxTimestamp: now,
  })
  // The stamped bytes are sound, and nobody but the broker may have stamped them.
  expect(admit(bytes)).toMatchObject({
    errorCode: errorCodes.INVALID_TIMESTAMP,
    errorMessage: expect.stringContaining('Only the broker'),
  })
})

test('the records whose times are out of the limits are named', () => {
  const times = [now, now - 2000, now + 2000, -1, now - 1000]
  const records = times.map((timestamp) => ({ value: 'v', timestamp }))
  const limits = { timestampBeforeMaxMs: 1000, timestampAfterMaxMs: 1000 }
  for (const compression of ['none', 'gzip'] as const) {
    expect(admit(Buffer.from(encodeRecordBatch(records, { compression })), limits)).toMatchObject({
      errorCode: errorCodes.INVALID_TIMESTAMP,
      recordErrors: [1, 2].map((batchIndex) => ({ batchIndex })),
    })
  }
})

test.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const)(
  'what a topic wants compressed otherwise is compressed anew (%s)',
  (type) => {
    const compression = { type, level: undefined }
    for (const sent of ['none', 'gzip', 'lz4'] as const) {
      const bytes = batch({ compression: sent, producerId: 7n, producerEpoch: 2, baseSequence: 9 })
      const admitted = admit(bytes, { compression })
      if (sent === type) {
        expect(admitted).toMatchObject({ compression: type, producerId: 7n })
        continue
      }
      if (!(admitted instanceof RewrittenBatch)) throw new Error('not compressed anew')
      const { header } = admitted
      expect(header).toMatchObject({ compression: type, producerEpoch: 2, baseSequence: 9 })
      expect(decodeRecords(admitted.bytes)).toMatchObject(
        decodeRecords(bytes).map(({ offset, timestamp }) => ({ offset, timestamp })),
      )
    }
  },
)

test('a batch that grows beyond max.message.bytes when it is unpacked is refused', () => {
  const records = [{ value: Buffer.alloc(5000), timestamp: now }]
  const bytes = Buffer.from(encodeRecordBatch(records, { compression: 'gzip' }))
  const changes = {
    maxMessageBytes: 1000,
    compression: { type: 'none', level: undefined },
  } as const
  expect(admit(bytes, changes)).toMatchObject({ errorCode: errorCodes.MESSAGE_TOO_LARGE })
})

test('bytes that are no batch behind one are dropped', () => {
  const sound = batch()
  const admitted = admit(Buffer.concat([sound, sound.subarray(0, 70)]))
  if (!(admitted instanceof RewrittenBatch)) throw new Error('nothing dropped')
  expect(sound.equals(admitted.bytes)).toBe(true)
})
