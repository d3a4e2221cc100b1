import { errorByCode } from '@kfk/protocol'
import { errorKinds } from './idempotence-state.js'

/**
 * What to do with a batch after the broker's answer:
 * - `taken`: the broker has it.
 * - `retry`: send it again as it is.
 * - `restart`: the broker did not take it, and will take nothing of this numbering: start over
 *   under the next epoch.
 * - `renew`: the producer id itself is refused: start over under another one.
 * - `split`: it is too large: send its records in smaller ones (KIP-126).
 * - `fail`: sending it again would not help.
 */
export type Verdict = 'taken' | 'retry' | 'restart' | 'renew' | 'split' | 'fail'

export const messageTooLarge = 10

export interface Answer {
  readonly errorCode: number
  readonly idempotent: boolean
  readonly recordCount: number
  /** No older numbered batch of the partition is unsettled. */
  readonly isFirstOutstanding: boolean
}

/** The retry matrix of KIP-98 and KIP-360, for producers without transactions. */
export function judge(answer: Answer): Verdict {
  const { errorCode, idempotent, isFirstOutstanding } = answer
  switch (errorCode) {
    case 0:
    case errorKinds.duplicateSequence:
      return 'taken'
    case errorKinds.outOfOrderSequence:
    case errorKinds.unknownProducerId:
      if (!idempotent) return 'fail'
      // The hole may be an older batch that is itself about to be sent again.
      return isFirstOutstanding ? 'restart' : 'retry'
    case errorKinds.invalidProducerEpoch:
    case errorKinds.producerFenced:
      if (!idempotent) return 'fail'
      return isFirstOutstanding ? 'renew' : 'retry'
    case messageTooLarge:
      return answer.recordCount > 1 ? 'split' : 'fail'
    default:
      return errorByCode(errorCode).retriable ? 'retry' : 'fail'
  }
}

/** Errors that say that the client's picture of topic and leaders is old. */
const staleMetadataCodes: ReadonlySet<number> = new Set([
  3, // UNKNOWN_TOPIC_OR_PARTITION
  5, // LEADER_NOT_AVAILABLE
  6, // NOT_LEADER_OR_FOLLOWER
  56, // KAFKA_STORAGE_ERROR
  74, // FENCED_LEADER_EPOCH
  75, // UNKNOWN_LEADER_EPOCH
  100, // UNKNOWN_TOPIC_ID
  103, // INCONSISTENT_TOPIC_ID
])

export function isStaleMetadata(errorCode: number): boolean {
  return staleMetadataCodes.has(errorCode)
}
