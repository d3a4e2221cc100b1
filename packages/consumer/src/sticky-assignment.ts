import { partitionKey, type TopicPartition } from './topic-partition.js'

/** What the division needs of a member. */
interface StickyMember {
  readonly memberId: string
  readonly topics: readonly string[]
}

/**
 * Divides partitions so that no member has two more than another that could take one from it, and
 * leaves as many as that allows with their owners.
 *
 * @param members in their order; earlier ones get more when it does not come out even
 * @param owners member id by {@link partitionKey}, for partitions that have an owner
 */
export function assignSticky(
  members: readonly StickyMember[],
  partitions: readonly TopicPartition[],
  owners: ReadonlyMap<string, string>,
): Map<string, TopicPartition[]> {
  const result = new Map<string, TopicPartition[]>(members.map(({ memberId }) => [memberId, []]))
  const interested = new Map<string, string[]>()
  for (const { memberId, topics } of members) {
    for (const topic of topics) {
      const list = interested.get(topic)
      if (list) list.push(memberId)
      else interested.set(topic, [memberId])
    }
  }
  const homeless: TopicPartition[] = []
  for (const each of partitions) {
    const owner = owners.get(partitionKey(each))
    if (owner !== undefined && result.has(owner)) result.get(owner)!.push(each)
    else homeless.push(each)
  }
  // Those that few can take go first: they have the least choice.
  homeless.sort((a, b) => choices(interested, a) - choices(interested, b))
  for (const each of homeless) {
    const taker = smallest(interested.get(each.topic) ?? [], result)
    if (taker !== undefined) result.get(taker)!.push(each)
  }
  level(result, interested)
  return result
}

function choices(interested: ReadonlyMap<string, string[]>, { topic }: TopicPartition): number {
  return interested.get(topic)?.length ?? 0
}

function smallest(
  candidates: readonly string[],
  result: ReadonlyMap<string, readonly TopicPartition[]>,
): string | undefined {
  let best: string | undefined
  let size = Infinity
  for (const candidate of candidates) {
    const own = result.get(candidate)!.length
    if (own < size) {
      best = candidate
      size = own
    }
  }
  return best
}

/**
 * Moves single partitions from larger to smaller members until none gains. Each move lowers the sum
 * of squares.
 */
function level(
  result: Map<string, TopicPartition[]>,
  interested: ReadonlyMap<string, string[]>,
): void {
  for (let moved = true; moved;) {
    moved = false
    const bySize = [...result].sort(([, a], [, b]) => b.length - a.length)
    for (const [, own] of bySize) {
      // From the end, so that what was dealt out last moves first.
      for (let index = own.length - 1; index >= 0; index--) {
        const each = own[index]!
        const taker = smallest(interested.get(each.topic) ?? [], result)
        if (taker === undefined || result.get(taker)!.length + 1 >= own.length) continue
        own.splice(index, 1)
        result.get(taker)!.push(each)
        moved = true
      }
    }
  }
}

/**
 * Leaves out what has another owner still: it must be given up first, the next round gives it away
 * (KIP-429).
 */
export function withholdMoved(
  assignment: ReadonlyMap<string, TopicPartition[]>,
  owners: ReadonlyMap<string, string>,
): Map<string, TopicPartition[]> {
  const kept = [...assignment].map(([memberId, partitions]): [string, TopicPartition[]] => [
    memberId,
    partitions.filter((each) => (owners.get(partitionKey(each)) ?? memberId) === memberId),
  ])
  return new Map(kept)
}
