// How much of a proof is gone through: all of it with `KFK_PROOFS=full`, as in CI, else a sample, in
// seconds. The sample is the same every time, and most planted bugs are found by it. `KFK_PROOFS=all`
// also has what takes too long for CI.

export const isEverything = process.env['KFK_PROOFS'] === 'all'
export const isFull = isEverything || process.env['KFK_PROOFS'] === 'full'

/** Prime, so that a sample of bits has every bit of a byte, and one of bytes every place of a field. */
const every = 23

/** Whether the sample has case number `n`. The full proof has all of them. */
export function isTaken(n: number): boolean {
  return isFull || n % every === 0
}

/** Those whose numbers, counted from 0, are taken. */
export function* sampled<Case>(cases: Iterable<Case>): Generator<Case> {
  let n = 0
  for (const one of cases) {
    if (isTaken(n++)) yield one
  }
}

/** How many of `all` cases are gone through at least: all of them in the full proof. */
export function atLeastOf(all: number): number {
  return isFull ? all : Math.floor(all / (every + 2))
}

/** The full proof's number of rounds, or the sample's. */
export function rounds(full: number, sample: number): number {
  return isFull ? full : sample
}
