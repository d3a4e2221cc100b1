import { errorCodes } from '@kfk/protocol'
import type { Partition } from '../context.js'
import { CoordinatorLog } from '../partition/coordinator-log.js'
import type { Clock } from '../runtime/clock.js'
import type { MarkerProgress } from './marker-sender.js'
import { holds, partitionsOf, type TopicPartition } from './partition-set.js'
import { isEnding, type TransactionImage } from './transaction-image.js'
import {
  decodeTransactionRecord,
  encodeTransactionRecord,
  type TransactionRecord,
} from './transaction-records.js'
import type { Decision, Standing } from './transaction.js'

export interface TransactionShardOptions {
  readonly partition: Partition
  readonly clock: Clock
  /** How long a write may take to be committed, ms. */
  readonly commitTimeoutMs: number
  /** A transaction is decided, durably: its markers are due. */
  readonly onDecided: (shard: TransactionShard, transactionalId: string) => void
}

interface Entry {
  image: TransactionImage | undefined
  /** The record that is on its way to the log. */
  writing: TransactionRecord | undefined
  /** Partitions that have the marker of the transaction that ends. */
  marked: Map<string, Set<number>> | undefined
  /** Told when what was on its way is decided. */
  readonly waiters: (() => void)[]
}

/**
 * The transactional ids of one partition of `__transaction_state`: a record is in the log,
 * committed, before anybody is told of what it says.
 */
export class TransactionShard {
  readonly #options: TransactionShardOptions
  readonly #log: CoordinatorLog<TransactionRecord>
  readonly #entries = new Map<string, Entry>()
  #serving = false
  closed = false

  constructor(options: TransactionShardOptions) {
    this.#options = options
    const { partition, clock, commitTimeoutMs } = options
    this.#log = new CoordinatorLog({
      ...{ partition, clock, commitTimeoutMs },
      format: { encode: encodeTransactionRecord, decode: decodeTransactionRecord },
      replay: (record) => this.#replay(record),
      dropped: (record) => this.#settle(record.transactionalId, record),
    })
  }

  get partition(): Partition {
    return this.#options.partition
  }

  /** Under which its markers are written; older ones are refused by the partitions. */
  get coordinatorEpoch(): number {
    return this.partition.leaderEpoch
  }

  /**
   * Reads all, and goes on with what had been decided before.
   *
   * @throws what reading the log throws: the shard must not be served
   */
  async load(signal: AbortSignal): Promise<void> {
    await this.#log.load(signal)
    this.#serving = true
    for (const [transactionalId, { image }] of this.#entries) {
      if (image !== undefined && isEnding(image)) this.#options.onDecided(this, transactionalId)
    }
  }

  standing(transactionalId: string): Standing {
    const entry = this.#entries.get(transactionalId)
    return { image: entry?.image, pending: entry?.writing !== undefined }
  }

  *standings(): IterableIterator<[transactionalId: string, standing: Standing]> {
    for (const transactionalId of this.#entries.keys()) {
      yield [transactionalId, this.standing(transactionalId)]
    }
  }

  /** Carries out a decision; resolves with the error code to answer with. */
  carryOut(transactionalId: string, decision: Decision): Promise<number> | number {
    switch (decision.kind) {
      case 'refuse':
        return decision.errorCode
      case 'agree':
        return errorCodes.NONE
      case 'write':
        return this.write({ transactionalId, image: decision.next }).then((code) =>
          code === errorCodes.NONE ? decision.errorCode : code,
        )
      case 'needs-producer-id':
        return errorCodes.COORDINATOR_NOT_AVAILABLE
    }
  }

  /** Resolves when the record is committed, or with why it may not be. */
  write(record: TransactionRecord): Promise<number> {
    const { transactionalId } = record
    let entry = this.#entries.get(transactionalId)
    if (entry === undefined) {
      entry = { image: undefined, writing: undefined, marked: undefined, waiters: [] }
      this.#entries.set(transactionalId, entry)
    }
    entry.writing = record
    return new Promise((resolve) => {
      const refusal = this.#log.append([record], (code) => {
        // An answer that came too late: the record may still be committed, and counts then.
        const isLate = code !== errorCodes.NONE && [...this.#log.pending()].includes(record)
        if (!isLate) this.#settle(transactionalId, record)
        resolve(code)
      })
      if (refusal === errorCodes.NONE) return
      this.#settle(transactionalId, record)
      resolve(refusal)
    })
  }

  /** Markers of the transaction are being written. */
  beginMarkers(transactionalId: string): MarkerProgress {
    const entry = this.#entries.get(transactionalId)!
    const marked = new Map<string, Set<number>>()
    entry.marked = marked
    return {
      coordinatorEpoch: this.coordinatorEpoch,
      done: ({ topic, partition }) => {
        const indexes = marked.get(topic)
        if (indexes === undefined) marked.set(topic, new Set([partition]))
        else indexes.add(partition)
      },
      isAbandoned: () => this.closed || entry.marked !== marked,
    }
  }

  /** The partitions of a transaction that have no marker yet. */
  unmarked(transactionalId: string): TopicPartition[] {
    const { image, marked } = this.#entries.get(transactionalId) ?? {}
    if (image === undefined) return []
    return [...partitionsOf(image.partitions)].filter((one) => !(marked && holds(marked, one)))
  }

  /** Calls back, once, when something of the transactional id has changed. */
  onceChanged(transactionalId: string, callback: () => void): void {
    const entry = this.#entries.get(transactionalId)
    if (entry === undefined) callback()
    else entry.waiters.push(callback)
  }

  close(): void {
    this.closed = true
    this.#log.close(errorCodes.NOT_COORDINATOR)
    for (const { waiters } of this.#entries.values()) for (const tell of waiters.splice(0)) tell()
  }

  #replay(record: TransactionRecord): void {
    const { transactionalId, image } = record
    if (image === null) {
      const gone = this.#entries.get(transactionalId)
      this.#entries.delete(transactionalId)
      for (const tell of gone?.waiters.splice(0) ?? []) tell()
      return
    }
    const entry = this.#entries.get(transactionalId)
    if (entry === undefined) {
      this.#entries.set(transactionalId, {
        ...{ image, writing: undefined, marked: undefined },
        waiters: [],
      })
    } else {
      entry.image = image
      entry.marked = undefined
    }
    this.#settle(transactionalId, record)
    if (this.#serving && isEnding(image)) this.#options.onDecided(this, transactionalId)
  }

  #settle(transactionalId: string, record: TransactionRecord): void {
    const entry = this.#entries.get(transactionalId)
    if (entry === undefined) return
    if (entry.writing === record) entry.writing = undefined
    if (entry.image === undefined && entry.writing === undefined) {
      this.#entries.delete(transactionalId)
    }
    for (const tell of entry.waiters.splice(0)) tell()
  }
}
