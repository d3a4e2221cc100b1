import type { BatchFormat, BatchSummary, ProducerSummary } from './batch-format.js'
import type { AbortedTransaction, LogTracker, ProducerEnd, TrackerSnapshot } from './log-tracker.js'
import {
  batchesKept,
  decodeSnapshot,
  encodeSnapshot,
  type ProducerBatch,
  type ProducerEntry,
} from './producer-snapshot.js'

export interface ProducerTrackerOptions {
  /**
   * A producer that has been silent for so long is forgotten, unless it has a transaction open.
   * Default a day [producer.id.expiration.ms].
   */
  readonly expirationMs?: number
  /** Bound of the producers of one log; those silent for longest go first. Default 100,000. */
  readonly maxProducers?: number
}

const asUsual: ProducerTrackerOptions = {}
const defaults = { expirationMs: 86_400_000, maxProducers: 100_000 }
/** Of the producers that are too many, so many more go at once: looking for the oldest costs. */
const evictedShare = 1 / 16
/** Ended transactions that are told apart. */
const endedKept = 1000

interface Ended {
  readonly firstOffset: number
  readonly lastOffset: number
}

interface Undo {
  readonly producerId: bigint
  readonly before: ProducerEntry | undefined
  readonly offset: number
}

/**
 * The producers of one log: epochs and sequences of the last batches (idempotence), transactions
 * that are open or were ended. What Kafka's ProducerStateManager keeps, with its snapshots. It
 * takes what the log has and judges nothing: refusing a batch is for whoever appends.
 */
export class ProducerTracker implements LogTracker {
  readonly #format: NonNullable<BatchFormat['producer']>
  readonly #options: ProducerTrackerOptions
  /** Entries are replaced, never changed: captures and undo hold on to old ones. */
  #producers: Map<bigint, ProducerEntry> | undefined
  /** Open transactions: first offset, ascending, and producer. */
  #open: Map<number, bigint> | undefined
  /** Ended ones whose marker may not be committed yet, in the order of the markers. */
  #ended: Ended[] = none
  /** How to go back to what is in the file, newest last. */
  #undo: Undo[] = none

  constructor(
    format: NonNullable<BatchFormat['producer']>,
    options: ProducerTrackerOptions = asUsual,
  ) {
    this.#format = format
    this.#options = options
  }

  get isEmpty(): boolean {
    return this.size === 0 && this.#ended.length === 0
  }

  /** Known producers. */
  get size(): number {
    return this.#producers?.size ?? 0
  }

  /** What the log says of a producer. */
  get(producerId: bigint): ProducerEntry | undefined {
    return this.#producers?.get(producerId)
  }

  entries(): Iterable<ProducerEntry> {
    return this.#producers?.values() ?? none
  }

