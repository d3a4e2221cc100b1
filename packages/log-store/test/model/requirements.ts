// Comparisons that say what differs, without a test runner.
import { isDeepStrictEqual } from 'node:util'
import type { ModelLog } from './model-log'

/** Batches that lie below the start as a whole may be there still, or not. */
function visible(log: ModelLog): object {
  const batches = log.batches.filter(({ last }) => last >= log.start)
  return { start: log.start, end: log.end, batches }
}

export function sameLog(left: ModelLog, right: ModelLog): boolean {
  return isDeepStrictEqual(visible(left), visible(right))
}

export function requireSame(what: string, found: unknown, expected: unknown): void {
  if (isDeepStrictEqual(found, expected)) return
  throw new Error(`${what}: found ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}`)
}

export function requireOneOf(
  what: string,
  found: ModelLog | undefined,
  states: readonly (ModelLog | undefined)[],
): void {
  const possible = states.some((state) =>
    state === undefined || found === undefined ? state === found : sameLog(state, found),
  )
  if (possible) return
  const text = (log: ModelLog | undefined) => (log ? JSON.stringify(visible(log)) : 'no log')
  throw new Error(`${what}: ${text(found)} is none of\n${states.map(text).join('\n')}`)
}
