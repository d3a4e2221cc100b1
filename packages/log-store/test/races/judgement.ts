// Which errors a call may end with, by what was under way and what has failed.
import { StoreError } from '../../src/index'
import type { Call } from './history'
import type { TrackedLog } from './tracked-log'

/** What had happened by the time that the call ended. */
export interface Circumstances {
  readonly call: Call
  /** Of the call; undefined: it was not there. */
  readonly tracked: TrackedLog | undefined
  /** The directory is being closed. */
  readonly closing: boolean
  /** Something has failed on the disk. */
  readonly struck: boolean
  /** The log has been deleted, or somebody tries to. */
  readonly deleting: boolean
}

/** Why the call may not have ended so; undefined: it may. */
export function whyNotError(error: unknown, circumstances: Circumstances): string | undefined {
  const { call, tracked, closing, struck, deleting } = circumstances
  if (!(error instanceof StoreError)) return `not an error of the store: ${String(error)}`
  const { code, retriable } = error
  const isCut = (tracked?.cuts ?? 0) > 0
  const givenUp = closing || deleting || (call.kind === 'compact' && retriable)
  if (code === 'KFK_STORE_CLOSED' && givenUp) return undefined
  // What is refused while the log is cut, or taken away.
  if (code === 'KFK_STORE_IO' && retriable && (isCut || deleting)) return undefined
  const isDisks = ['KFK_STORE_IO', 'KFK_STORE_NO_SPACE', 'KFK_STORE_DELAYED'].includes(code)
  if (isDisks && struck) return undefined
  const moved = tracked === undefined || isCut || tracked.rollbacks > 0
  if (code === 'KFK_STORE_OFFSET_OUT_OF_RANGE') {
    if (call.kind === 'read' || (call.kind === 'advance' && moved)) return undefined
  }
  if (code === 'KFK_STORE_NOT_FOUND' && call.kind === 'delete' && deleting) return undefined
  if (code === 'KFK_STORE_INVALID_ARGUMENT' && call.kind === 'compact') return undefined
  return `${code}${retriable ? ' (retriable)' : ''} ${error.message}`
}

/** Checkpoints are written again later: when they fail for a while the directory goes on. */
export function mayPoison(calls: readonly Call[], struck: boolean): boolean {
  if (!struck) return false
  return calls.some(
    (call) =>
      call.kind === 'fail' && (call.error === 'EIO' || !/checkpoint|log-start/.test(call.path)),
  )
}
