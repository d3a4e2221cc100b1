// Steps of workloads whose records have keys: puts, compaction, and retention of what is compacted.
import { must, readFrames } from './crash-verify'
import type { WorkloadSession, WorkloadStep } from './crash-workload'

/** Appends `count` records under `keys` keys, by turns, and waits for the acknowledgement. */
export function put(name: string, count: number, keys: number, epoch: number): WorkloadStep {
  return async (session) => {
    const log = await session.log(name)
    for (let n = 0; n < count; n++) session.put(log, epoch, `k${(n * n) % keys}`)
    await log.whenAcknowledged(log.logEndOffset)
  }
}

/** Tombstones for these keys, in a segment that is full with them. */
export function bury(name: string, keys: readonly string[], epoch: number): WorkloadStep {
  return async (session) => {
    const log = await session.log(name)
    for (const key of keys) session.bury(log, epoch, key)
    log.roll()
    await log.whenAcknowledged(log.logEndOffset)
  }
}

/** Compacts all but the active segment; as a log of `cleanupPolicy` delete it is opened again. */
export function compact(name: string): WorkloadStep {
  return async (session) => {
    await compactAs('compact', session, name)
  }
}

/**
 * The same when the time of all tombstones that were compacted before is over: those that are the last
 * of their keys go, too, of which there must be some.
 */
export function compactLater(name: string): WorkloadStep {
  return async (session) => {
    const log = await session.log(name)
    session.clock.advance(log.options.deleteRetentionMs)
    const cleanedTo = await compactAs('compact', session, name)
    const gone = session.puts(name).expired(cleanedTo, session.clock.now())
    must(
      gone.some((offset) => offset >= log.logStartOffset),
      () => `no tombstone of ${name} goes`,
    )
    const found = new Set((await readFrames(log)).map(({ offset }) => offset))
    for (const offset of gone) must(!found.has(offset), () => `the tombstone at ${offset} stays`)
  }
}

/** `compact,delete`: compacts, then leaves `bytes`. */
export function compactAndRetain(name: string, bytes: number): WorkloadStep {
  return async (session) => {
    const log = await session.log(name)
    await compactAs('compact,delete', session, name)
    const before = log.logStartOffset
    log.configure({ cleanupPolicy: 'compact,delete', retentionBytes: bytes })
    const moved = session.history.startMayMove(name)
    await session.directory.applyRetention()
    moved(log.logStartOffset)
    session.history.startMoved(name, log.logStartOffset)
    must(log.logStartOffset > before, () => `nothing of ${name} goes for its size`)
    log.configure({ cleanupPolicy: 'delete', retentionBytes: -1 })
  }
}

/** Answers the offset below which the log is clean. */
async function compactAs(
  cleanupPolicy: 'compact' | 'compact,delete',
  session: WorkloadSession,
  name: string,
): Promise<number> {
  const log = await session.log(name)
  const nowMs = session.clock.now()
  session.history.compacting(name, session.puts(name).needless(nowMs))
  log.configure({ cleanupPolicy })
  const [report] = await session.directory.compact(name)
  session.puts(name).compacted(report!.cleanedTo, nowMs + log.options.deleteRetentionMs)
  log.configure({ cleanupPolicy: 'delete' })
  return report!.cleanedTo
}
