/*
 * The rules of transactions: what a request means for a transactional id, given what the log says
 * of it. Pure: whoever calls has the clock, the log and the producer ids. Errors are Kafka's.
 */
import { errorCodes } from '@kfk/protocol'
import { holds, noPartitions, type PartitionSet, partitionsOf, union } from './partition-set.js'
import {
  emptyImage,
  EPOCH_BUMPING_CLIENT,
  isEnding,
  isSettled,
  LAST_EPOCH,
  NO_PRODUCER,
  type TransactionImage,
} from './transaction-image.js'

/** What is to be done about a request. */
export type Decision =
  | { readonly kind: 'refuse'; readonly errorCode: number }
  /** Nothing has to be written. */
  | { readonly kind: 'agree'; readonly image: TransactionImage }
  /** The answer waits until `next` is in the log, and is `errorCode` then. */
  | { readonly kind: 'write'; readonly next: TransactionImage; readonly errorCode: number }
  /** Ask again with a producer id that nobody has had. */
  | { readonly kind: 'needs-producer-id' }

/** A transactional id as it is now. */
export interface Standing {
  /** Undefined: never heard of. */
  readonly image: TransactionImage | undefined
  /** A record is on its way to the log: until it is there nothing else may be decided. */
  readonly pending: boolean
}

/** Who asks. */
export interface ProducerIdentity {
  readonly producerId: bigint
  readonly producerEpoch: number
}

const concurrent = refuse(errorCodes.CONCURRENT_TRANSACTIONS)
const fenced = refuse(errorCodes.PRODUCER_FENCED)
const unknownMapping = refuse(errorCodes.INVALID_PRODUCER_ID_MAPPING)
const invalidState = refuse(errorCodes.INVALID_TXN_STATE)

export interface InitInput {
  readonly timeoutMs: number
  /** What the client had so far (KIP-360); undefined: it begins. */
  readonly expected: ProducerIdentity | undefined
  readonly freshId: bigint | undefined
  readonly now: number
}

/**
 * InitProducerId: the client becomes the only one with this transactional id. Whoever had it before
 * has an older epoch from now on; a transaction that it has open is aborted first.
 */
export function initProducerId({ image, pending }: Standing, input: InitInput): Decision {
  const { expected, freshId, timeoutMs, now } = input
  if (pending) return concurrent
  if (image === undefined) {
    if (freshId === undefined) return { kind: 'needs-producer-id' }
    return write(
      emptyImage({
        ...{ producerId: freshId, previousProducerId: NO_PRODUCER, timeoutMs, now },
        ...{ producerEpoch: 0, lastProducerEpoch: -1 },
      }),
    )
  }
  if (expected !== undefined && !isOwn(image, expected)) return fenced
  if (isEnding(image)) return concurrent
  if (!isSettled(image)) {
    return { kind: 'write', next: fencing(image, now), errorCode: concurrent.errorCode }
  }
  const { producerId, producerEpoch } = image
  const wanted = expected?.producerEpoch
  if (producerEpoch >= LAST_EPOCH && (wanted === undefined || wanted === producerEpoch)) {
    if (freshId === undefined) return { kind: 'needs-producer-id' }
    const lastProducerEpoch = wanted === undefined ? -1 : producerEpoch
    return write(
      emptyImage({
        ...{ producerId: freshId, previousProducerId: producerId, timeoutMs, now },
        ...{ producerEpoch: 0, lastProducerEpoch },
      }),
    )
  }
  const common = { producerId, previousProducerId: producerId, timeoutMs, now }
  if (wanted === undefined || wanted === producerEpoch) {
    const lastProducerEpoch = wanted === undefined ? -1 : producerEpoch
    return write(emptyImage({ ...common, producerEpoch: producerEpoch + 1, lastProducerEpoch }))
  }
  // The answer to the same request was lost.
  if (wanted !== image.lastProducerEpoch) return fenced
  return write(emptyImage({ ...common, producerEpoch, lastProducerEpoch: wanted }))
}

