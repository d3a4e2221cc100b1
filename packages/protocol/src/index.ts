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
export type { FrameDecoder, FrameDecoderOptions, RequestHeader, WireCodec } from './codec.js'
export { errorByCode, errorCodes, type ErrorCode, type ErrorName } from './error-codes.js'
export { ProtocolError, type ProtocolErrorCode } from './errors.js'
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
