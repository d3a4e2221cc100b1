import { randomUUID } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { CommitTurns, type CommitTurn } from './commit-turns.js'
import { commitSplit, discardStaged } from './committer.js'
import { LoaderError } from './errors.js'
import { stagingDir } from './file-layout.js'
import { resolveOptions, type LoadOptions, type ResolvedOptions } from './load-options.js'
import { ReportBuilder, type LoadReport } from './load-report.js'
import { openPartitions, reopenPartitions, type LoadedPartition } from './loaded-partitions.js'
import type { Manifest } from './manifest.js'
import { planSplits, type Gap, type LoadPlan, type Split } from './plan.js'
import { forEachAtOnce, runPool } from './pool.js'
import { copySplit, missingManifest } from './split-copy.js'
import { removeOldStaging } from './staging.js'
import { markPassedHours, timePassedByAll } from './success-markers.js'

/**
 * What a load would copy now. Writes and moves nothing.
 * @throws LoaderError, ClientError
 */
export async function planLoad(options: LoadOptions): Promise<LoadPlan> {
  const { client, target, topics, splitRecords, signal: given } = resolveOptions(options)
  const signal = given ?? new AbortController().signal
  const partitions: LoadedPartition[] = []
  for (const topic of topics) {
    partitions.push(
      ...(await openPartitions({ client, target, signal }, topic, { readOnly: true })),
    )
  }
  return planSplits(partitions, splitRecords)
}

/**
 * Copies what is new of the topics into the target, each record exactly once whatever happens: a
 * split is staged, and counts from the moment its manifest is in place (one rename). Killed at any
 * point, the next load goes on; two loads at once share the work. See the README for what a reader
 * sees meanwhile.
 *
 * Rejects with the first error (LoaderError, ClientError); splits committed before it stay
 * committed.
 */
export async function runLoad(options: LoadOptions): Promise<LoadReport> {
  const load = new Load(resolveOptions(options))
  return load.run()
}

/** What is done with one split. */
interface CopyTask {
  readonly split: Split
  readonly of: LoadedPartition
  /** Of the pool: no two tasks at once have the same. */
  readonly slot: number
  readonly turn: CommitTurn
  /** Partitions in which another loader was quicker. */
  readonly contested: Set<LoadedPartition>
}

class Load {
  readonly #options: ResolvedOptions
  readonly #run: string
  readonly #startedMs = Date.now()
  readonly #abort = new AbortController()
  readonly #report: ReportBuilder
  #progress = { records: 0, totalRecords: 0, splitsDone: 0, splits: 0 }