function isOwn(image: TransactionImage, expected: ProducerIdentity): boolean {
  return (
    expected.producerId === image.producerId ||
    (expected.producerId === image.previousProducerId && expected.producerEpoch >= LAST_EPOCH)
  )
}

export interface AddInput extends ProducerIdentity {
  readonly partitions: PartitionSet
  readonly clientVersion: number
  readonly now: number
}

/** AddPartitionsToTxn, AddOffsetsToTxn: the first partitions begin a transaction. */
export function addPartitions({ image, pending }: Standing, input: AddInput): Decision {
  const refusal = identityRefusal(image, input)
  if (refusal !== undefined || image === undefined) return refusal ?? unknownMapping
  if (pending || isEnding(image)) return concurrent
  const partitions = union(image.partitions, input.partitions)
  const ongoing = image.status === 'Ongoing'
  if (ongoing && partitions === image.partitions) return { kind: 'agree', image }
  return write({
    ...image,
    previousProducerId: image.producerId,
    nextProducerId: NO_PRODUCER,
    status: 'Ongoing',
    partitions,
    startTimestamp: ongoing ? image.startTimestamp : input.now,
    updateTimestamp: input.now,
    clientVersion: input.clientVersion,
  })
}

/** Whether a partition is a part of the producer's transaction, as an error code (KIP-890). */
export function verifyPartitions(
  { image }: Standing,
  input: ProducerIdentity & { readonly partitions: PartitionSet },
): { readonly topic: string; readonly partition: number; readonly errorCode: number }[] {
  const refusal =
    identityRefusal(image, input) ??
    (image !== undefined && isEnding(image) ? concurrent : undefined)
  return Array.from(partitionsOf(input.partitions), (one) => {
    const isPart = image !== undefined && holds(image.partitions, one)
    const verdict = isPart ? errorCodes.NONE : errorCodes.TRANSACTION_ABORTABLE
    return { ...one, errorCode: refusal?.errorCode ?? verdict }
  })
}

export interface EndInput extends ProducerIdentity {
  readonly committed: boolean
  readonly clientVersion: number
  readonly freshId: bigint | undefined
  readonly now: number
}

/** EndTxn. It is decided once the record is in the log; markers follow. */
export function endTransaction({ image, pending }: Standing, input: EndInput): Decision {
  if (image === undefined) return unknownMapping
  const { producerId, producerEpoch, committed } = input
  const bumping = image.clientVersion >= EPOCH_BUMPING_CLIENT
  const again = {
    // The answer was lost, which had the next epoch, or the next producer id.
    bumped: bumping && image.producerEpoch === producerEpoch + 1,
    overflowed:
      bumping &&
      image.previousProducerId === producerId &&
      producerEpoch === LAST_EPOCH &&
      image.producerEpoch === 0,
  }
  if (image.producerId !== producerId && !again.overflowed) return unknownMapping
  if (!hasValidEpoch(image, producerEpoch, again)) return fenced
  if (pending) return concurrent
  const isRetry = again.bumped || again.overflowed
  switch (image.status) {
    case 'Ongoing':
      return ending(image, input)
    case 'PrepareCommit':
      return committed ? concurrent : invalidState
    case 'PrepareAbort':
      return committed ? invalidState : concurrent
    case 'Empty':
      return !committed && input.clientVersion >= EPOCH_BUMPING_CLIENT
        ? ending(image, input)
        : invalidState
    case 'CompleteCommit':
      if (committed) return !bumping || isRetry ? { kind: 'agree', image } : invalidState
      return bumping && !isRetry ? ending(image, input) : invalidState
    case 'CompleteAbort':
      if (committed) return invalidState
      return bumping && !isRetry ? ending(image, input) : { kind: 'agree', image }
    default:
      return invalidState
  }
}

