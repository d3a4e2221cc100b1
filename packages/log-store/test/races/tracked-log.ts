// One opened log, and what it must hold whatever runs at the same time: what was appended and not
// taken back. Both is told as it happens, so that it is known at every moment.
import { isDeepStrictEqual } from 'node:util'
import type { Log } from '../../src/index'
import { type ModelBatch, ModelLog, type ModelRecord } from '../model/model-log'

/** A state that a crash may bring back. */
interface Past {
  readonly state: ModelLog
  /** What came before it is older. */
  readonly age: number
}

export class TrackedLog {
  readonly log: Log
  /** As it is now. Where it starts the log says itself. */
  model: ModelLog
  /** Deleted; undefined: nobody has tried to. */
  deletion: 'tried' | 'done' | undefined
  /** It was opened although its deletion had resolved. */
  isAgain = false
  /** Somebody has cut it, or tries to. */
  cuts = 0
  rollbacks = 0
  /** Cuts that have been made. */
  age = 0
  /** The log begins no earlier, also after a crash. */
  startPromised: number
  /** It begins no later. */
  startMost: number
  /** Somebody was told that it is on the medium. */
  readonly #durable = new Set<ModelBatch>()
  /** Somebody was told that it is in the file. */
  readonly #written = new Set<ModelBatch>()
  readonly #past: Past[] = []
  /** Compaction may have removed them before what supersedes them was cut off. */
  readonly #superseded = new Set<ModelRecord>()

