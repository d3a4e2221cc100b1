// How much of what a power cut may leave is looked at.
import type { ChoiceBounds } from './crash-survivals'
import { isFull } from './proofs'

export interface ExplorationBounds extends ChoiceBounds {
  /** Only every so many-th crash point, from the first on. */
  readonly every: number
  /** A crash during the restart, too, for one in so many states. */
  readonly secondCrashEvery: number
  /** After the restart, append, stop cleanly and start again, for one in so many states. */
  readonly goOnEvery: number
}

/** All crash points, as CI has them. */
export const thoroughly: ExplorationBounds = {
  every: 1,
  subsetsOf: 7,
  randomSubsets: 35,
  randomMixtures: 25,
  stride: 2,
  secondCrashEvery: 400,
  goOnEvery: 25,
}

/** A sample of the disks, in seconds. */
const quickly = {
  every: 5,
  subsetsOf: 3,
  randomSubsets: 4,
  randomMixtures: 1,
  stride: 64,
  keptStride: 16,
  secondCrashEvery: 700,
}

/** These bounds, or those of a sample. */
export function asWished(bounds: ExplorationBounds): ExplorationBounds {
  return isFull ? bounds : { ...bounds, ...quickly }
}

/** So many disks an exploration must have seen, of `thorough` that it sees in CI. */
export function atLeast(thorough: number): number {
  return isFull ? thorough : thorough / 100
}
