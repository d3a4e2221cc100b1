import {
  BATCH_HEADER_BYTES,
  type BatchHeader,
  checkBatchHeader,
  errorCodes,
  ProtocolError,
  readBatchHeader,
  stampLogAppendTime,
  validateBatch,
} from '@kfk/protocol'
import { toErrorCode } from '../error-mapping.js'
import type { AppendRules, Refusal } from './append-rules.js'
import { decompressedMax, refusedRecords, stampedByClient } from './record-validation.js'
import { recompressed, RewrittenBatch } from './rewritten-batch.js'

/**
 * Checks one batch of a client as Kafka's LogValidator does: whole, sound, within the limits, and
 * nothing in it that only brokers may write. Compresses it anew or stamps the append time into it
 * when the topic wants that; the answer holds the bytes when they are not those that were given.
 */
export function admitClientBatch(
  bytes: Uint8Array,
  rules: AppendRules,
  nowMs: number,
): BatchHeader | RewrittenBatch | Refusal {
  let header: BatchHeader
  try {
    const sizeInBytes = checkBatchHeader(bytes, 0)
    if (sizeInBytes !== bytes.length) {
      if (sizeInBytes < bytes.length && !anotherFollows(bytes, sizeInBytes)) {
        // What is no batch is dropped, as readers drop it.
        const admitted = admitClientBatch(bytes.subarray(0, sizeInBytes), rules, nowMs)
        if ('errorCode' in admitted || 'bytes' in admitted) return admitted
        return new RewrittenBatch(bytes.subarray(0, sizeInBytes), admitted)
      }
      return { ...invalid('a partition takes exactly one record batch of a request'), early: true }
    }
    const tooLarge = sizeRefusal(sizeInBytes, rules)
    if (tooLarge !== undefined) return tooLarge
    // Records of a compressed batch are looked at only where compaction must read them later.
    header = validateBatch(bytes, {
      verifyRecords: rules.compacted || rules.compression !== undefined ? 'all' : 'uncompressed',
      maxDecompressedBytes: decompressedMax(rules),
    })
    const refusal = contentRefusal(header, rules) ?? refusedRecords(bytes, header, rules, nowMs)
    if (refusal !== undefined) return refusal
  } catch (error) {
    return unreadable(error, bytes)
  }
  const { compression } = rules
  if (compression !== undefined && compression.type !== header.compression) {
    const rewritten = recompressed({ bytes, header }, compression, decompressedMax(rules))
    const tooLarge = sizeRefusal(rewritten.bytes.length, rules)
    if (tooLarge !== undefined) return tooLarge
    if (!rules.logAppendTime) return rewritten
    stampLogAppendTime(rewritten.bytes, nowMs)
    return new RewrittenBatch(rewritten.bytes)
  }
  if (!rules.logAppendTime) return header
  stampLogAppendTime(bytes, nowMs)
  return readBatchHeader(bytes)
}

/** Whether the bytes from `position` on are a whole batch, or claim to be one. */
function anotherFollows(bytes: Uint8Array, position: number): boolean {
  if (bytes.length - position < BATCH_HEADER_BYTES) return false
  return position + checkBatchHeader(bytes, position) <= bytes.length
}

function unreadable(error: unknown, bytes: Uint8Array): Refusal {
  const errorMessage = error instanceof Error ? error.message : String(error)
  if (error instanceof ProtocolError && error.code === 'KFK_PROTOCOL_UNSUPPORTED_VERSION') {
    // Clients that speak versions of Produce that are served have no older record formats.
    return { ...invalid(errorMessage), early: true }
  }
  const errorCode = toErrorCode(error)
  const early = errorCode === errorCodes.CORRUPT_MESSAGE || bytes.length < BATCH_HEADER_BYTES
  return { errorCode, errorMessage, early }
}

function sizeRefusal(sizeInBytes: number, rules: AppendRules): Refusal | undefined {
  if (sizeInBytes > rules.maxMessageBytes) {
    return {
      errorCode: errorCodes.MESSAGE_TOO_LARGE,
      errorMessage: `A batch of ${sizeInBytes} bytes; max.message.bytes is ${rules.maxMessageBytes}`,
      early: true,
    }
  }
  if (sizeInBytes > rules.segmentBytes) {
    return {
      errorCode: errorCodes.RECORD_LIST_TOO_LARGE,
      errorMessage: `A batch of ${sizeInBytes} bytes; segment.bytes is ${rules.segmentBytes}`,
      early: true,
    }
  }
  return undefined
}

function contentRefusal(header: BatchHeader, rules: AppendRules): Refusal | undefined {
  if (header.isControl) return invalid('Clients are not allowed to write control records')
  if (header.baseOffset !== 0) {
    return invalid(`The base offset of a produced batch is 0, not ${header.baseOffset}`)
  }
  if (header.recordCount === 0) return invalid('The record batch has no records')
  if (header.hasDeleteHorizon) return invalid('Clients are not allowed to set a delete horizon')
  if (header.timestampType === 'LogAppendTime' && !rules.logAppendTime) {
    return {
      errorCode: errorCodes.INVALID_TIMESTAMP,
      errorMessage: stampedByClient,
    }
  }
  if (header.producerId >= 0n && header.baseSequence < 0) {
    return invalid(
      `Invalid sequence number ${header.baseSequence} with producer id ${header.producerId}`,
    )
  }
  if (header.isTransactional && header.producerId < 0n) {
    return invalid('A transactional batch has to name its producer')
  }
  return undefined
}

function invalid(errorMessage: string): Refusal {
  return { errorCode: errorCodes.INVALID_RECORD, errorMessage }
}
