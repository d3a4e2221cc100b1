import type { ProducerBatch, ProducerEntry } from '@kfk/log-store'
import { errorCodes } from '@kfk/protocol'

const sequenceMax = 0x7fffffff

/** The producer's part of a batch header. */
export interface SequencedBatch {
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly recordCount: number
}

/** Whether a batch is the next of its producer. `duplicate`: it is in the log already, there. */
export type SequenceVerdict =
  'append' | { duplicate: ProducerBatch } | { errorCode: number; errorMessage: string }

/**
 * Judges a batch by what the log says of its producer, as Kafka's ProducerAppendInfo: epoch first,
 * then duplicates, then the sequence. So a batch that is sent twice is stored once, and none is
 * stored before its predecessor.
 */
export function checkSequence(
  entry: ProducerEntry | undefined,
  batch: SequencedBatch,
): SequenceVerdict {
  // An unknown producer may begin anywhere: what it sent before may have been deleted or expired
  // (KIP-360).
  if (entry === undefined) return 'append'
  if (batch.producerEpoch < entry.epoch) return staleEpoch(batch, entry)
  if (batch.producerEpoch > entry.epoch) {
    return batch.baseSequence === 0 ? 'append' : outOfOrder(batch, 'a new epoch begins with 0')
  }
  const lastSequence = lastSequenceOf(batch)
  for (const appended of entry.batches) {
    if (appended.firstSequence === batch.baseSequence && appended.lastSequence === lastSequence) {
      return { duplicate: appended }
    }
  }
  const last = entry.batches.at(-1)
  // A marker has raised the epoch since its last batch.
  const expected = last === undefined ? 0 : nextSequence(last.lastSequence)
  return batch.baseSequence === expected
    ? 'append'
    : outOfOrder(batch, `the next one is ${expected}`)
}

function lastSequenceOf(batch: SequencedBatch): number {
  const last = batch.baseSequence + batch.recordCount - 1
  return last > sequenceMax ? last - sequenceMax - 1 : last
}

/** Sequences wrap around to 0 after 2^31 - 1. */
function nextSequence(sequence: number): number {
  return sequence === sequenceMax ? 0 : sequence + 1
}

function staleEpoch(batch: SequencedBatch, entry: ProducerEntry): SequenceVerdict {
  return {
    errorCode: errorCodes.INVALID_PRODUCER_EPOCH,
    errorMessage:
      `Producer ${batch.producerId} has epoch ${entry.epoch}, ` +
      `the batch has ${batch.producerEpoch}`,
  }
}

function outOfOrder(batch: SequencedBatch, why: string): SequenceVerdict {
  return {
    errorCode: errorCodes.OUT_OF_ORDER_SEQUENCE_NUMBER,
    errorMessage:
      `Sequence ${batch.baseSequence} of producer ${batch.producerId} ` + `is out of order: ${why}`,
  }
}
