import { compressionCodecs, DEFAULT_MAX_DECOMPRESSED_BYTES } from '../compression-codecs.js'
import { ProtocolError } from '../errors.js'
import {
  checkBatchStart,
  checkCountFits,
  readBatchHeader,
  wholeBatch,
  type BatchHeader,
} from './batch-header.js'
import { readInt32 } from './big-endian.js'
import { crc32c } from './crc32c.js'
import { CRC_AT, CRC_START, RECORDS_AT } from './layout.js'
import { plainView } from './plain-view.js'
import { skipPlainRecords } from './plain-records.js'
import { RecordCursor } from './record-cursor.js'
import { PLACE_NUMBERS, RecordPlaces } from './record-places.js'
import { LazyRecord, RecordSource, type DecodedRecord } from './decoded-record.js'

const plainTimestampsBelow = 2 ** 52

/** The payload of a batch, decompressed: records in `bytes[start, end)`. */
interface Payload {
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
}

/** The records of a batch, decompressed when need be; a view when it is not compressed. */
export function payloadOf(
  batch: Uint8Array,
  header: BatchHeader,
  maxDecompressedBytes: number,
): Payload {
  // A batch that compaction emptied has no payload to decompress.
  if (header.compression === 'none' || header.sizeInBytes === RECORDS_AT) {
    checkCountFits(header.recordCount, header.sizeInBytes - RECORDS_AT)
    return { bytes: plainView(batch), start: RECORDS_AT, end: header.sizeInBytes }
  }
  const compressed = batch.subarray(RECORDS_AT, header.sizeInBytes)
  const limit = { maxOutputBytes: maxDecompressedBytes }
  const bytes = plainView(compressionCodecs.decompress(header.compression, compressed, limit))
  checkCountFits(header.recordCount, bytes.length)
  return { bytes, start: 0, end: bytes.length }
}

/** True when the stored CRC-32C of the batch at `position` matches its `sizeInBytes` bytes. */
export function checksumMatches(bytes: Uint8Array, position: number, sizeInBytes: number): boolean {
  const stored = readInt32(bytes, position + CRC_AT) >>> 0
  return crc32c(bytes, position + CRC_START, position + sizeInBytes) === stored
}

function checkChecksum(batch: Uint8Array): void {
  if (checksumMatches(batch, 0, batch.length)) return
  throw new ProtocolError('KFK_PROTOCOL_CORRUPT', 'the checksum of a record batch does not match')
}

/** Options of {@link validateBatch}. */
export interface ValidateBatchOptions {
  /**
   * Which batches have their records walked. Default `'uncompressed'`; `'all'` decompresses too.
   */
  readonly verifyRecords?: 'uncompressed' | 'all' | 'none'
  /** What a compressed batch may expand to. Default 64 MiB. */
  readonly maxDecompressedBytes?: number
}

/**
 * Checks a batch as a producer sends it: exactly one batch, magic 2, CRC-32C, record count =
 * lastOffsetDelta + 1, and (see `verifyRecords`) every record's lengths, with offset deltas 0..n-1,
 * so that no valid checksum hides a batch that consumers cannot read. Answers its header.
 *
 * @throws ProtocolError CORRUPT (size or checksum: Kafka's CORRUPT_MESSAGE), UNSUPPORTED_VERSION
 *   (magic 0 or 1: UNSUPPORTED_FOR_MESSAGE_FORMAT), MALFORMED (valid checksum, invalid content:
 *   INVALID_RECORD), UNSUPPORTED_COMPRESSION, TOO_LARGE (decompressed size above the limit)
 */
export function validateBatch(bytes: Uint8Array, options: ValidateBatchOptions = {}): BatchHeader {
  const sizeInBytes = checkBatchStart(bytes, 0)
  if (sizeInBytes !== bytes.length) {
    const message = `the batch claims ${sizeInBytes} bytes, ${bytes.length} are present`
    throw new ProtocolError('KFK_PROTOCOL_CORRUPT', message)
  }
  checkChecksum(bytes)
  const header = readBatchHeader(bytes)
  if (header.recordCount !== header.lastOffsetDelta + 1) {
    const { recordCount, lastOffsetDelta } = header
    const message = `${recordCount} records, but a last offset delta of ${lastOffsetDelta}`
    throw new ProtocolError('KFK_PROTOCOL_MALFORMED', message)
  }
  const verify = options.verifyRecords ?? 'uncompressed'
  if (verify === 'none' || (verify === 'uncompressed' && header.compression !== 'none')) {
    return header
  }
  const limit = options.maxDecompressedBytes ?? DEFAULT_MAX_DECOMPRESSED_BYTES
  verifyDenseRecords(payloadOf(bytes, header, limit), header)
  return header
}

/** Walks the records: all lengths, offset deltas 0..n-1, timestamps, and nothing after the last. */
function verifyDenseRecords(payload: Payload, header: BatchHeader): void {
  const cursor = new RecordCursor(payload.bytes, payload.start, payload.end)
  const { recordCount, baseTimestamp } = header
  // Else a small timestamp delta could lead beyond what numbers hold exactly.
  const skips = Math.abs(baseTimestamp) < plainTimestampsBelow
  for (let index = 0; index < recordCount; index++) {
    if (skips) index = skipPlainRecords(payload, cursor, [index, recordCount])
    if (index === recordCount) break
    cursor.next()
    if (cursor.offsetDelta !== index) {
      const message = `record ${index} has offset delta ${cursor.offsetDelta}`
      throw new ProtocolError('KFK_PROTOCOL_MALFORMED', message)
    }
    checkTimestamp(baseTimestamp, cursor.timestampDelta)
  }
  checkUsedUp(cursor)
}

