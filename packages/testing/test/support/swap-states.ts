/*
 * What a compaction leaves when it is stopped: made of a partition directory before and one after.
 * The order of the steps is Kafka's (LocalLog.replaceSegments).
 */
import { cpSync, readdirSync, renameSync, truncateSync, statSync } from 'node:fs'
import path from 'node:path'

interface Directories {
  readonly before: string
  readonly after: string
  /** Holds what is in `before`, and is changed. */
  readonly target: string
}

const parts = ['.log', '.index', '.timeindex'] as const

/** In order. */
export function segmentBases(dir: string): number[] {
  const found = readdirSync(dir).map((name) => /^(\d{20})\.log$/.exec(name)?.[1])
  const bases = found.filter((digits) => digits !== undefined).map(Number)
  return bases.sort((a, b) => a - b)
}

const file = (dir: string, base: number, suffix: string): string =>
  path.join(dir, `${String(base).padStart(20, '0')}${suffix}`)

/** One replacement: the `at`th new segment, and the old ones whose place it takes. */
class Replacement {
  readonly #dirs: Directories
  readonly #base: number
  readonly #old: readonly number[]

  constructor(dirs: Directories, at: number) {
    this.#dirs = dirs
    const after = segmentBases(dirs.after)
    this.#base = after[at]!
    this.#old = segmentBases(dirs.before).filter(
      (base) => base >= this.#base && base < after[at + 1]!,
    )
    if (this.#old.length < 2) throw new Error(`nothing was merged into ${this.#base}`)
  }

  /** The new segment's files with these endings, each of `.log`, `.index`, `.timeindex`. */
  put(endings: readonly (string | undefined)[]): this {
    const { after, target } = this.#dirs
    for (const [at, ending] of endings.entries()) {
      if (ending === undefined) continue
      const suffix = parts[at]!
      cpSync(file(after, this.#base, suffix), file(target, this.#base, suffix + ending))
    }
    return this
  }

  /** Old files get `.deleted`: `count` of them, segment by segment. */
  delete(count = Infinity): this {
    const { target } = this.#dirs
    let left = count
    for (const base of this.#old) {
      for (const suffix of parts) {
        if (left-- > 0)
          renameSync(file(target, base, suffix), file(target, base, `${suffix}.deleted`))
      }
    }
    return this
  }

  /** The data file with that ending loses its last bytes. */
  tear(ending: string): this {
    const torn = file(this.#dirs.target, this.#base, `.log${ending}`)
    truncateSync(torn, statSync(torn).size - 20)
    return this
  }
}

const cleaned = ['.cleaned', '.cleaned', '.cleaned']
const swap = ['.swap', '.swap', '.swap']

export const swapStates: Readonly<Record<string, (dirs: Directories) => void>> = {
  'cleaned-data-only': (dirs) => new Replacement(dirs, 0).put(['.cleaned']).tear('.cleaned'),
  'cleaned-complete': (dirs) => new Replacement(dirs, 0).put(cleaned),
  'renaming-to-swap': (dirs) => new Replacement(dirs, 0).put(['.swap', '.cleaned', '.cleaned']),
  'swap-and-all-old': (dirs) => new Replacement(dirs, 0).put(swap),
  'swap-and-old-half-deleted': (dirs) => new Replacement(dirs, 0).delete(4).put(swap),
  'swap-and-old-deleted': (dirs) => new Replacement(dirs, 0).delete().put(swap),
  'renaming-to-final': (dirs) => new Replacement(dirs, 0).delete().put(['', '.swap', '.swap']),
  'indexes-first-to-final': (dirs) => new Replacement(dirs, 0).delete().put(['.swap', '', '']),
  'done-but-deleted': (dirs) => new Replacement(dirs, 0).delete().put(['', '', '']),
  'second-swap': (dirs) => {
    new Replacement(dirs, 0).delete().put(['', '', ''])
    new Replacement(dirs, 1).put(swap)
  },
  'second-cleaned': (dirs) => {
    new Replacement(dirs, 0).delete().put(['', '', ''])
    new Replacement(dirs, 1).put(cleaned)
  },
}