function hasValidEpoch(
  image: TransactionImage,
  epoch: number,
  again: { readonly bumped: boolean; readonly overflowed: boolean },
): boolean {
  if (image.clientVersion < EPOCH_BUMPING_CLIENT) return epoch === image.producerEpoch
  if (isEnding(image)) return again.bumped
  if (image.status === 'Ongoing' || image.status === 'Empty') return epoch === image.producerEpoch
  return again.bumped || again.overflowed || epoch === image.producerEpoch
}

/** The record that decides. A transaction without partitions only moves the epoch on. */
function ending(image: TransactionImage, input: EndInput): Decision {
  const { committed, clientVersion, freshId, now } = input
  const bumping = clientVersion >= EPOCH_BUMPING_CLIENT
  const exhausted = bumping && image.producerEpoch >= LAST_EPOCH
  if (exhausted && freshId === undefined) return { kind: 'needs-producer-id' }
  return write({
    ...image,
    previousProducerId: image.producerId,
    nextProducerId: exhausted ? freshId! : NO_PRODUCER,
    producerEpoch: bumping ? image.producerEpoch + 1 : image.producerEpoch,
    lastProducerEpoch: bumping ? image.producerEpoch : image.lastProducerEpoch,
    status: committed ? 'PrepareCommit' : 'PrepareAbort',
    startTimestamp: image.status === 'Ongoing' ? image.startTimestamp : now,
    updateTimestamp: now,
    clientVersion,
  })
}

/** Aborts an open transaction against its client, whose epoch is too old from then on. */
export function fencing(image: TransactionImage, now: number): TransactionImage {
  return {
    ...image,
    previousProducerId: image.producerId,
    nextProducerId: NO_PRODUCER,
    producerEpoch: image.producerEpoch + 1,
    lastProducerEpoch: image.producerEpoch,
    status: 'PrepareAbort',
    updateTimestamp: now,
    clientVersion: EPOCH_BUMPING_CLIENT,
  }
}

/** All markers are written. */
export function completed(image: TransactionImage, now: number): TransactionImage {
  const moves = image.nextProducerId !== NO_PRODUCER
  return {
    ...image,
    previousProducerId: image.producerId,
    nextProducerId: NO_PRODUCER,
    producerId: moves ? image.nextProducerId : image.producerId,
    producerEpoch: moves ? 0 : image.producerEpoch,
    lastProducerEpoch:
      image.clientVersion >= EPOCH_BUMPING_CLIENT ? image.producerEpoch : image.lastProducerEpoch,
    status: image.status === 'PrepareCommit' ? 'CompleteCommit' : 'CompleteAbort',
    partitions: noPartitions,
    updateTimestamp: now,
  }
}

/** With what the client of an ended transaction goes on (KIP-890). */
export function identityAfter(image: TransactionImage): ProducerIdentity {
  return image.nextProducerId === NO_PRODUCER
    ? { producerId: image.producerId, producerEpoch: image.producerEpoch }
    : { producerId: image.nextProducerId, producerEpoch: 0 }
}

/** Whether an open transaction has taken longer than its client wanted to give it. */
export function hasTimedOut({ image, pending }: Standing, now: number): boolean {
  if (pending || image?.status !== 'Ongoing') return false
  return image.startTimestamp + image.timeoutMs < now
}

/** Whether nobody has used the transactional id for so long [transactional.id.expiration.ms]. */
export function hasExpired(
  { image, pending }: Standing,
  at: { readonly now: number; readonly expirationMs: number },
): boolean {
  if (pending || image === undefined || !isSettled(image)) return false
  return image.updateTimestamp <= at.now - at.expirationMs
}

function identityRefusal(
  image: TransactionImage | undefined,
  { producerId, producerEpoch }: ProducerIdentity,
): (Decision & { kind: 'refuse' }) | undefined {
  if (image?.producerId !== producerId) return unknownMapping
  return image.producerEpoch === producerEpoch ? undefined : fenced
}

function refuse(errorCode: number): Decision & { kind: 'refuse' } {
  return { kind: 'refuse', errorCode }
}

function write(next: TransactionImage): Decision {
  return { kind: 'write', next, errorCode: errorCodes.NONE }
}
