import { inspect } from 'node:util'
import { StoreError } from './errors.js'
import type { LogDirectoryOptions } from './log-directory.js'

/**
 * Throws KFK_STORE_INVALID_ARGUMENT naming the setting that is not a number from 0 on. Above all
 * NaN, which an absent environment variable gives: no bound would hold, or no sync ever begin.
 */
export function requireNumbers(options: LogDirectoryOptions): void {
  const { maxOpenFiles, hotTailBytes, maxConcurrentSyncs, checkpointMs, retentionCheckMs } = options
  requireEach('', {
    maxOpenFiles,
    hotTailBytes,
    maxConcurrentSyncs,
    checkpointMs,
    retentionCheckMs,
  })
  const { intervalMs, dedupeBufferBytes, ioBytesPerSecond } = options.cleaner ?? {}
  requireEach('cleaner.', { intervalMs, dedupeBufferBytes, ioBytesPerSecond })
  requireEach('scrub.', { ...options.scrub })
}

function requireEach(prefix: string, settings: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(settings)) {
    if (value === undefined || (typeof value === 'number' && value >= 0)) continue
    throw new StoreError(
      'KFK_STORE_INVALID_ARGUMENT',
      `${prefix}${name} takes a number from 0 on, not ${inspect(value)}`,
      { details: { name: `${prefix}${name}`, value } },
    )
  }
}
