import type { ProducerEntry } from '@kfk/log-store'
import { type BatchHeader, errorCodes } from '@kfk/protocol'
import type { TransactionMarker, Verification } from '../context.js'
import type { Refusal } from './append-rules.js'

/** Verifications under way at once, in one partition; more than that are refused. */
const MAX_VERIFICATIONS = 10_000

/**
 * Which producers were found to have this partition in their transaction. Without it no batch
 * begins a transaction here, so that none is left open that its coordinator does not know of
 * (KIP-890).
 */
export class Verifications {
  readonly #open = new Map<bigint, Verification>()

  /** Those of one producer share one. */
  begin(producerId: bigint): Verification {
    let verification = this.#open.get(producerId)
    if (verification === undefined) {
      verification = { producerId }
      if (this.#open.size < MAX_VERIFICATIONS) this.#open.set(producerId, verification)
    }
    return verification
  }

  drop(producerId: bigint, verification: Verification): void {
    if (this.#open.get(producerId) === verification) this.#open.delete(producerId)
  }

  /** A transaction of the producer has ended: what was asked before that is worth nothing. */
  forget(producerId: bigint): void {
    this.#open.delete(producerId)
  }

  /** Why a batch of an idempotent or transactional producer may not be appended. */
  refusal(
    entry: ProducerEntry | undefined,
    batch: Pick<BatchHeader, 'isTransactional' | 'producerId' | 'producerEpoch'>,
    verified: Verification | undefined,
  ): Refusal | undefined {
    if (!batch.isTransactional) {
      if (entry === undefined || entry.transactionFirstOffset < 0) return undefined
      return {
        errorCode: errorCodes.INVALID_TXN_STATE,
        errorMessage: `Producer ${batch.producerId} has a transaction open here: it must write in it`,
      }
    }
    if (isOpenUnder(entry, batch.producerEpoch)) return undefined
    if (verified !== undefined && this.#open.get(batch.producerId) === verified) {
      this.#open.delete(batch.producerId)
      return undefined
    }
    return {
      errorCode: errorCodes.INVALID_TXN_STATE,
      errorMessage: 'Record was not part of an ongoing transaction',
    }
  }
}

/** Whether the producer has a transaction open, under this very epoch. */
export function isOpenUnder(entry: ProducerEntry | undefined, epoch: number): boolean {
  return entry !== undefined && entry.transactionFirstOffset >= 0 && entry.epoch === epoch
}

/** Why a marker may not be appended: a later producer, or a later coordinator, has been here. */
export function markerRefusal(
  entry: ProducerEntry | undefined,
  marker: TransactionMarker,
): Refusal | undefined {
  if (entry === undefined) return undefined
  const { producerId, producerEpoch, coordinatorEpoch, transactionVersion } = marker
  // It is one above that of the records that it ends: these are of the next transaction.
  const isLate = transactionVersion >= 2 && isOpenUnder(entry, producerEpoch)
  if (producerEpoch < entry.epoch || isLate) {
    return {
      errorCode: errorCodes.INVALID_PRODUCER_EPOCH,
      errorMessage: `Producer ${producerId} has epoch ${entry.epoch}, the marker ${producerEpoch}`,
    }
  }
  if (coordinatorEpoch >= entry.coordinatorEpoch) return undefined
  return {
    errorCode: errorCodes.TRANSACTION_COORDINATOR_FENCED,
    errorMessage:
      `The last marker of producer ${producerId} is of coordinator epoch ` +
      `${entry.coordinatorEpoch}, this one of ${coordinatorEpoch}`,
  }
}
