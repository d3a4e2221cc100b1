import { StoreError } from '@kfk/log-store'
import { ProtocolError, errorCodes } from '@kfk/protocol'

const byStoreCode: Readonly<Record<string, number>> = {
  KFK_STORE_OFFSET_OUT_OF_RANGE: errorCodes.OFFSET_OUT_OF_RANGE,
  KFK_STORE_CORRUPT: errorCodes.CORRUPT_MESSAGE,
  KFK_STORE_TOO_LARGE: errorCodes.RECORD_LIST_TOO_LARGE,
  // The rest are states of the disk or of the partition: clients retry after a look at the
  // metadata.
  KFK_STORE_NOT_FOUND: errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
  KFK_STORE_CLOSED: errorCodes.NOT_LEADER_OR_FOLLOWER,
  KFK_STORE_LOCKED: errorCodes.KAFKA_STORAGE_ERROR,
  KFK_STORE_IO: errorCodes.KAFKA_STORAGE_ERROR,
  KFK_STORE_NO_SPACE: errorCodes.KAFKA_STORAGE_ERROR,
  // Done, as far as it was asked for, and not yet known to last: as when replicas take too long.
  KFK_STORE_DELAYED: errorCodes.REQUEST_TIMED_OUT,
}

const byProtocolCode: Readonly<Record<string, number>> = {
  KFK_PROTOCOL_CORRUPT: errorCodes.CORRUPT_MESSAGE,
  KFK_PROTOCOL_MALFORMED: errorCodes.INVALID_RECORD,
  KFK_PROTOCOL_TOO_LARGE: errorCodes.MESSAGE_TOO_LARGE,
  KFK_PROTOCOL_UNSUPPORTED_VERSION: errorCodes.UNSUPPORTED_FOR_MESSAGE_FORMAT,
  KFK_PROTOCOL_UNSUPPORTED_COMPRESSION: errorCodes.UNSUPPORTED_COMPRESSION_TYPE,
}

/**
 * The only place where thrown errors become Kafka's error codes. Unforeseen ones are
 * UNKNOWN_SERVER_ERROR.
 */
export function toErrorCode(error: unknown): number {
  if (error instanceof StoreError) {
    return byStoreCode[error.code] ?? errorCodes.UNKNOWN_SERVER_ERROR
  }
  if (error instanceof ProtocolError) {
    return byProtocolCode[error.code] ?? errorCodes.UNKNOWN_SERVER_ERROR
  }
  return errorCodes.UNKNOWN_SERVER_ERROR
}
