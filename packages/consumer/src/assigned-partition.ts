import { ClientError } from '@kfk/client'
import type { AbortedTransactions, RecordPlaces } from '@kfk/protocol'
import type { FetchedRecord } from './fetched-record.js'
import {
  FetchedRecords,
  UnreadableBatch,
  type BatchRun,
  type ReadableBatch,
  type RecordRun,
} from './fetched-records.js'
import type { AnswerMemory, PrefetchMemory } from './prefetch-memory.js'
import { partitionKey, type TopicPartition } from './topic-partition.js'

/** Records taken for the application: to be ended by `finish` or `putBack` of their partition. */
export interface TakenRecords {
  readonly partition: AssignedPartition
  readonly records: readonly FetchedRecord[]
  /**
   * Where processing goes on once these are done; may lie past the last record (compaction, control
   * batches).
   */
  readonly nextOffset: number
}

/** A batch taken for the application: to be ended as {@link TakenRecords}. */
export interface TakenBatch {
  readonly partition: AssignedPartition
  readonly batch: ReadableBatch
  readonly nextOffset: number
}

/**
 * One partition that this consumer reads: where it is, what is fetched ahead, and what the
 * application has in hand. An object lives for one assignment; late answers for an earlier one find
 * an object that is over.
 */
export class AssignedPartition implements TopicPartition {
  readonly topic: string
  readonly partition: number
  /** See {@link partitionKey}. */
  readonly key: string
  /** Leader epoch of the record before `position` (KIP-320); -1 while none has been fetched. */
  lastEpoch = -1
  /** Next offset to fetch; undefined while it is not known. */
  position: number | undefined
  /** Next offset to commit: all before it has been processed. */
  processed: number | undefined
  committed: number | undefined
  /** With read_committed it is the last stable offset: where reading ends. */
  highWatermark: number | undefined
  paused = false
  /** Set once the listener has had its say: before, nothing is fetched. */
  ready = false
  /** The application has been told of it, so it is to be told of the end. */
  announced = false
  /** The fetch under way, if it is still of use. */
  fetch: object | undefined
  /**
   * The last answer had nothing new: worth waiting at the broker for, not worth asking again at
   * once.
   */
  caughtUp = false
  /**
   * Fetched again only when nothing is buffered: the broker says that the position is not in the
   * log.
   */
  isBeyondLog = false
  /**
   * When it was last given records, in answers of its consumer: who waits longest is asked for
   * first.
   */
  servedAt = 0
  /** Monotonic time before which no fetch is tried again, after an error. */
  notBeforeMs = 0
  /** Set when it was given up or lost: a commit in its name is late. */
  givenUp = false
  readonly #end = new AbortController()
  #over = false
  readonly #fetched: FetchedRecords
  #failure: ClientError | undefined
  #seeks = 0
  #inHand: { readonly run: RecordRun | BatchRun; readonly seeks: number } | undefined
  #drained: (() => void)[] = []

  constructor({ topic, partition }: TopicPartition) {
    this.topic = topic
    this.partition = partition
    this.key = partitionKey(this)
    this.#fetched = new FetchedRecords({ topic, partition })
  }

  /** Fires when the assignment ends. */
  get signal(): AbortSignal {
    return this.#end.signal
  }

  get over(): boolean {
    return this.#over
  }

  /** Of records that wait and records in hand. */
  get bufferedBytes(): number {
    return this.#fetched.bytes
  }

  get hasRecords(): boolean {
    return !this.#fetched.isEmpty
  }

  /** See {@link FetchedRecords.nextCount}. */
  get nextCount(): number {
    return this.#fetched.nextCount
  }

  /** Changes with every seek, so that an answer to a question from before can be told. */
  get seeks(): number {
    return this.#seeks
  }

  /** The application has records in hand: the next ones wait until it is done with them. */
  get busy(): boolean {
    return this.#inHand !== undefined
  }

  /**
   * What is in hand is not to be gone on with: the assignment is over, paused, or the position was
   * moved.
   */
  get interrupted(): boolean {
    return this.over || this.paused || this.#inHand?.seeks !== this.#seeks
  }

  get failure(): ClientError | undefined {
    return this.#failure
  }

  /** Whoever takes from here gets this error, until a seek. Nothing is fetched meanwhile. */
  fail(error: ClientError): void {
    this.#failure ??= error
  }

  /** Goes on from `offset`; what was fetched ahead is dropped, and a failure forgotten. */
  seek(offset: number): void {
    this.#moved()
    this.position = offset
    this.processed = offset
  }