function checkTimestamp(baseTimestamp: number, timestampDelta: number): void {
  if (!Number.isSafeInteger(baseTimestamp + timestampDelta)) {
    throw new ProtocolError('KFK_PROTOCOL_MALFORMED', 'a record timestamp is beyond 2^53 - 1')
  }
}

function checkUsedUp(cursor: RecordCursor): void {
  if (cursor.atEnd) return
  throw new ProtocolError('KFK_PROTOCOL_MALFORMED', 'bytes follow the last record of a batch')
}

/**
 * Steps over the records of a stored batch, and checks besides what holds in all of them: offset
 * deltas ascend within [0, lastOffsetDelta] (compaction leaves gaps), times are safe integers, and
 * nothing follows the last record.
 */
export class BatchCursor extends RecordCursor {
  private readonly payload: Payload
  private readonly header: BatchHeader
  private left: number

  constructor(payload: Payload, header: BatchHeader) {
    super(payload.bytes, payload.start, payload.end)
    this.payload = payload
    this.header = header
    this.left = header.recordCount
    this.offsetDelta = -1
  }

  /** Steps over one record; false behind the last. ProtocolError MALFORMED. */
  advance(): boolean {
    if (this.left === 0) {
      checkUsedUp(this)
      return false
    }
    const previous = this.offsetDelta
    this.left--
    this.next()
    if (this.offsetDelta <= previous || this.offsetDelta > this.header.lastOffsetDelta) {
      const message = `offset delta ${this.offsetDelta} after ${previous}`
      throw new ProtocolError('KFK_PROTOCOL_MALFORMED', message)
    }
    checkTimestamp(this.header.baseTimestamp, this.timestampDelta)
    return true
  }

  /** Steps over all of them and notes where they are. ProtocolError MALFORMED. */
  noteAll(places: RecordPlaces): void {
    const { recordCount, lastOffsetDelta, baseTimestamp } = this.header
    const numbers = places.reserve(recordCount)
    // Deltas that are not the numbers of the records are for `advance`.
    const isDense = lastOffsetDelta === recordCount - 1
    const skips = isDense && Math.abs(baseTimestamp) < plainTimestampsBelow
    for (let index = 0; ; index++) {
      if (skips && this.offsetDelta === index - 1) {
        index = skipPlainRecords(this.payload, this, [index, recordCount], numbers)
        this.offsetDelta = index - 1
        this.left = recordCount - index
      }
      if (!this.advance()) return
      const place = index * PLACE_NUMBERS
      numbers[place] = this.recordAt
      numbers[place + 1] = this.offsetDelta
      numbers[place + 2] = this.valueAt
      numbers[place + 3] = this.valueLength
    }
  }
}

/** Calls `visit` after each step of a {@link BatchCursor}. */
export function walkRecords(
  payload: Payload,
  header: BatchHeader,
  visit: (cursor: RecordCursor) => void,
): void {
  const cursor = new BatchCursor(payload, header)
  while (cursor.advance()) visit(cursor)
}

/** Options of {@link decodeRecords}. */
export interface DecodeRecordsOptions {
  /** Verify the CRC-32C first. Default true. */
  readonly verifyChecksum?: boolean
  /** What a compressed batch may expand to. Default 64 MiB. */
  readonly maxDecompressedBytes?: number
}

/**
 * Opens one batch (the first in `batch`), decompressed when need be, and notes where its records
 * lie. All lengths are checked here: what is made of the places can be read without an error.
 *
 * @throws ProtocolError CORRUPT, MALFORMED, UNSUPPORTED_VERSION, UNSUPPORTED_COMPRESSION, TOO_LARGE
 */
export function openBatch(
  batch: Uint8Array,
  places: RecordPlaces,
  options: DecodeRecordsOptions = {},
): RecordSource {
  const header = readBatchHeader(batch)
  const whole = wholeBatch(batch, 0, header.sizeInBytes)
  if (options.verifyChecksum !== false) checkChecksum(whole)
  const limit = options.maxDecompressedBytes ?? DEFAULT_MAX_DECOMPRESSED_BYTES
  const payload = payloadOf(whole, header, limit)
  new BatchCursor(payload, header).noteAll(places)
  return new RecordSource(payload.bytes, header)
}

/** For as long as the records of one batch are made. */
const scratch = new RecordPlaces()

/**
 * The records of one batch (the first in `batch`), as lazy views: keys, values and headers are made
 * when they are read, and share memory with `batch` (or with what it decompressed to). All lengths
 * are checked here, so reading a record never throws. Compacted batches (gaps, or no record at all)
 * are read too.
 *
 * @throws ProtocolError CORRUPT, MALFORMED, UNSUPPORTED_VERSION, UNSUPPORTED_COMPRESSION, TOO_LARGE
 */
export function decodeRecords(
  batch: Uint8Array,
  options: DecodeRecordsOptions = {},
): DecodedRecord[] {
  const source = openBatch(batch, scratch, options)
  const { numbers } = scratch
  // Its length is known, and bounded by the bytes that are there.
  const records = new Array<DecodedRecord>(source.recordCount)
  for (let index = 0; index < records.length; index++) {
    records[index] = new LazyRecord(source, numbers, index * PLACE_NUMBERS)
  }
  return records
}
