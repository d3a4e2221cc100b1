import { type LogMessage, onStoreMessage, type StoreMessages } from './diagnostics.js'
import { StoreMetrics, type StoreMetricsSnapshot } from './store-metrics.js'

/** Counters and histograms of what has been told since they were asked for. */
export interface CollectedMetrics {
  snapshot(): StoreMetricsSnapshot
  /** Listens no more; what was collected stays. */
  stop(): void
}

/**
 * Listens on the channels and keeps the counters and histograms of `directory.stats()` of all logs
 * of the process, or of those that `only` lets through: of one log, one directory. Without it
 * nothing is told, and nothing costs.
 */
export function collectStoreMetrics(
  options: { readonly only?: (message: LogMessage) => boolean } = {},
): CollectedMetrics {
  const { only } = options
  const metrics = new StoreMetrics()
  const stops: (() => void)[] = []
  const on = <Kind extends Exclude<keyof StoreMessages, 'poison'>>(
    kind: Kind,
    note: (message: StoreMessages[Kind]) => void,
  ) => {
    const listener = (message: StoreMessages[Kind]) => {
      if (only === undefined || only(message)) note(message)
    }
    stops.push(onStoreMessage(kind, listener))
  }
  on('append', ({ bytes, records, durationMs }) => metrics.noteWrite(bytes, records, durationMs))
  on('flush', ({ durationMs }) => metrics.noteSync(durationMs))
  on('roll', () => metrics.rolls++)
  on('read', ({ temperature, bytes, durationMs }) => {
    if (temperature === 'hot') metrics.noteHotRead(bytes)
    else if (temperature === 'warm') metrics.noteWarmRead(bytes, durationMs)
    else metrics.noteColdRead(bytes, durationMs)
  })
  on('recovery', (message) =>
    metrics.noteOpen(message.scannedBytes, message.cutBytes, message.durationMs),
  )
  on('compaction', ({ bytesBefore, bytesAfter, durationMs }) =>
    metrics.noteCompaction(bytesBefore - bytesAfter, durationMs),
  )
  on('scrub', ({ bytes, damagedPosition }) =>
    metrics.noteScrub(bytes, damagedPosition !== undefined),
  )
  return {
    snapshot: () => metrics.snapshot(),
    stop: () => {
      for (const stop of stops.splice(0)) stop()
    },
  }
}
