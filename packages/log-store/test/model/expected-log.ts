// What one log of the directory may hold, and what a crash may make of it.
import {
  type CompactionMoment,
  type CompactionTerms,
  leftUndone,
  whyNotCompacted,
} from './compaction-rules'
import { type ModelBatch, ModelLog } from './model-log'
import { noneOf, requireOneOf, requireSame, sameLog } from './requirements'

export class ExpectedLog {
  readonly name: string
  /** One state as a rule; more after a failure, until somebody looks. Undefined: no such log. */
  states: readonly (ModelLog | undefined)[] = [undefined]
  /** What a crash may bring back, for its removal has failed. */
  #unsettled: readonly ModelLog[] = []
  /** Somebody was told that all below is on the medium. */
  #promised = 0
  /** Compactions may run, or have run by half. */
  #compaction: CompactionTerms | undefined

  constructor(name: string) {
    this.name = name
  }

  get model(): ModelLog {
    return this.states[0] ?? ModelLog.empty
  }

  /** It is about to be made anew. */
  create(): void {
    requireOneOf(`${this.name} is gone`, undefined, this.states)
    this.states = [undefined, ModelLog.empty]
    this.#promised = 0
  }

  /** It is there. */
  opened(): void {
    this.states = this.states.filter((state) => state !== undefined)
  }

  append(batches: readonly ModelBatch[]): void {
    // Not where the first batch begins: offsets may be missing before it.
    const { end: before } = this.model
    this.states = [this.model.append(batches)]
    const grown = this.#unsettled.filter(({ end }) => end === before)
    this.#unsettled = grown.map((state) => state.append(batches))
  }

  promise(offset: number): void {
    this.#promised = Math.max(this.#promised, offset)
  }

  /**
   * What had been queued could not be written, and was taken back; that is not on the medium before
   * the next append, so a crash may bring back any part of it.
   */
  rollBack(endOffset: number): void {
    const cuts = (state: ModelLog) => cutsFrom(state, endOffset)
    this.#unsettled = [...this.#unsettled.flatMap(cuts), ...prefixes(this.model, endOffset)]
    this.states = [this.model.truncateTo(endOffset)]
  }

  /** What had not been written is gone for now; at the next opening any part may be there. */
  poison(writtenOffset: number): void {
    this.#unsettled = this.#unsettled.flatMap((state) => cutsFrom(state, writtenOffset))
    const kept = this.states.map((state) => state?.truncateTo(writtenOffset))
    const more = this.states.flatMap((state) => (state ? prefixes(state, writtenOffset) : []))
    this.states = [...kept, ...more, ...this.states]
  }

  /** If `work` fails, the log may be as before, or as after, or `between`. */
  async change(
    after: readonly (ModelLog | undefined)[],
    work: () => Promise<unknown>,
    between: readonly ModelLog[] = [],
  ): Promise<void> {
    const before = this.model
    const unsettled = this.#unsettled
    const logs = after.filter((state) => state !== undefined)
    this.states = [before, ...after]
    this.#unsettled = [...unsettled, before]
    // A cut takes back what was promised, be it done by half.
    this.#promised = Math.min(this.#promised, ...logs.map(({ end }) => end))
    try {
      await work()
    } catch (error) {
      // What failed half way may yet be what a crash leaves: its first steps can be on the medium.
      this.#unsettled = [...this.#unsettled, ...logs, ...between]
      throw error
    }
    // Nothing is made durable by what changes nothing.
    this.#unsettled = after[0] && sameLog(before, after[0]) ? unsettled : []
    this.states = after
  }

  /** Opened after an end that was not clean: what failed half way may show now. */
  reopenUnclean(): void {
    this.states = [...this.states, ...this.#unsettled]
  }

  /** Compactions may begin now. */
  expectCompaction(nowMs: number, deleteRetentionMs: number): void {
    const { fromMs = nowMs, deleteRetentionMs: known = [] } = this.#compaction ?? {}
    this.#compaction = { fromMs, deleteRetentionMs: [...known, deleteRetentionMs] }
  }

  /** All compactions have ended. */
  settleCompaction(): void {
    this.#compaction = undefined
  }

  /** It says that all up to `cleanedTo` is clean. */
  requireCompacted(found: ModelLog, report: { cleanedTo: number; fromMs: number }): void {
    const problem = leftUndone(found, report)
    if (problem !== undefined) throw noneOf(`${this.name} compacted: ${problem}`, found, [])
  }

  /** Answers which state it is, and leaves out the others from now on if `certain`. */
  verify(found: ModelLog, moment: CompactionMoment, certain: boolean): ModelLog {
    const same = this.states.find((state) => state !== undefined && sameLog(state, found))
    const state = same ?? this.#asCompacted('as read', found, this.states, moment)
    if (certain) this.states = [state]
    return state
  }

  /** After a crash: takes what is there for the truth, once it is seen to be possible. */
  adopt(found: ModelLog | undefined, moment: CompactionMoment): void {
    const { name } = this
    if (found === undefined) {
      requireOneOf(`${name} is gone`, undefined, this.states)
      this.states = [undefined]
      return
    }
    const possible = this.states.filter((state) => state !== undefined)
    possible.push(...this.#unsettled)
    this.#unsettled = []
    // Created, and the machine stopped before anything was appended.
    if (possible.length === 0) possible.push(ModelLog.empty)
    const durable = Math.max(this.#promised, moment.durableOffset)
    const lowest = Math.min(durable, ...possible.map(({ end }) => end))
    if (found.end < lowest) throw new Error(`${name} ends at ${found.end}, ${lowest} was durable`)
    const cut = possible.map((state) => state.truncateTo(found.end))
    const same = cut.find((state) => sameLog(state, found))
    this.states = [same ?? this.#asCompacted('as found', found, cut, moment)]
    this.#promised = found.end
    this.settleCompaction()
  }

  requireListed(listed: boolean): void {
    if (this.states.length > 1) return
    requireSame(`${this.name} is listed`, listed, this.states[0] !== undefined)
  }

  /** Takes for the truth what compaction may have made of one of the states. */
  #asCompacted(
    what: string,
    found: ModelLog,
    states: readonly (ModelLog | undefined)[],
    moment: CompactionMoment,
  ): ModelLog {
    const terms = this.#compaction
    if (terms === undefined) throw noneOf(`${this.name} ${what}`, found, states)
    const problems: string[] = []
    for (const state of states) {
      if (state === undefined) continue
      const problem = whyNotCompacted(state, found, { ...terms, ...moment })
      if (problem !== undefined) problems.push(problem)
      // Nobody sees what lies below the start, but it may be there, and a cut may meet it.
      else return state.withVisible(found.batches)
    }
    throw noneOf(`${this.name} ${what}, compacted (${problems.join('; ')})`, found, states)
  }
}

/** The log cut at `from`, and as it was after each batch behind it. */
function cutsFrom(state: ModelLog, from: number): ModelLog[] {
  return state.end > from ? [state.truncateTo(from), ...prefixes(state, from)] : [state]
}

/** The log as it was after each of the batches that end behind `from`. */
function prefixes(state: ModelLog, from: number): ModelLog[] {
  const later = state.batches.filter(({ last }) => last >= from)
  return later.map(({ last }) => state.truncateTo(last + 1))
}
