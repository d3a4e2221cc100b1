export { apiByKey, apis } from './api-keys.js'
export {
  NEVER_FLEXIBLE,
  defineApi,
  type Api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from './api.js'
export type {
  FrameDecoder,
  FrameDecoderOptions,
  FrameMemory,
  RequestHeader,
  WireCodec,
} from './codec.js'
export { createFrameDecoder } from './frame-decoder.js'
export { errorByCode, errorCodes, type ErrorCode, type ErrorName } from './error-codes.js'
export { ProtocolError, type ProtocolErrorCode } from './errors.js'
export {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
  decodeConsumerAssignment,
  decodeConsumerSubscription,
  encodeConsumerAssignment,
  encodeConsumerSubscription,
  type ConsumerAssignment,
  type ConsumerSubscription,
} from './messages/consumer-protocol.js'
export {
  consumerGroupCurrentMemberAssignmentKey,
  consumerGroupCurrentMemberAssignmentValue,
  consumerGroupMemberMetadataKey,
  consumerGroupMemberMetadataValue,
  consumerGroupMetadataKey,
  consumerGroupMetadataValue,
  consumerGroupPartitionMetadataKey,
  consumerGroupRegularExpressionKey,
  consumerGroupRegularExpressionValue,
  consumerGroupTargetAssignmentMemberKey,
  consumerGroupTargetAssignmentMemberValue,
  consumerGroupTargetAssignmentMetadataKey,
  consumerGroupTargetAssignmentMetadataValue,
} from './messages/consumer-group-records.js'
export {
  groupMetadataKey,
  groupMetadataValue,
  offsetCommitKey,
  offsetCommitValue,
} from './messages/offsets-topic.js'
export { transactionLogKey, transactionLogValue } from './messages/transaction-topic.js'
export { decodeVersioned, encodeVersioned, peekVersion, type Versioned } from './versioned.js'
export {
  MAX_REQUEST_ELEMENTS,
  MAX_RESPONSE_ELEMENTS,
  createKafkaCodec,
  kafkaCodec,
  type CodecOptions,
} from './kafka-codec.js'
export { createMsgpackCodec, msgpackCodec } from './msgpack-codec.js'
export {
  INT64_MAX,
  ZERO_UUID,
  array,
  bool,
  bytes,
  float64,
  int16,
  int32,
  int64,
  int8,
  offset,
  records,
  string,
  struct,
  timestamp,
  uint16,
  uuid,
  type ArraySchema,
  type Encodable,
  type FieldOptions,
  type Infer,
  type Kind,
  type Schema,
  type SchemaFields,
  type StructSchema,
} from './schema.js'
export type { ApartCompression, CompressionCodec, CompressionType } from './compression.js'
export {
  DEFAULT_MAX_DECOMPRESSED_BYTES,
  compressionCodecs,
  prepareCompression,
} from './compression-codecs.js'
export {
  batches,
  checkBatchHeader,
  readBatchHeader,
  type BatchHeader,
  type TimestampType,
} from './records/batch-header.js'
export {
  decodeRecords,
  openBatch,
  validateBatch,
  type DecodeRecordsOptions,
  type ValidateBatchOptions,
} from './records/batch-reader.js'
export { setProducerState, stampBatch, stampLogAppendTime } from './records/batch-stamps.js'
export {
  RecordBatchBuilder,
  encodeRecordBatch,
  type RecordBatchBuilderOptions,
  type RecordBatchOptions,
  type RecordInput,
} from './records/batch-writer.js'
export { AbortedTransactions, type AbortedTransaction } from './records/aborted-transactions.js'
export {
  readControlRecord,
  writeControlRecord,
  type ControlRecord,
  type ControlType,
} from './records/control-records.js'
export { crc32c } from './records/crc32c.js'
export {
  PlacedRecord,
  type DecodedRecord,
  type RecordHeader,
  type RecordSource,
} from './records/decoded-record.js'
export { BATCH_HEADER_BYTES } from './records/layout.js'
export { PLACE_NUMBERS, RecordPlaces } from './records/record-places.js'
export {
  recordBatchFormat,
  type RecordBatchProducer,
  type RecordBatchSummary,
  type RecordSummary,
} from './records/record-batch-format.js'