  /** The position is not in the log: whoever knows better seeks. */
  forgetPosition(): void {
    this.#moved()
    this.position = undefined
  }

  /**
   * Adds fetched batches and moves the position behind them; those that were `aborted` give
   * nothing. Throws ProtocolError when they are none.
   */
  add(bytes: Uint8Array, answer: AnswerMemory, aborted?: AbortedTransactions): void {
    this.position = this.#fetched.add(bytes, this.position!, answer, aborted)
    this.lastEpoch = this.#fetched.lastEpoch
  }

  compact(memory: PrefetchMemory): void {
    this.#fetched.compact(memory)
  }

  /**
   * Takes up to `max` records for the application; undefined when there are none now.
   * @throws ClientError the failure of this partition, or KFK_CLIENT_INVALID_DATA for a batch that
   *   cannot be read
   */
  take(max: number): TakenRecords | undefined {
    const run = this.#reading(() => this.#fetched.take(max, this.processed!))
    if (run === undefined || run.records.length === 0) {
      this.#passOver(run)
      return undefined
    }
    this.#inHand = { run, seeks: this.#seeks }
    return { partition: this, records: run.records, nextOffset: run.nextOffset }
  }

  /**
   * Takes the next batch that has records, as it is, and sets `places`; otherwise as {@link take}.
   * `isKept`: the application may keep what it sees of it, after it is done with it, too.
   * @throws ClientError as `take`
   */
  takeBatch(places: RecordPlaces, { isKept = false } = {}): TakenBatch | undefined {
    const run = this.#reading(() => this.#fetched.takeBatch(this.processed!, places))
    if (isKept) run?.emptied.at(-1)?.answer.show()
    if (run?.batch === undefined) {
      this.#passOver(run)
      return undefined
    }
    this.#inHand = { run, seeks: this.#seeks }
    return { partition: this, batch: run.batch, nextOffset: run.nextOffset }
  }

  /** Of what is in hand, everything before `nextOffset` is done. */
  progress(nextOffset: number): void {
    if (this.#inHand?.seeks === this.#seeks) this.processed = nextOffset
  }

  /** What is in hand is done. */
  finish(): void {
    if (this.#inHand === undefined) return
    const { run, seeks } = this.#inHand
    if (seeks === this.#seeks) this.processed = run.nextOffset
    this.#fetched.release(run)
    this.#settle()
  }

  /** What is in hand and not done comes again. Nothing happens after `finish`. */
  putBack(): void {
    if (this.#inHand === undefined) return
    const { run, seeks } = this.#inHand
    if (this.over || seeks !== this.#seeks) this.#fetched.release(run)
    else this.#fetched.putBack(run, this.processed!)
    this.#settle()
  }

  /** Resolves when the application has nothing of this partition in hand. */
  drained(): Promise<void> {
    if (this.#inHand === undefined) return Promise.resolve()
    return new Promise((resolve) => this.#drained.push(resolve))
  }

  /** Ends the assignment: nothing more is handed out. */
  end(reason: string): void {
    this.#over = true
    this.#end.abort(new Error(reason))
    this.#fetched.clear()
  }

  #moved(): void {
    this.lastEpoch = -1
    this.#seeks += 1
    this.#failure = undefined
    this.fetch = undefined
    this.caughtUp = false
    this.isBeyondLog = false
    this.notBeforeMs = 0
    this.#fetched.clear()
  }

  #settle(): void {
    this.#inHand = undefined
    for (const resolve of this.#drained.splice(0)) resolve()
  }

  /** What was taken, if anything, had no records. Throws the failure. */
  #passOver(run: RecordRun | BatchRun | undefined): void {
    if (run !== undefined) {
      this.processed = run.nextOffset
      this.#fetched.release(run)
    }
    if (this.#failure !== undefined) throw this.#failure
  }

  #reading<Run>(take: () => Run): Run {
    try {
      return take()
    } catch (cause) {
      if (!(cause instanceof UnreadableBatch)) throw cause
      const { topic, partition, processed } = this
      const { nextOffset, message } = cause
      throw new ClientError(
        'KFK_CLIENT_INVALID_DATA',
        `${topic}-${partition}: the batch at or after offset ${processed} cannot be read (${message}). Seek to ${nextOffset} to go on behind it.`,
        { cause, details: { topic, partition, offset: processed, nextOffset } },
      )
    }
  }
}