  restore(snapshot: TrackerSnapshot | undefined): boolean {
    const entries = snapshot === undefined ? [] : decodeSnapshot(snapshot)
    if (entries === undefined) return false
    this.#producers = undefined
    this.#open = undefined
    this.#ended = none
    this.#undo = none
    for (const entry of entries) (this.#producers ??= new Map()).set(entry.producerId, entry)
    this.#findOpen()
    return true
  }

  apply(bytes: Uint8Array, position: number, batch: BatchSummary): AbortedTransaction | undefined {
    const producer = this.#format.describe(bytes, position)
    if (producer === undefined) return undefined
    const before = this.#producers?.get(producer.producerId)
    // Compaction may leave a control batch without its marker; it says nothing any more.
    if (producer.control === 'other') return undefined
    if (producer.control === undefined) {
      this.#put(appendData(before, producer, batch), { before, batch })
      if (producer.transactional && (before?.transactionFirstOffset ?? -1) < 0) {
        this.#open ??= new Map()
        this.#open.set(batch.baseOffset, producer.producerId)
      }
      return undefined
    }
    this.#put(appendMarker(before, producer, batch), { before, batch })
    if (before === undefined || before.transactionFirstOffset < 0) return undefined
    return this.#end(before, {
      lastOffset: batch.baseOffset,
      aborted: producer.control === 'abort',
    })
  }

  settle(): void {
    if (this.#undo.length > 0) this.#undo = none
    // Where nobody asks for what is stable, as on a follower, nothing else lets go of them.
    if (this.#ended.length > endedKept) this.#ended = joined(this.#ended)
  }

  rollBack(): void {
    const steps = this.#undo
    if (steps.length === 0) return
    this.#undo = none
    const { offset } = steps[0]!
    for (const { producerId, before } of steps.reverse()) {
      if (before === undefined) this.#producers?.delete(producerId)
      else this.#producers?.set(producerId, before)
    }
    this.#ended = this.#ended.filter(({ lastOffset }) => lastOffset < offset)
    this.#findOpen()
  }

  capture(): () => TrackerSnapshot {
    const entries = [...this.entries()]
    return () => encodeSnapshot(entries)
  }

  firstUnstableOffset(highWatermark: number): number | undefined {
    const ended = this.#ended
    if (ended.length > 0 && ended[0]!.lastOffset < highWatermark) {
      this.#ended = ended.filter(({ lastOffset }) => lastOffset >= highWatermark)
    }
    let first: number | undefined
    if (this.#open !== undefined) for ([first] of this.#open) break
    for (const { firstOffset } of this.#ended) {
      if (first === undefined || firstOffset < first) first = firstOffset
    }
    return first
  }

  producerEnd(producerId: bigint): ProducerEnd | undefined {
    const entry = this.get(producerId)
    if (entry === undefined) return undefined
    return {
      lastDataOffset: entry.batches.at(-1)?.lastOffset ?? -1,
      producerEpoch: entry.epoch,
    }
  }

  /** `expirationMs` instead of the option. */
  expire(nowMs: number, expirationMs = this.#options.expirationMs ?? defaults.expirationMs): void {
    for (const { producerId, lastTimestamp, transactionFirstOffset } of this.entries()) {
      if (transactionFirstOffset >= 0 || nowMs - lastTimestamp < expirationMs) continue
      this.#producers!.delete(producerId)
    }
    if (this.#producers?.size === 0) this.#producers = undefined
  }

  #put(entry: ProducerEntry, at: { before: ProducerEntry | undefined; batch: BatchSummary }): void {
    const { producerId } = entry
    if (this.#undo === none) this.#undo = []
    this.#undo.push({ producerId, before: at.before, offset: at.batch.baseOffset })
    this.#producers ??= new Map()
    this.#producers.set(producerId, entry)
    const max = this.#options.maxProducers ?? defaults.maxProducers
    if (this.#producers.size > max) this.#evict(max, producerId)
  }

  #end(
    producer: ProducerEntry,
    marker: { lastOffset: number; aborted: boolean },
  ): AbortedTransaction | undefined {
    const { producerId, transactionFirstOffset: firstOffset } = producer
    const { lastOffset, aborted } = marker
    this.#open?.delete(firstOffset)
    if (this.#open?.size === 0) this.#open = undefined
    if (this.#ended === none) this.#ended = []
    this.#ended.push({ firstOffset, lastOffset })
    if (!aborted) return undefined
    let lastStableOffset = lastOffset + 1
    if (this.#open !== undefined) for ([lastStableOffset] of this.#open) break
    return { producerId, firstOffset, lastOffset, lastStableOffset }
  }

  /** The open transactions, from the entries. */
  #findOpen(): void {
    const open = [...this.entries()].filter((entry) => entry.transactionFirstOffset >= 0)
    open.sort((a, b) => a.transactionFirstOffset - b.transactionFirstOffset)
    this.#open =
      open.length === 0
        ? undefined
        : new Map(open.map((entry) => [entry.transactionFirstOffset, entry.producerId]))
  }

  #evict(max: number, keep: bigint): void {
    const idle = [...this.entries()].filter(
      (entry) => entry.transactionFirstOffset < 0 && entry.producerId !== keep,
    )
    idle.sort((a, b) => a.lastTimestamp - b.lastTimestamp)
    const surplus = this.size - max + Math.floor(max * evictedShare)
    for (const { producerId } of idle.slice(0, surplus)) this.#producers!.delete(producerId)
  }
}

/** Shared by all trackers that have none, so that an idle one costs nothing. */
const none: never[] = []

/** Two neighbours as one: until the later marker is committed the earlier counts as not, either. */
function joined(ended: readonly Ended[]): Ended[] {
  const pairs: Ended[] = []
  for (let at = 0; at < ended.length; at += 2) {
    const one = ended[at]!
    const other = ended[at + 1] ?? one
    const firstOffset = Math.min(one.firstOffset, other.firstOffset)
    pairs.push({ firstOffset, lastOffset: other.lastOffset })
  }
  return pairs
}

function appendData(
  before: ProducerEntry | undefined,
  producer: ProducerSummary,
  batch: BatchSummary,
): ProducerEntry {
  const { producerId, producerEpoch, transactional } = producer
  const { baseOffset, lastOffset, maxTimestamp } = batch
  const appended: ProducerBatch = {
    firstSequence: producer.baseSequence,
    lastSequence: producer.lastSequence,
    lastOffset,
    offsetDelta: lastOffset - baseOffset,
    timestamp: maxTimestamp,
  }
  const older = before?.epoch === producerEpoch ? before.batches : none
  const open = before?.transactionFirstOffset ?? -1
  return {
    producerId,
    epoch: producerEpoch,
    coordinatorEpoch: before?.coordinatorEpoch ?? -1,
    lastTimestamp: maxTimestamp,
    transactionFirstOffset: open < 0 && transactional ? baseOffset : open,
    batches: [...older.slice(1 - batchesKept), appended],
  }
}

function appendMarker(
  before: ProducerEntry | undefined,
  producer: ProducerSummary,
  batch: BatchSummary,
): ProducerEntry {
  const { producerId, producerEpoch } = producer
  return {
    producerId,
    epoch: producerEpoch,
    coordinatorEpoch: producer.coordinatorEpoch ?? -1,
    lastTimestamp: batch.maxTimestamp,
    transactionFirstOffset: -1,
    batches: before?.epoch === producerEpoch ? before.batches : none,
  }
}
