import type { LogOptions } from '@kfk/log-store'
import type { ConfigValues } from '../context.js'

/** What the metadata log needs: every append on the medium, nothing ever deleted. */
export const metadataLogOptions: Partial<LogOptions> = {
  flushMessages: 1,
  retentionMs: -1,
  retentionBytes: -1,
  segmentMs: Number.MAX_SAFE_INTEGER,
}

/**
 * The store's settings for a topic, out of its Kafka configs. Internal topics are flushed at each
 * append whatever is configured.
 */
export function logOptions(config: ConfigValues, internal: boolean): Partial<LogOptions> {
  const policy = config.string('cleanup.policy')
  const deletes = policy.includes('delete')
  const compacts = policy.includes('compact')
  return {
    segmentBytes: config.number('segment.bytes'),
    segmentMs: config.long('segment.ms'),
    indexIntervalBytes: config.number('index.interval.bytes'),
    segmentIndexBytes: config.number('segment.index.bytes'),
    retentionMs: deletes ? config.long('retention.ms') : -1,
    retentionBytes: deletes ? config.long('retention.bytes') : -1,
    flushMessages: internal ? 1 : config.long('flush.messages'),
    flushMs: config.long('flush.ms'),
    fileDeleteDelayMs: config.long('file.delete.delay.ms'),
    cleanupPolicy: compacts ? (deletes ? 'compact,delete' : 'compact') : 'delete',
    minCleanableDirtyRatio: config.number('min.cleanable.dirty.ratio'),
    minCompactionLagMs: config.long('min.compaction.lag.ms'),
    maxCompactionLagMs: config.long('max.compaction.lag.ms'),
    deleteRetentionMs: config.long('delete.retention.ms'),
  }
}
