// Steps of workloads that cut a log while it is in use: followed, shortened at its start, waited for.
import { EmbeddedLog } from '../../src/embedded-log'
import { StoreError } from '../../src/index'
import { advanceStart, truncate } from './crash-workload'
import type { WorkloadSession, WorkloadStep } from './crash-workload'
import { settle } from './records'

/** Cuts the last `count` records while the first `forgotten` are forgotten. */
export function truncateWhileAdvancing(
  name: string,
  count: number,
  forgotten: number,
): WorkloadStep {
  return async (session) => {
    const cut = truncate(name, count)(session)
    await Promise.all([cut, advanceStart(name, forgotten)(session)])
  }
}

/**
 * Cuts the last `count` records, and appends as many as soon as it may, which somebody has waited for
 * on the medium since the moment of the cut.
 */
export function truncateAndAppend(name: string, count: number, epoch: number): WorkloadStep {
  return async (session) => {
    const log = await session.log(name)
    let durable: Promise<void> | undefined
    const stop = log.onTruncated((endOffset) => {
      durable ??= log.whenDurable(endOffset + count)
    })
    const cut = truncate(name, count)(session)
    while (durable === undefined) await settle(1)
    stop()
    for (let left = count; left > 0;) {
      if (appended(() => session.append(log, epoch))) left--
      else await settle(1)
    }
    await durable
    session.history.durable(name, log.logEndOffset)
    await cut
  }
}

/** Whether the log takes appends again. */
function appended(append: () => void): boolean {
  try {
    append()
    return true
  } catch (error) {
    if (error instanceof StoreError && error.retriable) return false
    throw error
  }
}

/**
 * Does something that cuts the last `count` records while somebody follows what is on the medium: what
 * he is given is there after a crash.
 */
export function whileFollowed(name: string, count: number, step: WorkloadStep): WorkloadStep {
  return async (session) => {
    const log = await session.log(name)
    const embedded = new EmbeddedLog(session.directory, log, { ownsDirectory: false })
    // What is about to be cut may be given still, and is promised to nobody any more.
    const safe = { below: log.logEndOffset - count }
    const stop = log.onTruncated(() => {
      safe.below = Infinity
    })
    const listening = new AbortController()
    const following = noteGiven(session, name, { embedded, safe, signal: listening.signal })
    await step(session)
    await settle(8)
    listening.abort()
    await following
    stop()
  }
}

async function noteGiven(
  { history }: WorkloadSession,
  name: string,
  followed: { embedded: EmbeddedLog; safe: { below: number }; signal: AbortSignal },
): Promise<void> {
  const { embedded, safe, signal } = followed
  const records = embedded.follow({ durability: 'disk', ifLost: 'skip', signal })
  for await (const { offset } of records) {
    if (offset < safe.below) history.durable(name, offset + 1)
  }
}
