import { join } from 'node:path'
import { ioError } from './errors.js'
import type { FileCache } from './file-cache.js'
import { despiteShortage } from './handle-shortage.js'
import type { LogHost } from './log-host.js'
import {
  companionFileName,
  deletedSuffix,
  segmentFileName,
  segmentFileNames,
  segmentSuffixes,
} from './file-names.js'
import { poisonUnlessItPasses } from './poisoning.js'
import { Segment } from './segment.js'

/** Creates an empty segment. Not durable. Poisons the directory unless the error passes. */
export function createSegment(host: LogHost, directory: string, baseOffset: number): Segment {
  const createdMs = host.clock.now()
  const segment = new Segment(host.files, { directory, baseOffset, createdMs })
  try {
    segment.create()
    return segment
  } catch (error) {
    const failure = ioError(error, { action: 'create', path: segment.path })
    throw poisonUnlessItPasses(host, failure)
  }
}

/**
 * Makes the index files of a sealed segment durable, after a sync of the directory. A disk that is
 * full is put up with: an index can be rebuilt.
 */
export async function persistIndexes(host: LogHost, segment: Segment): Promise<void> {
  try {
    await segment.persistIndexes()
  } catch (error) {
    const failure = ioError(error, { action: 'write the indexes of', path: segment.path })
    if (!failure.retriable) throw error
    // Half an index could mislead, so there must be none.
    await segment.removeIndexFiles()
    const { message } = failure
    host.report({ kind: 'background-failure', message, details: { path: segment.path, error } })
  }
}

/** Closes the data files, each when nobody reads it any more. */
export function closeSegments(files: FileCache, segments: readonly Segment[]): void {
  for (const { data } of segments) files.whenUnpinned(data, () => files.close(data))
}

/** Takes segments off a log's directory without disturbing whoever still reads them. */
export class SegmentRemover {
  readonly #host: LogHost
  readonly #directory: string
  /** Removals that wait for their delay, by the function that runs them early. */
  readonly #pending = new Map<() => Promise<void>, Segment>()
  /** Segments that were replaced, for names of their own: the base offset may come again. */
  #replaced = 0

  constructor(host: LogHost, directory: string) {
    this.#host = host
    this.#directory = directory
  }

  /** The first step of `discard`, alone: when it fails, nothing has changed. */
  async begin(segment: Segment): Promise<void> {
    const { files, fileSystem } = this.#host
    const path = join(this.#directory, segmentFileName(segment.baseOffset, segmentSuffixes.log))
    // Whoever reads it has no use for either name until it is known which one it has.
    files.pin(segment.data)
    try {
      await fileSystem.rename(path, path + deletedSuffix)
      segment.renamed(deletedSuffix)
    } finally {
      files.unpin(segment.data)
    }
  }

  /** Takes a segment back that was just created, durably. */
  async takeBack(segment: Segment): Promise<void> {
    const { files, fileSystem } = this.#host
    files.close(segment.data)
    await fileSystem.remove(segment.path)
    await this.#syncNames()
  }

  /**
   * Renames the files to `.deleted`, durably, and removes them after `delayMs` or when the last
   * reader has let go, whichever is later. A crash in between leaves `.deleted` files or indexes
   * without data, both of which the next start removes.
   */
  async discard(segments: readonly Segment[], delayMs: number): Promise<void> {
    for (const segment of segments) {
      await this.#rename(segment, { as: deletedSuffix, delayMs, except: [] })
    }
    await this.#syncNames()
  }

  /**
   * The same for segments whose place another one takes, which may have the same base offset. The
   * producer snapshot of that offset stays.
   */
  async discardReplaced(
    segments: readonly Segment[],
    by: { baseOffset: number; delayMs: number },
  ): Promise<void> {
    const { baseOffset, delayMs } = by
    const except = [
      segmentFileName(baseOffset, segmentSuffixes.producerSnapshot),
      companionFileName(baseOffset, '.snapshot-detail'),
    ]
    for (const segment of segments) {
      const as = `.${++this.#replaced}${deletedSuffix}`
      segment.retire(as)
      await this.#rename(segment, { as, delayMs, except })
    }
    await this.#syncNames()
  }

  #syncNames(): Promise<void> {
    return despiteShortage(this.#host, () => this.#host.fileSystem.syncDirectory(this.#directory))
  }

  async #rename(
    segment: Segment,
    plan: { as: string; delayMs: number; except: readonly string[] },
  ): Promise<void> {
    const { fileSystem } = this.#host
    const paths: string[] = []
    for (const [index, name] of segmentFileNames(segment.baseOffset).entries()) {
      if (plan.except.includes(name)) continue
      const path = join(this.#directory, name)
      const isData = index === 0
      if ((await fileSystem.stat(path)) === undefined) {
        // An attempt that failed half way may have come that far.
        if (isData) paths.push(path + plan.as)
        continue
      }
      await fileSystem.rename(path, path + plan.as)
      if (isData) segment.renamed(plan.as)
      paths.push(path + plan.as)
    }
    this.#removeLater(segment, { paths, delayMs: plan.delayMs })
  }

  /** Runs all pending removals now; waits for readers. */
  async finish(): Promise<void> {
    for (const remove of [...this.#pending.keys()]) await remove()
  }

  /** Begins all pending removals now; waits for those that no reader holds up. */
  async hurry(): Promise<void> {
    for (const [remove, { data }] of [...this.#pending]) {
      const removed = remove()
      if (data.pins === 0) await removed
    }
  }

  #removeLater(segment: Segment, plan: { paths: readonly string[]; delayMs: number }): void {
    let removal: Promise<void> | undefined
    const remove = () => {
      timer.cancel()
      removal ??= this.#remove(segment, plan.paths).finally(() => this.#pending.delete(remove))
      return removal
    }
    const timer = this.#host.clock.setTimer(plan.delayMs, () => void remove())
    this.#pending.set(remove, segment)
  }

  async #remove(segment: Segment, paths: readonly string[]): Promise<void> {
    const { files, fileSystem } = this.#host
    await new Promise<void>((resolve) => files.whenUnpinned(segment.data, resolve))
    try {
      files.close(segment.data)
      for (const path of paths) await fileSystem.remove(path)
    } catch (error) {
      // The next start removes what is left.
      this.#host.report({
        kind: 'background-failure',
        message: `cannot remove a deleted segment of ${this.#directory}`,
        details: { paths, error },
      })
    }
  }
}
