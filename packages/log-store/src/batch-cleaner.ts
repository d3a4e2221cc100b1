import type {
  BatchFormat,
  BatchSummary,
  CompactionFormat,
  ProducerSummary,
  RecordView,
  RewriteRules,
} from './batch-format.js'
import type { CleanedSegment } from './cleaned-segment.js'
import type { KeyMap } from './key-map.js'
import type { AbortedTransaction, LogTracker } from './log-tracker.js'
import { TransactionFilter } from './transaction-filter.js'

/** What one pass knows when it decides about records. */
export interface CleaningRules {
  readonly format: BatchFormat
  readonly compaction: CompactionFormat
  /** The latest offset of each key of the dirty part. */
  readonly map: KeyMap
  /** Records from here on are not in the map and stay. */
  readonly mapEnd: number
  /** The batch that ends here stays, empty if need be, so that the end is not forgotten. */
  readonly limitOffset: number
  readonly nowMs: number
  readonly deleteRetentionMs: number
  /** By first offset. */
  readonly aborted: readonly AbortedTransaction[]
  /** Undefined: producers and transactions are not looked at. */
  readonly tracker: LogTracker | undefined
}

/** Copies what is to stay of each batch; what Kafka's cleaner keeps, this keeps. */
export class BatchCleaner implements RewriteRules {
  records = 0
  keptRecords = 0
  /** Records without a key, which compaction cannot keep. */
  keylessRecords = 0
  /** Something was left out or rewritten. */
  changed = false
  readonly deleteHorizonMs: number
  expires = false
  keepEmpty = false
  /** Where to. */
  output!: CleanedSegment
  readonly #rules: CleaningRules
  readonly #transactions: TransactionFilter
  /** The batch under way. */
  #bytes: Uint8Array = new Uint8Array(0)
  #at = 0
  /** Its records go, because they were aborted or are an old marker. */
  #discard = false
  #control = false

  constructor(rules: CleaningRules) {
    this.#rules = rules
    this.#transactions = new TransactionFilter(rules.aborted, (transaction) =>
      this.output.appendTransaction(transaction),
    )
    this.deleteHorizonMs = Math.min(rules.nowMs + rules.deleteRetentionMs, Number.MAX_SAFE_INTEGER)
  }

  clean(batch: BatchSummary, bytes: Uint8Array, at: number): void {
    const { compaction, format, limitOffset, tracker } = this.#rules
    this.#bytes = bytes
    this.#at = at
    this.records += batch.recordCount
    this.#control = false
    this.expires = false
    this.keepEmpty = batch.lastOffset + 1 === limitOffset
    const producer = tracker && format.producer?.describe(bytes, at)
    const discard = producer !== undefined && this.#judge(producer, batch)
    this.#discard = discard
    if (discard && !this.keepEmpty) {
      this.changed = true
      return
    }
    const rewritten = compaction.rewrite(bytes, at, this)
    if (rewritten === undefined) {
      this.keptRecords += batch.recordCount
      this.output.append(batch, bytes, at)
      return
    }
    this.changed = true
    if (rewritten === null) return
    const summary = format.describe(rewritten, 0)
    this.keptRecords += summary.recordCount
    this.output.append(summary, rewritten, 0)
  }

  keep(record: RecordView): boolean {
    if (this.#discard) return false
    if (this.#control) return true
    const { map, mapEnd } = this.#rules
    if (record.offset >= mapEnd) return true
    if (record.keyLength < 0) {
      this.keylessRecords++
      return false
    }
    if (map.supersedes(record)) return false
    return !record.tombstone || !this.#expired()
  }

  /** True: its records go. */
  #judge(producer: ProducerSummary, batch: BatchSummary): boolean {
    const { lastOffset } = batch
    const useless = this.#transactions.isUseless(producer, lastOffset, batch.recordCount === 0)
    this.#control = producer.control !== undefined
    // A marker stays for some time after its last batch has gone: readers may be before it.
    const discard = useless && (!this.#control || this.#expired())
    this.expires = useless && this.#control
    const end = this.#rules.tracker?.producerEnd?.(producer.producerId)
    if (end === undefined) return discard
    const isEnd =
      end.lastDataOffset === -1
        ? this.#control && producer.producerEpoch === end.producerEpoch
        : lastOffset === end.lastDataOffset
    if (isEnd) this.keepEmpty = true
    return discard
  }

  #expired(): boolean {
    const { compaction, nowMs } = this.#rules
    const horizonMs = compaction.deleteHorizonMs(this.#bytes, this.#at)
    return horizonMs !== undefined && horizonMs <= nowMs
  }
}
