/**
 * Small numbers that tell the connections of consumers on one shared client apart: a long poll of
 * one must not hold up another, and a new consumer takes over the connections of a closed one.
 */
const taken = new Set<number>()

/** The lowest number that nobody has. */
export function takeLane(): number {
  let lane = 0
  while (taken.has(lane)) lane += 1
  taken.add(lane)
  return lane
}

export function releaseLane(lane: number): void {
  taken.delete(lane)
}
