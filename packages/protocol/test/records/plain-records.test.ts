import { decodeRecords, encodeRecordBatch, validateBatch } from '@kfk/protocol'
import type { RecordInput } from '@kfk/protocol'
import { writeBatchHeader } from '../../src/records/batch-stamps.js'
import { skipPlainRecords } from '../../src/records/plain-records.js'
import { codeOf } from '../protocol-code.js'
import { random } from './golden.js'

const next = random(42)
const upTo = (limit: number): number => Math.floor(next() * limit)
/** Lengths at both sides of where a varint gets another byte. */
const lengths = [0, 1, 62, 63, 64, 65, 100, 8190, 8191, 8192, 8193, 20_000]

function someRecord(index: number, kind: string): RecordInput {
  const bytes = (): Uint8Array => new Uint8Array(lengths[upTo(kind === 'long' ? 12 : 7)]!).fill(65)
  return {
    key: next() < 0.7 ? null : bytes(),
    value: next() < 0.1 ? null : bytes(),
    timestamp: 1_700_000_000_000 + (kind === 'late' ? index * 3e8 : index * 70),
    headers: kind === 'headers' && next() < 0.3 ? [{ key: 'h', value: bytes() }] : [],
  }
}

/** The header of `batch` around another payload, its checksum right. */
function around(batch: Uint8Array, payload: Uint8Array, recordCount: number, baseTimestamp = 0) {
  const bytes = new Uint8Array(61 + payload.length)
  bytes.set(batch.subarray(0, 61))
  bytes.set(payload, 61)
  writeBatchHeader(bytes, {
    ...{ baseOffset: 0, leaderEpoch: 0, attributes: 0, baseTimestamp, maxTimestamp: 0 },
    ...{ producerId: -1n, producerEpoch: -1, baseSequence: -1 },
    ...{ lastOffsetDelta: recordCount - 1, recordCount },
  })
  return bytes
}

test.each(['plain', 'headers', 'late', 'long'])(
  '%s records: a batch is valid exactly if its records can be read, whatever byte is changed',
  (kind) => {
    for (let round = 0; round < 60; round++) {
      const count = 1 + upTo(kind === 'long' ? 5 : 200)
      const records = Array.from({ length: count }, (_, index) => someRecord(index, kind))
      const batch = encodeRecordBatch(records)
      validateBatch(batch)
      for (let change = 0; change < 30; change++) {
        const payload = Uint8Array.from(batch.subarray(61))
        const at = upTo(payload.length)
        payload[at] = next() < 0.5 ? payload[at]! ^ (1 << upTo(8)) : upTo(256)
        const cut = next() < 0.2 ? payload.subarray(0, payload.length - upTo(40)) : payload
        const changed = around(batch, cut, count)
        // Reading checks each record by the cursor alone, and that offset deltas ascend: as many as
        // there are offsets, they are all there.
        expect(codeOf(() => validateBatch(changed))).toBe(codeOf(() => decodeRecords(changed)))
      }
    }
  },
)

test('common records are stepped over without a cursor, up to the last few bytes', () => {
  const records = Array.from({ length: 20_000 }, (_, index) => ({
    value: new Uint8Array(index % 150),
    key: index % 2 === 0 ? null : new Uint8Array(index % 90),
    timestamp: index,
  }))
  const bytes = encodeRecordBatch(records)
  const stopped = { position: 61 }
  const payload = { bytes, end: bytes.length }
  expect(skipPlainRecords(payload, stopped, [0, 20_000])).toBe(20_000)
  expect(stopped.position).toBe(bytes.length)
  const before = skipPlainRecords(payload, { position: 61 }, [0, 15_000])
  expect(before).toBe(15_000)
  // A wrong offset delta is not passed over, nor is what another reader would see behind the end.
  expect(skipPlainRecords(payload, { position: 61 }, [1, 20_000])).toBe(1)
  const short = { bytes, end: bytes.length - 1 }
  expect(skipPlainRecords(short, { position: 61 }, [0, 20_000])).toBe(19_999)
})

test('timestamps near 2^53 are judged one by one', () => {
  const one = encodeRecordBatch([{ value: new Uint8Array(100), timestamp: 0 }]).subarray(61)
  const late = Uint8Array.from(one)
  late[3] = 10
  const base = Number.MAX_SAFE_INTEGER - 4
  const batchOf = (payload: Uint8Array) => around(new Uint8Array(61), payload, 1, base)
  expect(codeOf(() => validateBatch(batchOf(one)))).toBe('no error')
  expect(codeOf(() => validateBatch(batchOf(late)))).toBe('KFK_PROTOCOL_MALFORMED')
})
