import {
  type BatchHeader,
  checkBatchHeader,
  decodeRecords,
  errorCodes,
  readBatchHeader,
  stampLogAppendTime,
  validateBatch,
} from '@kfk/protocol'
import type { ConfigValues } from '../context.js'
import { toErrorCode } from '../error-mapping.js'

/** What a topic's configs demand of appended batches, as Kafka names them. */
export interface AppendRules {
  readonly maxMessageBytes: number
  readonly segmentBytes: number
  /** Compaction needs keys. */
  readonly compacted: boolean
  readonly logAppendTime: boolean
  readonly timestampBeforeMaxMs: number
  readonly timestampAfterMaxMs: number
}

/** Reads them out of a topic's configs. */
export function appendRules(config: ConfigValues): AppendRules {
  return {
    maxMessageBytes: config.number('max.message.bytes'),
    segmentBytes: config.number('segment.bytes'),
    compacted: config.string('cleanup.policy').includes('compact'),
    logAppendTime: config.string('message.timestamp.type') === 'LogAppendTime',
    timestampBeforeMaxMs: config.long('message.timestamp.before.max.ms'),
    timestampAfterMaxMs: config.long('message.timestamp.after.max.ms'),
  }
}

/** Why a batch is not taken. */
export interface Refusal {
  readonly errorCode: number
  readonly errorMessage: string
  /** The records at fault (KIP-467), by their index within the batch. */
  readonly recordErrors?: readonly {
    readonly batchIndex: number
    readonly batchIndexErrorMessage: string
  }[]
}

/** A client may cause no more decompressed bytes than this times the limit of a message. */
const expansionMax = 100

/**
 * Checks one batch of a client as Kafka's LogValidator does: whole, sound, within the limits, and
 * nothing in it that only brokers may write. Stamps the append time into it when the topic wants
 * that.
 */
export function admitClientBatch(
  bytes: Uint8Array,
  rules: AppendRules,
  nowMs: number,
): BatchHeader | Refusal {
  let header: BatchHeader
  try {
    const sizeInBytes = checkBatchHeader(bytes, 0)
    if (sizeInBytes < bytes.length) {
      return invalid('a partition takes exactly one record batch of a request')
    }
    const tooLarge = sizeRefusal(sizeInBytes, rules)
    if (tooLarge !== undefined) return tooLarge
    // Records of a compressed batch are looked at only where compaction must read them later.
    header = validateBatch(bytes, {
      verifyRecords: rules.compacted ? 'all' : 'uncompressed',
      maxDecompressedBytes: decompressedMax(rules),
    })
  } catch (error) {
    return {
      errorCode: toErrorCode(error),
      errorMessage: error instanceof Error ? error.message : String(error),
    }
  }
  const refusal =
    contentRefusal(header) ??
    timestampRefusal(header, rules, nowMs) ??
    (rules.compacted ? keylessRefusal(bytes, rules) : undefined)
  if (refusal !== undefined) return refusal
  if (!rules.logAppendTime) return header
  stampLogAppendTime(bytes, nowMs)
  return readBatchHeader(bytes)
}

function decompressedMax(rules: AppendRules): number {
  return Math.max(1024 * 1024, expansionMax * rules.maxMessageBytes)
}

function sizeRefusal(sizeInBytes: number, rules: AppendRules): Refusal | undefined {
  if (sizeInBytes > rules.maxMessageBytes) {
    return {
      errorCode: errorCodes.MESSAGE_TOO_LARGE,
      errorMessage: `A batch of ${sizeInBytes} bytes; max.message.bytes is ${rules.maxMessageBytes}`,
    }
  }
  if (sizeInBytes > rules.segmentBytes) {
    return {
      errorCode: errorCodes.RECORD_LIST_TOO_LARGE,
      errorMessage: `A batch of ${sizeInBytes} bytes; segment.bytes is ${rules.segmentBytes}`,
    }
  }
  return undefined
}

function contentRefusal(header: BatchHeader): Refusal | undefined {
  if (header.isControl) return invalid('Clients are not allowed to write control records')
  if (header.baseOffset !== 0) {
    return invalid(`The base offset of a produced batch is 0, not ${header.baseOffset}`)
  }
  if (header.recordCount === 0) return invalid('The record batch has no records')
  if (header.hasDeleteHorizon) return invalid('Clients are not allowed to set a delete horizon')
  if (header.producerId >= 0n && header.baseSequence < 0) {
    return invalid(
      `Invalid sequence number ${header.baseSequence} with producer id ${header.producerId}`,
    )
  }
  if (header.isTransactional) {
    return {
      errorCode: errorCodes.INVALID_TXN_STATE,
      errorMessage: 'This broker does not serve transactions',
    }
  }
  return undefined
}

function timestampRefusal(
  header: BatchHeader,
  rules: AppendRules,
  nowMs: number,
): Refusal | undefined {
  const timestamp = header.maxTimestamp
  if (rules.logAppendTime || timestamp === -1) return undefined
  if (timestamp - nowMs > rules.timestampAfterMaxMs) {
    return badTimestamp(timestamp, 'after', rules.timestampAfterMaxMs)
  }
  // The largest timestamp stands for all: records of one batch are made within moments of each
  // other.
  if (nowMs - timestamp > rules.timestampBeforeMaxMs) {
    return badTimestamp(timestamp, 'before', rules.timestampBeforeMaxMs)
  }
  return undefined
}

function badTimestamp(timestamp: number, side: 'before' | 'after', maxMs: number): Refusal {
  return {
    errorCode: errorCodes.INVALID_TIMESTAMP,
    errorMessage:
      `Timestamp ${timestamp} is too far ${side} the broker's clock; ` +
      `message.timestamp.${side}.max.ms is ${maxMs}`,
  }
}

function keylessRefusal(bytes: Uint8Array, rules: AppendRules): Refusal | undefined {
  const records = decodeRecords(bytes, {
    verifyChecksum: false,
    maxDecompressedBytes: decompressedMax(rules),
  })
  const message = 'A compacted topic does not accept a record without a key'
  const recordErrors = records.flatMap((record, batchIndex) =>
    record.key === null ? [{ batchIndex, batchIndexErrorMessage: message }] : [],
  )
  if (recordErrors.length === 0) return undefined
  return { ...invalid('One or more records have been rejected'), recordErrors }
}

function invalid(errorMessage: string): Refusal {
  return { errorCode: errorCodes.INVALID_RECORD, errorMessage }
}
