import { randomUUID } from 'node:crypto'
import { writeCheckpoint, latest } from './chain.js'
import { commitSplit, discardStaged } from './committer.js'
import { LoaderError } from './errors.js'
import { hourOf } from './file-layout.js'
import { resolveOptions, type LoadOptions, type ResolvedOptions } from './load-options.js'
import type { Manifest } from './manifest.js'
import { planSplits, type LoadPlan, type Split } from './plan.js'
import { ReportBuilder, type LoadReport } from './load-report.js'
import { runPool } from './pool.js'
import { copySplit, missingManifest } from './split-copy.js'
import { removeOldStaging } from './staging.js'
import { markPassedHours } from './success-markers.js'
import { topicStates, type LoadedState } from './topic-states.js'

/** Plans made after another loader was quicker; each makes progress, so few are needed. */
const maxRounds = 20

/**
 * What a load would copy now. Writes nothing but what rolling earlier commits forward needs.
 * @throws LoaderError, ClientError
 */
export async function planLoad(options: LoadOptions): Promise<LoadPlan> {
  const resolved = resolveOptions(options)
  const signal = resolved.signal ?? new AbortController().signal
  const states: LoadedState[] = []
  for (const topic of resolved.topics) states.push(...(await topicStates(resolved, topic, signal)))
  return planSplits(states, resolved.splitRecords)
}

/**
 * Copies what is new of the topics into the target, each record exactly once whatever happens: a split is staged, and
 * counts from the moment its manifest is in place (one rename). Killed at any point, the next load goes on; two loads at
 * once share the work. See the README for what a reader sees meanwhile.
 *
 * Rejects with the first error (LoaderError, ClientError); splits committed before it stay committed.
 */
export async function runLoad(options: LoadOptions): Promise<LoadReport> {
  const load = new Load(resolveOptions(options))
  return load.run()
}

class Load {
  readonly #options: ResolvedOptions
  readonly #run: string
  readonly #startedMs = Date.now()
  readonly #abort = new AbortController()
  readonly #report: ReportBuilder
  readonly #hours = new Map<string, Set<number>>()
  /** Latest event time of each partition that has any. */
  readonly #times = new Map<string, number>()
  #progress = { records: 0, totalRecords: 0, splitsDone: 0, splits: 0 }

  constructor(options: ResolvedOptions) {
    this.#options = options
    this.#report = new ReportBuilder(options.topics)
    // Time first, so that staging lists in order; no colon, which HDFS refuses.
    this.#run = `${new Date(this.#startedMs).toISOString().replace(/[:.]/g, '-')}~${randomUUID().slice(0, 8)}`
  }

  async run(): Promise<LoadReport> {
    const { signal, topics } = this.#options
    const forward = (): void => this.#abort.abort(signal?.reason)
    signal?.throwIfAborted()
    signal?.addEventListener('abort', forward, { once: true })
    try {
      await this.#rounds()
      for (const topic of topics) await this.#finishTopic(topic)
    } finally {
      signal?.removeEventListener('abort', forward)
    }
    return this.#report.build((Date.now() - this.#startedMs) / 1000)
  }

