import {
  encodeRecordBatch,
  errorCodes,
  readBatchHeader,
  type RecordBatchOptions,
} from '@kfk/protocol'
import { admitClientBatch, type AppendRules } from '../src/partition/append-validation.js'

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
  ['a batch that is cut short', () => batch().subarray(0, 70), {}, errorCodes.CORRUPT_MESSAGE],
  ['two batches', () => Buffer.concat([batch(), batch()]), {}, errorCodes.INVALID_RECORD],
  ['the old format', () => batch().fill(1, 16, 17), {}, errorCodes.UNSUPPORTED_FOR_MESSAGE_FORMAT],
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
    'a transactional batch',
    () => batch({ transactional: true, producerId: 5n, producerEpoch: 0, baseSequence: 0 }),
    {},
    errorCodes.INVALID_TXN_STATE,
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
  const { crc } = readBatchHeader(bytes)
  expect(admit(bytes)).toMatchObject({ crc })
})