  constructor(options: ResolvedOptions) {
    this.#options = options
    // Every request under way listens to it.
    setMaxListeners(0, this.#abort.signal)
    this.#report = new ReportBuilder(options.topics)
    // Time first, so that staging lists in order; no colon, which HDFS refuses.
    this.#run = `${new Date(this.#startedMs).toISOString().replace(/[:.]/g, '-')}~${randomUUID().slice(0, 8)}`
  }

  async run(): Promise<LoadReport> {
    const { client, target, signal, topics } = this.#options
    const forward = (): void => this.#abort.abort(signal?.reason)
    signal?.throwIfAborted()
    signal?.addEventListener('abort', forward, { once: true })
    try {
      const places = { client, target, signal: this.#abort.signal }
      const byTopic: LoadedPartition[][] = []
      for (const topic of topics) byTopic.push(await openPartitions(places, topic))
      let todo = byTopic.flat()
      while (todo.length > 0) {
        for (const { rolledForward } of todo) this.#report.rolledForward(rolledForward)
        const contested = await this.#round(todo)
        todo = contested.length > 0 ? shuffled(await reopenPartitions(places, contested)) : []
      }
      for (const partitions of byTopic) await this.#finishTopic(partitions)
    } catch (error) {
      // Whoever aborts gets the reason, whichever call it was that ended by it.
      signal?.throwIfAborted()
      throw error
    } finally {
      signal?.removeEventListener('abort', forward)
    }
    return this.#report.build((Date.now() - this.#startedMs) / 1000)
  }

  /**
   * Copies what is missing. Returns the partitions in which another loader was quicker: to be
   * planned again.
   */
  async #round(partitions: readonly LoadedPartition[]): Promise<LoadedPartition[]> {
    const plan = planSplits(partitions, this.#options.splitRecords)
    const byName = new Map(partitions.map((each) => [`${each.topic}/${each.partition}`, each]))
    const of = (split: Split) => byName.get(`${split.topic}/${split.partition}`)!
    const contested = new Set<LoadedPartition>()
    this.#checkGaps(plan.gaps)
    await forEachAtOnce([...plan.beginnings, ...plan.gaps], async (gap) => {
      const partition = of(gap)
      const manifest = missingManifest(this.#manifestOptions(partition), gap)
      if (!(await this.#commit(manifest, partition))) contested.add(partition)
    })
    this.#progress.totalRecords += plan.offsets
    this.#progress.splits += plan.splits.length
    const turns = new CommitTurns()
    const tasks = plan.splits.map((split) => {
      const turn = turns.take(split)
      return (slot: number) => this.#copy({ split, of: of(split), slot, turn, contested })
    })
    await runPool(tasks, this.#options.parallelism, (error) => this.#abort.abort(error))
    return [...contested]
  }

  #checkGaps([gap]: readonly Gap[]): void {
    if (gap === undefined || this.#options.skipMissing) return
    const message =
      `offsets ${gap.from} to ${gap.to - 1} of ${gap.topic}-${gap.partition} were deleted from the log before they were loaded. ` +
      'Load again with skipMissing (--skip-missing) to commit them as missing and go on.'
    throw new LoaderError('KFK_LOADER_GAP', message, { details: { ...gap } })
  }

  async #copy(task: CopyTask): Promise<void> {
    const { split, of, turn, contested } = task
    let committed = false
    let copied = 0
    const onOffsets = (offsets: number): void => {
      copied += offsets
      this.#copied(offsets)
    }
    try {
      if (contested.has(of)) return
      const manifest = await this.#stage(task, onOffsets)
      // False when another loader was quicker at an earlier split of the partition: its end may be
      // another one.
      const mayCommit = await turn.wait()
      if (mayCommit) committed = await this.#commit(manifest, of)
      else await discardStaged(this.#options.target, manifest)
    } catch (error) {
      if (!this.#isGapToSkip(error)) throw error
    } finally {
      turn.end(committed)
      if (committed) this.#progress.splitsDone += 1
      else {
        contested.add(of)
        this.#progress.splits -= 1
        this.#progress.totalRecords -= split.to - split.from
        this.#copied(-copied)
      }
    }
  }

  #stage({ split, of, slot }: CopyTask, onOffsets: (offsets: number) => void): Promise<Manifest> {
    const { client, target, format, timeField, compress, openFilesPerSplit, fetchBytes } =
      this.#options
    const options = {
      ...this.#manifestOptions(of),
      client,
      target,
      format,
      timeField,
      compress,
      maxOpenFiles: openFilesPerSplit,
      fetchBytes,
      lane: `load:${slot}`,
      signal: this.#abort.signal,
      onOffsets,
    }
    return copySplit(options, split)
  }

  /**
   * Retention was quicker than we: planned again, the offsets are a gap that is committed as
   * missing.
   */
  #isGapToSkip(error: unknown): boolean {
    const isGap = error instanceof LoaderError && error.code === 'KFK_LOADER_GAP'
    return isGap && this.#options.skipMissing
  }

  #manifestOptions({ topicId }: LoadedPartition) {
    return { topicId, run: this.#run, nowMs: Date.now() }
  }

  async #commit(manifest: Manifest, { chain }: LoadedPartition): Promise<boolean> {
    const { target, hooks } = this.#options
    const options = { target, hooks, signal: this.#abort.signal }
    if (!(await commitSplit(options, manifest))) return false
    chain.add(manifest)
    this.#report.add(manifest)
    return true
  }

  #copied(offsets: number): void {
    this.#progress.records += offsets
    this.#options.onProgress?.({ ...this.#progress })
  }

  /** Everything is in its place: mark the hours that are over, note how far, sweep up. */
  async #finishTopic(partitions: readonly LoadedPartition[]): Promise<void> {
    const { target, stagingMaxAgeMs } = this.#options
    const [run, signal] = [this.#run, this.#abort.signal]
    const { topic } = partitions[0]!
    const chains = partitions.map(({ chain }) => chain)
    const passedMs = timePassedByAll(partitions)
    if (passedMs !== undefined) {
      await markPassedHours({ target, topic, run, chains, passedMs, signal })
    }
    await forEachAtOnce(chains, (chain) => chain.writeCheckpoint(run, signal))
    await removeOldStaging(target, topic, { nowMs: Date.now(), maxAgeMs: stagingMaxAgeMs, signal })
    await target.delete(stagingDir(topic, run), { signal })
  }
}

/** Loaders that got in each other's way begin at different places. */
function shuffled<T>(items: readonly T[]): T[] {
  const start = Math.floor(Math.random() * items.length)
  return [...items.slice(start), ...items.slice(0, start)]
}