  /** Plans and copies until a round ends without another loader having been quicker anywhere. */
  async #rounds(): Promise<void> {
    let topics: readonly string[] = this.#options.topics
    for (let round = 0; topics.length > 0; round++) {
      if (round >= maxRounds) {
        const message = `other loads of ${topics.join(', ')} were quicker ${maxRounds} times: let them end`
        throw new LoaderError('KFK_LOADER_TARGET', message, { retriable: true })
      }
      topics = await this.#round(topics)
    }
  }

  /** Returns the topics in which another loader was quicker: they are to be planned again. */
  async #round(topics: readonly string[]): Promise<string[]> {
    const states: LoadedState[] = []
    for (const topic of topics) {
      states.push(...(await topicStates(this.#options, topic, this.#abort.signal)))
    }
    for (const { topic, partition, chain } of states) {
      this.#report.rolledForward(topic, chain.rolledForward)
      if (chain.maxTimeMs !== null) this.#sawTime(topic, partition, chain.maxTimeMs)
    }
    const plan = planSplits(states, this.#options.splitRecords)
    const contested = new Set<string>()
    await this.#commitGaps(plan, states, contested)
    this.#progress.totalRecords += plan.offsets
    this.#progress.splits += plan.splits.length
    const turns = new CommitTurns()
    const tasks = plan.splits.map((split) => {
      const turn = turns.take(split)
      return (slot: number) => this.#copy({ split, slot, states, turn, contested })
    })
    await runPool(tasks, this.#options.parallelism, (error) => this.#abort.abort(error))
    return [...contested]
  }

  async #commitGaps(
    plan: LoadPlan,
    states: readonly LoadedState[],
    contested: Set<string>,
  ): Promise<void> {
    const [gap] = plan.gaps
    if (gap !== undefined && !this.#options.skipMissing) {
      const message =
        `offsets ${gap.from} to ${gap.to - 1} of ${gap.topic}-${gap.partition} were deleted from the log before they were loaded. ` +
        'Load again with skipMissing (--skip-missing) to commit them as missing and go on.'
      throw new LoaderError('KFK_LOADER_GAP', message, { details: { ...gap } })
    }
    for (const each of plan.gaps) {
      const manifest = missingManifest(this.#manifestOptions(each, states), each)
      if (await this.#commit(manifest)) this.#committed(manifest)
      else contested.add(each.topic)
    }
  }

  async #copy(task: {
    split: Split
    slot: number
    states: readonly LoadedState[]
    turn: CommitTurn
    contested: Set<string>
  }): Promise<void> {
    const { split, slot, states, turn, contested } = task
    const { client, target, format, timeField, compress, openFilesPerSplit, fetchBytes } =
      this.#options
    try {
      if (contested.has(split.topic)) return turn.end(false)
      const manifest = await copySplit(
        {
          ...this.#manifestOptions(split, states),
          client,
          target,
          format,
          timeField,
          compress,
          maxOpenFiles: openFilesPerSplit,
          fetchBytes,
          lane: `load:${slot}`,
          signal: this.#abort.signal,
          onRecords: (records) => this.#copied(records),
        },
        split,
      )
      const mayCommit = await turn.wait()
      if (mayCommit && (await this.#commit(manifest))) {
        this.#committed(manifest)
        this.#progress.splitsDone += 1
        turn.end(true)
        return
      }
      // Another loader was quicker here, or at an earlier split of the partition: its end may be another one.
      if (!mayCommit) await discardStaged(target, manifest)
      contested.add(split.topic)
      this.#copied(-manifest.records - manifest.rejected)
      turn.end(false)
    } catch (error) {
      turn.end(false)
      throw error
    }
  }

  #manifestOptions(split: Split, states: readonly LoadedState[]) {
    const state = states.find(
      ({ topic, partition }) => topic === split.topic && partition === split.partition,
    )
    return { topicId: state!.topicId, run: this.#run, nowMs: Date.now() }
  }

  #commit(manifest: Manifest): Promise<boolean> {
    const { target, hooks } = this.#options
    return commitSplit({ target, hooks, signal: this.#abort.signal }, manifest)
  }

  #committed(manifest: Manifest): void {
    const { topic, partition, files } = manifest
    this.#report.add(manifest)
    const hours = this.#hours.get(topic) ?? new Set()
    this.#hours.set(topic, hours)
    for (const { firstTimeMs } of files) if (firstTimeMs !== null) hours.add(hourOf(firstTimeMs))
    const time = latest(null, manifest)
    if (time !== null) this.#sawTime(topic, partition, time)
  }

  #sawTime(topic: string, partition: number, timeMs: number): void {
    const name = `${topic}/${partition}`
    this.#times.set(name, Math.max(timeMs, this.#times.get(name) ?? -Infinity))
  }

  #copied(records: number): void {
    this.#progress.records += records
    this.#options.onProgress?.({ ...this.#progress })
  }

  /** Everything is in its place: note how far, mark the hours that are over, sweep up. */
  async #finishTopic(topic: string): Promise<void> {
    const { target, stagingMaxAgeMs } = this.#options
    const signal = this.#abort.signal
    const states = await topicStates(this.#options, topic, signal)
    for (const { topicId, partition, chain } of states) {
      if (chain.committed === undefined) continue
      const { committed: to, maxTimeMs } = chain
      await writeCheckpoint(
        { target, topic, partition, signal },
        { version: 1, topicId, to, maxTimeMs },
      )
    }
    const hasRecords = states.filter(
      ({ highWatermark, logStartOffset }) => highWatermark > logStartOffset,
    )
    const times = hasRecords.map(
      ({ partition }) => this.#times.get(`${topic}/${partition}`) ?? -Infinity,
    )
    await markPassedHours({
      target,
      topic,
      written: this.#hours.get(topic) ?? new Set(),
      partitionTimes: times,
      run: this.#run,
      signal,
    })
    await removeOldStaging(target, topic, { nowMs: Date.now(), maxAgeMs: stagingMaxAgeMs, signal })
    await target.delete(`_kfk/tmp/${topic}/${this.#run}`, { signal })
  }
}

/** Splits of a partition are copied side by side and committed in order: k only when k-1 has been. */
class CommitTurns {
  readonly #last = new Map<string, Promise<boolean>>()

  take({ topic, partition }: Split): CommitTurn {
    const name = `${topic}/${partition}`
    const turn = new CommitTurn(this.#last.get(name) ?? Promise.resolve(true))
    this.#last.set(name, turn.ended)
    return turn
  }
}

class CommitTurn {
  readonly ended: Promise<boolean>
  #end!: (committed: boolean) => void

  constructor(private readonly before: Promise<boolean>) {
    this.ended = new Promise((resolve) => (this.#end = resolve))
  }

  /** False when an earlier split of the partition was not committed by us. */
  wait(): Promise<boolean> {
    return this.before
  }

  end(committed: boolean): void {
    this.#end(committed)
  }
}
