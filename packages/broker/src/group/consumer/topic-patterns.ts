import { RE2JS } from 're2js'
import type { ClusterChange, ClusterView } from '../../context.js'
import type { Clock } from '../../runtime/clock.js'
import type { ResolvedRegex } from './consumer-records.js'

/** Longest expression, in UTF-16 units: topic names have 249 at most. */
export const MAX_PATTERN_LENGTH = 1024
/**
 * Bound of length times repetitions, with which the work of compiling grows: `[a-z]{1,249}` is far
 * below it.
 */
const MAX_EXPANSION = 50_000
/** Expressions that are kept for groups; beyond it the oldest that nobody has asked for go. */
const MAX_PATTERNS = 1000
/** Other work gets its turn after this many names of topics, some hundred microseconds. */
const NAMES_PER_TURN = 500

interface Pattern {
  readonly compiled: RE2JS
  readonly topics: Set<string>
  /** Made when somebody asks, until the topics change. */
  resolved: ResolvedRegex | undefined
  /** While the names are looked through for the first time. */
  ready: Promise<void> | undefined
}

/**
 * Which topics match the expressions that groups subscribe by (RE2 syntax, linear time). Each
 * expression is matched against all names once, in slices, and then only against new ones.
 */
export class TopicPatterns {
  readonly #patterns = new Map<string, Pattern>()

  constructor(
    readonly cluster: Pick<ClusterView, 'topics' | 'topic' | 'metadataOffset'>,
    readonly clock: Clock,
  ) {}

  /** What is wrong with the expression; undefined: nothing. */
  problem(source: string): string | undefined {
    return this.#patterns.has(source) ? undefined : patternProblem(source)
  }

  /** Looks up the topics of an expression that has no `problem`; undefined: they are known. */
  prepare(source: string): Promise<void> | undefined {
    const known = this.#patterns.get(source)
    if (known !== undefined) {
      // The last asked for is the last to go.
      this.#patterns.delete(source)
      this.#patterns.set(source, known)
      return known.ready
    }
    const pattern: Pattern = {
      compiled: RE2JS.compile(source),
      topics: new Set(),
      resolved: undefined,
      ready: undefined,
    }
    this.#patterns.set(source, pattern)
    if (this.#patterns.size > MAX_PATTERNS) {
      const [oldest] = this.#patterns.keys()
      this.#patterns.delete(oldest!)
    }
    const looking = this.#lookThrough(pattern)
    if (looking === undefined) return undefined
    pattern.ready = looking.then(() => {
      pattern.ready = undefined
    })
    return pattern.ready
  }

  /** The topics that match now, ascending; undefined: `prepare` has to be called and waited for. */
  matches(source: string): ResolvedRegex | undefined {
    const pattern = this.#patterns.get(source)
    if (pattern === undefined || pattern.ready !== undefined) return undefined
    pattern.resolved ??= {
      topics: [...pattern.topics].sort(),
      version: this.cluster.metadataOffset,
      timestamp: this.clock.now(),
    }
    return pattern.resolved
  }

  /** Topics were created or deleted. */
  changed({ added, removed }: Pick<ClusterChange, 'added' | 'removed'>): void {
    for (const pattern of this.#patterns.values()) {
      for (const { name } of removed) if (pattern.topics.delete(name)) pattern.resolved = undefined
      for (const { name } of added) {
        if (!pattern.compiled.matches(name)) continue
        pattern.topics.add(name)
        pattern.resolved = undefined
      }
    }
  }

  /** Topics that come meanwhile are told by `changed`, those that go are gone when it is over. */
  #lookThrough(pattern: Pattern): Promise<void> | undefined {
    const names = Array.from(this.cluster.topics(), ({ name }) => name)
    let from = 0
    const look = (): boolean => {
      for (const name of names.slice(from, (from += NAMES_PER_TURN))) {
        const exists = this.cluster.topic(name) !== undefined
        if (exists && pattern.compiled.matches(name)) pattern.topics.add(name)
      }
      return from >= names.length
    }
    if (look()) return undefined
    return new Promise((resolve) => {
      const goOn = (): void => {
        if (look()) resolve()
        else this.clock.setTimer(0, goOn)
      }
      this.clock.setTimer(0, goOn)
    })
  }
}

/** What is wrong with a client's expression (RE2 syntax), in Kafka's words; undefined: nothing. */
export function patternProblem(source: string): string | undefined {
  if (source.length > MAX_PATTERN_LENGTH) {
    return `it is longer than ${MAX_PATTERN_LENGTH} characters`
  }
  let repetitions = 1
  for (const [, from, to] of source.matchAll(/\{(\d+)(?:,(\d*))?\}/g)) {
    repetitions += Math.max(Number(from), Number(to ?? 0))
  }
  if (source.length * repetitions > MAX_EXPANSION) return 'it repeats too much'
  try {
    RE2JS.compile(source)
    return undefined
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    // What is wrong, without the prefix and the place: as Kafka's engine words it.
    return message.replace(/^error parsing regexp: /, '').replace(/: `[^]*`$/, '')
  }
}
