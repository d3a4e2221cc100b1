/**
 * Names kept apart in one table of a partition; what comes later is counted together as {@link
 * others}.
 */
export const maxNames = 50_000
export const others = '(others)'

/** The stored form: counts and the offset up to which they count, as one value. */
export interface StoredCounts {
  readonly nextOffset: number
  readonly total: number
  readonly minutes: Readonly<Record<string, number>>
  readonly names: Readonly<Record<string, number>>
}

/** What is counted of one event. */
export interface Countable {
  /** ISO 8601; the minute is its first 16 characters. */
  readonly time: string
  /** The page, or the words of the search. */
  readonly name: string
}

/**
 * Counts of one partition: a function of its records below `nextOffset` and of nothing else.
 * Whoever applies the same records gets the same counts, so it does not matter how many members
 * have counted, or died, before.
 */
export class PartitionCounts {
  nextOffset = 0
  total = 0
  readonly minutes = new Map<string, number>()
  readonly names = new Map<string, number>()

  static from(stored: StoredCounts | undefined): PartitionCounts {
    const counts = new PartitionCounts()
    if (stored) {
      counts.nextOffset = stored.nextOffset
      counts.total = stored.total
      for (const [minute, count] of Object.entries(stored.minutes))
        counts.minutes.set(minute, count)
      for (const [name, count] of Object.entries(stored.names)) counts.names.set(name, count)
    }
    return counts
  }

  /** Counts a record, unless it has been counted before. Returns whether it was new. */
  apply(offset: number, event: Countable): boolean {
    if (offset < this.nextOffset) return false
    this.nextOffset = offset + 1
    this.total += 1
    count(this.minutes, event.time.slice(0, 16))
    count(this.names, event.name)
    return true
  }

  stored(): StoredCounts {
    const { nextOffset, total } = this
    const minutes = Object.fromEntries(this.minutes)
    return { nextOffset, total, minutes, names: Object.fromEntries(this.names) }
  }
}

function count(table: Map<string, number>, name: string): void {
  const known = table.get(name)
  if (known !== undefined) table.set(name, known + 1)
  else if (table.size < maxNames) table.set(name, 1)
  else table.set(others, (table.get(others) ?? 0) + 1)
}

/** The largest entries over several tables, largest first; equal ones by name. */
export function largest(
  tables: Iterable<ReadonlyMap<string, number>>,
  howMany: number,
): [name: string, count: number][] {
  const sums = new Map<string, number>()
  for (const table of tables) {
    for (const [name, value] of table) sums.set(name, (sums.get(name) ?? 0) + value)
  }
  return [...sums]
    .sort(([nameA, a], [nameB, b]) => b - a || (nameA < nameB ? -1 : 1))
    .slice(0, howMany)
}
