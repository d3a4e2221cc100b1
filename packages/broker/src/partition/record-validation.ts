import { type BatchHeader, decodeRecords, errorCodes } from '@kfk/protocol'
import type { AppendRules, RecordError, Refusal } from './append-rules.js'

/** A client may cause no more decompressed bytes than this times the limit of a message. */
const expansionMax = 100

/** What a batch may expand to. */
export function decompressedMax(rules: AppendRules): number {
  return Math.max(1024 * 1024, expansionMax * rules.maxMessageBytes)
}

/** A mark that producers do not set. */
export const stampedByClient = 'Only the broker says that a timestamp is the time of the append'

/** A limit that no timestamp exceeds. */
const unlimited = Number.MAX_SAFE_INTEGER

/**
 * What is wrong with single records of a batch: no key where compaction needs one, a time outside
 * the limits. All that are at fault are told (KIP-467). Looks at records only when the topic's
 * configs or the batch's largest timestamp give reason to.
 */
export function refusedRecords(
  bytes: Uint8Array,
  header: BatchHeader,
  rules: AppendRules,
  nowMs: number,
): Refusal | undefined {
  const { timestampAfterMaxMs, timestampBeforeMaxMs } = rules
  const timed =
    rules.logAppendTime ||
    (timestampBeforeMaxMs >= unlimited && header.maxTimestamp - nowMs <= timestampAfterMaxMs)
  const alreadyStamped = rules.logAppendTime && header.timestampType === 'LogAppendTime'
  if (timed && !rules.compacted && !alreadyStamped) return undefined
  const recordErrors: RecordError[] = []
  let badTimes = false
  const records = decodeRecords(bytes, {
    verifyChecksum: false,
    maxDecompressedBytes: decompressedMax(rules),
  })
  for (const [batchIndex, { key, timestamp }] of records.entries()) {
    if (rules.compacted && key === null) {
      const batchIndexErrorMessage = 'A compacted topic does not accept a record without a key'
      recordErrors.push({ batchIndex, batchIndexErrorMessage })
      continue
    }
    const problem = alreadyStamped
      ? stampedByClient
      : timed
        ? undefined
        : timestampProblem(timestamp, rules, nowMs)
    if (problem === undefined) continue
    badTimes = true
    recordErrors.push({ batchIndex, batchIndexErrorMessage: problem })
  }
  if (recordErrors.length === 0) return undefined
  return {
    errorCode: badTimes ? errorCodes.INVALID_TIMESTAMP : errorCodes.INVALID_RECORD,
    errorMessage:
      'One or more records have been rejected: ' + recordErrors[0]!.batchIndexErrorMessage,
    recordErrors,
  }
}

function timestampProblem(
  timestamp: number,
  rules: AppendRules,
  nowMs: number,
): string | undefined {
  if (timestamp === -1) return undefined
  const aheadMs = timestamp - nowMs
  const side = aheadMs > 0 ? 'after' : 'before'
  const maxMs = aheadMs > 0 ? rules.timestampAfterMaxMs : rules.timestampBeforeMaxMs
  if (Math.abs(aheadMs) <= maxMs) return undefined
  return (
    `Timestamp ${timestamp} is too far ${side} the broker's clock; ` +
    `message.timestamp.${side}.max.ms is ${maxMs}`
  )
}
