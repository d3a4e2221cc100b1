/**
 * Record batch v2 (magic 2): every byte position, in one place. All integers are big-endian.
 *
 * ```
 *   0  int64  baseOffset             | not covered by the CRC: a broker stamps
 *   8  int32  batchLength            |   base offset and leader epoch in place,
 *  12  int32  partitionLeaderEpoch   |   a stored batch is otherwise never touched
 *  16  int8   magic = 2              |
 *  17  uint32 crc (CRC-32C of [21, end))
 *  21  int16  attributes             bits 0-2 compression, 3 timestamp type, 4 transactional,
 *                                    5 control, 6 delete horizon (KIP-534)
 *  23  int32  lastOffsetDelta
 *  27  int64  baseTimestamp          of the first record (the delete horizon when bit 6 is set)
 *  35  int64  maxTimestamp
 *  43  int64  producerId             -1: none
 *  51  int16  producerEpoch          -1: none
 *  53  int32  baseSequence           -1: none
 *  57  int32  recordCount
 *  61  records                       (one compressed block when a compression type is set)
 *
 * record: varint length | int8 attributes (0) | varlong timestampDelta | varint offsetDelta
 *         | varint keyLength (-1: null) | key | varint valueLength (-1: null) | value
 *         | varint headerCount | { varint keyLength | key | varint valueLength | value }*
 * ```
 * Varints are zigzag encoded, at most 5 bytes (varint) or 10 bytes (varlong).
 * `batchLength` counts what follows it, so a whole batch is `batchLength + 12` bytes.
 */
export const BASE_OFFSET_AT = 0
export const BATCH_LENGTH_AT = 8
export const LEADER_EPOCH_AT = 12
export const MAGIC_AT = 16
export const CRC_AT = 17
export const ATTRIBUTES_AT = 21
export const LAST_OFFSET_DELTA_AT = 23
export const BASE_TIMESTAMP_AT = 27
export const MAX_TIMESTAMP_AT = 35
export const PRODUCER_ID_AT = 43
export const PRODUCER_EPOCH_AT = 51
export const BASE_SEQUENCE_AT = 53
export const RECORD_COUNT_AT = 57
export const RECORDS_AT = 61

/** Bytes of a batch header: everything before the records. */
export const BATCH_HEADER_BYTES = RECORDS_AT
/** Bytes before what `batchLength` counts: base offset and the length itself. */
export const LOG_OVERHEAD_BYTES = 12
/** The smallest `batchLength`: a header without records. */
export const MIN_BATCH_LENGTH = BATCH_HEADER_BYTES - LOG_OVERHEAD_BYTES
/** The CRC covers everything from here. */
export const CRC_START = ATTRIBUTES_AT

/** The only batch format written or read; 0 and 1 are the message sets of Kafka before 0.11. */
export const MAGIC_V2 = 2

export const COMPRESSION_MASK = 0x07
export const TIMESTAMP_TYPE_BIT = 0x08
export const TRANSACTIONAL_BIT = 0x10
export const CONTROL_BIT = 0x20
export const DELETE_HORIZON_BIT = 0x40

/**
 * The smallest record: length, attributes, four one-byte varints and a header count.
 * A claimed record count above payload / 7 is impossible, which bounds what a count may allocate.
 */
export const MIN_RECORD_BYTES = 7
/** The smallest record header: two one-byte lengths. */
export const MIN_HEADER_BYTES = 2

export const MAX_VARINT_BYTES = 5
export const MAX_VARLONG_BYTES = 10
