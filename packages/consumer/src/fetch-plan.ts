import type { AssignedPartition } from './assigned-partition.js'

/**
 * Two fetches may be under way at a leader. The `poll` waits there for new records. A partition
 * that has more to give while the poll waits for the others (it was left out because much of it was
 * buffered, or it is new) is fetched by the `rush`, which never waits.
 */
export type FetchKind = 'poll' | 'rush'

export interface PlannedFetch {
  readonly nodeId: number
  readonly kind: FetchKind
  /** Those that wait longest come first: leaders fill the answer in this order. */
  readonly partitions: readonly AssignedPartition[]
  readonly maxBytes: number
  readonly partitionMaxBytes: number
}

export interface FetchPlan {
  readonly fetches: readonly PlannedFetch[]
  /** Partitions that could be fetched if their leader were known. */
  readonly leaderless: readonly AssignedPartition[]
  /** Monotonic time at which a partition can be tried again; Infinity for never. */
  readonly wakeAtMs: number
}

export interface FetchPlanInput {
  readonly partitions: readonly AssignedPartition[]
  readonly nowMs: number
  /** -1 when it is not known. */
  readonly leaderOf: (partition: AssignedPartition) => number
  readonly isUnderWay: (nodeId: number, kind: FetchKind) => boolean
  /** In memory, or asked for and perhaps on the way. */
  readonly takenBytes: number
  readonly limits: {
    readonly maxBytes: number
    readonly partitionMaxBytes: number
    readonly prefetchBytes: number
  }
}

/** A partition with this much fetched ahead waits for the application. */
const ampleBytes = 2 * 1024 * 1024
/**
 * Of the memory for records fetched ahead, what all partitions compete for. Another quarter is kept
 * to give every partition that has nothing a little, whoever else fills the rest; the last one for
 * the batches that are larger.
 */
const sharedPart = 1 / 2
const guaranteedPart = 1 / 4

/** Decides what to fetch now. Pure. */
export function planFetches(input: FetchPlanInput): FetchPlan {
  const { partitions, nowMs, limits } = input
  const sharedBytes = limits.prefetchBytes * sharedPart
  const roomBytes = sharedBytes - input.takenBytes
  const leaders = new Map<number, AssignedPartition[]>()
  const leaderless: AssignedPartition[] = []
  let wakeAtMs = Infinity
  for (const each of partitions) {
    if (!isFetchable(each, roomBytes > 0)) continue
    if (each.notBeforeMs > nowMs) {
      wakeAtMs = Math.min(wakeAtMs, each.notBeforeMs)
      continue
    }
    const leaderId = input.leaderOf(each)
    if (leaderId < 0) leaderless.push(each)
    else {
      const list = leaders.get(leaderId)
      if (list) list.push(each)
      else leaders.set(leaderId, [each])
    }
  }
  // What a poll reserves while it waits must leave room for the rush, and for the other leaders.
  const slots = new Set(partitions.map(input.leaderOf)).size * 2
  let shareBytes = roomBytes
  const fetches = [...leaders].flatMap(([nodeId, led]): PlannedFetch[] => {
    const fetch = choose(input, nodeId, led)
    if (fetch === undefined) return []
    const sized = { ...fetch, ...sizes(input, fetch, Math.min(shareBytes, sharedBytes / slots)) }
    shareBytes -= sized.maxBytes
    return [sized]
  })
  return { fetches, leaderless, wakeAtMs }
}

function isFetchable(partition: AssignedPartition, hasRoom: boolean): boolean {
  const { ready, paused, over, position, failure, fetch, hasRecords, bufferedBytes } = partition
  if (!ready || paused || over || position === undefined) return false
  if (failure !== undefined || fetch !== undefined) return false
  if (partition.isBeyondLog && (hasRecords || partition.busy)) return false
  return hasRoom ? bufferedBytes < ampleBytes : !hasRecords
}

type Chosen = Pick<PlannedFetch, 'nodeId' | 'kind' | 'partitions'>

function choose(
  { isUnderWay }: FetchPlanInput,
  nodeId: number,
  led: readonly AssignedPartition[],
): Chosen | undefined {
  const kind = isUnderWay(nodeId, 'poll') ? 'rush' : 'poll'
  if (isUnderWay(nodeId, kind)) return undefined
  const wanted = kind === 'poll' ? led : led.filter(({ caughtUp }) => !caughtUp)
  if (wanted.length === 0) return undefined
  return { nodeId, kind, partitions: [...wanted].sort((a, b) => a.servedAt - b.servedAt) }
}

function sizes(
  { limits, partitions }: FetchPlanInput,
  fetch: Chosen,
  shareBytes: number,
): Pick<PlannedFetch, 'maxBytes' | 'partitionMaxBytes'> {
  const guaranteedBytes = Math.max(
    1,
    Math.floor((limits.prefetchBytes * guaranteedPart) / partitions.length),
  )
  const hasRoom = shareBytes > 0
  const wantedBytes = hasRoom ? shareBytes : guaranteedBytes * fetch.partitions.length
  return {
    maxBytes: Math.max(1, Math.min(limits.maxBytes, Math.floor(wantedBytes))),
    partitionMaxBytes: hasRoom
      ? limits.partitionMaxBytes
      : Math.min(limits.partitionMaxBytes, guaranteedBytes),
  }
}