  constructor(log: Log, model: ModelLog) {
    this.log = log
    this.model = model
    this.startPromised = log.logStartOffset
    this.startMost = log.logStartOffset
    for (const batch of model.batches) if (batch.last < log.recoveryPoint) this.#durable.add(batch)
    log.onTruncated((endOffset) => this.#cut(endOffset))
    log.onRollback(({ endOffset }) => this.#takeBack(endOffset))
    log.onPoisoned(() => this.#takeBack(log.writtenOffset))
  }

  get compacts(): boolean {
    return this.log.options.cleanupPolicy !== 'delete'
  }

  /** Nothing of it has to be there after a crash. */
  get owesNothing(): boolean {
    return this.#durable.size === 0 && this.startPromised === 0
  }

  append(batches: readonly ModelBatch[]): void {
    const [first] = batches
    if (first!.base !== this.model.end) {
      throw new Error(`appended at ${first!.base}, behind ${this.model.end}`)
    }
    this.model = this.model.append(batches)
  }

  /** All of `state` that is there still and lies below `offset` is that safe. */
  promise(safety: 'durable' | 'written', offset: number, state = this.model): void {
    // Nothing of it has to outlive a crash in the middle of its deletion.
    if (this.deletion !== undefined) return
    for (const batch of state.batches) {
      if (batch.last >= offset || !this.model.batches.includes(batch)) continue
      this.#written.add(batch)
      if (safety === 'durable') this.#durable.add(batch)
    }
  }

  promiseStart(offset: number): void {
    if (this.deletion !== undefined) return
    this.startPromised = Math.max(this.startPromised, offset)
  }

  /**
   * Somebody begins to cut at `offset`: what lies behind may be gone. Answers what takes that back,
   * if nothing was cut.
   */
  beginCut(offset: number): () => void {
    this.cuts++
    const behind = [...this.#durable].filter(({ last }) => last >= offset)
    const written = [...this.#written].filter(({ last }) => last >= offset)
    const { startPromised, age } = this
    for (const batch of behind) this.#durable.delete(batch)
    for (const batch of written) this.#written.delete(batch)
    this.startPromised = Math.min(startPromised, offset)
    return () => {
      if (this.age !== age) return
      for (const batch of behind) this.#durable.add(batch)
      for (const batch of written) this.#written.add(batch)
      this.startPromised = Math.max(this.startPromised, startPromised)
    }
  }

  /** A cut is durable that was made when the log had this age: older states never come back. */
  settleCut(offset: number, age: number): void {
    const left = this.#past.filter(
      (past) => past.age > age || past.state.batches.every(({ last }) => last < offset),
    )
    this.#past.splice(0, Infinity, ...left)
  }

  /** Why the log cannot hold `found`, as read while nothing was under way. */
  whyNotRead(found: ModelLog): string | undefined {
    const { log, model } = this
    if (found.end !== model.end) return `it ends at ${found.end}, not ${model.end}`
    if (log.logEndOffset !== found.end) return `${log.logEndOffset - found.end} are not written`
    return this.#whyNotStart(found) ?? this.#whyNot(model, found, log.recoveryPoint)
  }

  /** Why a new start cannot have found this; `durableOffset`: what it was synced up to at most. */
  whyNotFound(found: ModelLog, outcome: string, durableOffset: number): string | undefined {
    const problems: string[] = []
    const past = this.#past.map(({ state }) => state)
    const states = outcome === 'clean' ? [this.model] : [this.model, ...past]
    const owed = ['keep-unsynced', 'clean'].includes(outcome) ? this.#written : this.#durable
    for (const state of states) {
      const problem = this.#whyNotStart(found) ?? this.#whyNotEnd(state, found, { outcome, owed })
      const other = problem ?? this.#whyNot(state, found, durableOffset)
      if (other === undefined) return undefined
      problems.push(other)
    }
    return problems.join('; ')
  }

  #whyNotStart({ start }: ModelLog): string | undefined {
    const { startPromised } = this
    // Only a cut moves it back: a start that a crash brings was that of the log before, whatever
    // was said to who moved it.
    const startMost = this.cuts > 0 ? this.startMost : this.log.logStartOffset
    if (start >= startPromised && start <= startMost) return undefined
    return `it starts at ${start}, not within ${startPromised} to ${startMost}`
  }

  #whyNotEnd(
    state: ModelLog,
    { end }: ModelLog,
    { outcome, owed }: { outcome: string; owed: ReadonlySet<ModelBatch> },
  ): string | undefined {
    if (end > state.end) return `it ends at ${end}, not ${state.end}`
    if (outcome === 'clean' && end !== state.end) return `it ends at ${end}, not ${state.end}`
    const lost = [...owed].find((batch) => batch.last >= end || !state.batches.includes(batch))
    if (lost !== undefined) return `${lost.base} to ${lost.last} was promised, it ends at ${end}`
    const divided = state.batches.find(({ base, last }) => base < end && last >= end)
    return divided && `it ends at ${end}, within the batch at ${divided.base}`
  }

  /** `found` ends where `state` has the end of a batch. */
  #whyNot(state: ModelLog, found: ModelLog, durableOffset: number): string | undefined {
    const latest = new Map<string | null, number>()
    for (const { key, offset } of state.records) {
      if (offset < durableOffset) latest.set(key, offset)
    }
    const left = new Map(found.batches.map((batch) => [batch.base, batch]))
    for (const batch of state.batches) {
      if (batch.last < found.start || batch.base >= found.end) continue
      const there = left.get(batch.base)
      left.delete(batch.base)
      if (there !== undefined && isDeepStrictEqual(there, batch)) continue
      if (!this.compacts) return `the batch at ${batch.base} is not there as it was appended`
      const gone = batch.records.filter(
        (record) => there?.records.some((other) => isDeepStrictEqual(other, record)) !== true,
      )
      if (there !== undefined && there.records.length + gone.length !== batch.records.length) {
        return `the batch at ${batch.base} has other records`
      }
      const wrongly = gone.find(
        (record) => !this.#superseded.has(record) && latest.get(record.key)! <= record.offset,
      )
      if (wrongly !== undefined) return `compaction has lost ${wrongly.offset}`
    }
    const [unknown] = left.keys()
    return unknown === undefined ? undefined : `nobody has appended the batch at ${unknown}`
  }

  /** All that is cut was on the medium, and may be again. */
  #cut(endOffset: number): void {
    const latest = new Map(this.model.records.map(({ key, offset }) => [key, offset]))
    for (const record of this.model.records) {
      if (latest.get(record.key)! > record.offset) this.#superseded.add(record)
    }
    this.#takeBack(endOffset)
    this.startPromised = Math.min(this.startPromised, endOffset)
  }

  #takeBack(endOffset: number): void {
    this.rollbacks++
    this.#past.push({ state: this.model, age: ++this.age })
    const batches = this.model.batches.filter(({ last }) => last < endOffset)
    this.model = new ModelLog({ batches, start: 0, end: endOffset })
    for (const batch of this.#durable) if (batch.last >= endOffset) this.#durable.delete(batch)
    for (const batch of this.#written) if (batch.last >= endOffset) this.#written.delete(batch)
  }
}
