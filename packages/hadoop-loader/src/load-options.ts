import type { Client, Logger } from '@kfk/client'
import { silentLogger } from '@kfk/client'
import type { LoaderHooks } from './committer.js'
import { LoaderError } from './errors.js'
import { isTopicName } from './file-layout.js'
import { jsonLines } from './formats/json-lines.js'
import type { OutputFormat } from './formats/output-format.js'
import type { Target } from './target.js'

export interface LoadOptions {
  /** Connections to the cluster; stays the caller's. */
  readonly client: Client
  readonly topics: readonly string[]
  readonly target: Target
  /**
   * Field of the JSON value with the event time, ISO 8601 or milliseconds since 1970; `a.b` looks
   * into objects. Default: the timestamp of the record.
   */
  readonly timeField?: string
  /** Default JSON lines. */
  readonly format?: OutputFormat
  /** Default 'gzip'. */
  readonly compression?: 'gzip' | 'none'
  /** Splits copied at once. Default 4. */
  readonly parallelism?: number
  /** Most offsets of a split. Default 500000. */
  readonly splitRecords?: number
  /** Files open at once, over all splits. Default 64. Each takes up to 128 KiB of memory. */
  readonly maxOpenFiles?: number
  /** Bytes fetched at once for a split. Default 4 MiB. */
  readonly fetchBytes?: number
  /**
   * Go on over records that were deleted before they could be loaded, committing them as missing.
   * Default false: an error.
   */
  readonly skipMissing?: boolean
  /** Staging of loads that died is removed after so long. Default a day. */
  readonly stagingMaxAgeMs?: number
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: LoadProgress) => void
  readonly logger?: Logger
  /** Points at which a test may interrupt a load. */
  readonly hooks?: LoaderHooks
}

export interface LoadProgress {
  /** Offsets copied so far, and those to copy: as many as records, when the log has no holes. */
  readonly records: number
  readonly totalRecords: number
  readonly splitsDone: number
  readonly splits: number
}

const day = 24 * 3_600_000

/** Options with all defaults. @throws LoaderError KFK_LOADER_INVALID_ARGUMENT naming the option */
export function resolveOptions(options: LoadOptions) {
  for (const topic of options.topics) {
    if (!isTopicName(topic)) throw invalid(`${JSON.stringify(topic)} is no topic name`)
  }
  if (options.topics.length === 0) throw invalid('`topics` names no topic')
  const parallelism = positive('parallelism', options.parallelism ?? 4)
  const maxOpenFiles = positive('maxOpenFiles', options.maxOpenFiles ?? 64)
  return {
    client: options.client,
    topics: [...new Set(options.topics)],
    target: options.target,
    timeField: options.timeField?.split('.'),
    format: options.format ?? jsonLines(),
    compress: (options.compression ?? 'gzip') === 'gzip',
    parallelism,
    splitRecords: positive('splitRecords', options.splitRecords ?? 500_000),
    openFilesPerSplit: Math.max(1, Math.floor(maxOpenFiles / parallelism)),
    fetchBytes: positive('fetchBytes', options.fetchBytes ?? 4 * 1024 * 1024),
    skipMissing: options.skipMissing ?? false,
    stagingMaxAgeMs: positive('stagingMaxAgeMs', options.stagingMaxAgeMs ?? day),
    signal: options.signal,
    onProgress: options.onProgress,
    logger: options.logger ?? silentLogger,
    hooks: options.hooks ?? {},
  }
}

export type ResolvedOptions = ReturnType<typeof resolveOptions>

function positive(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value
  throw invalid(`\`${name}\` must be a positive whole number, not ${value}`)
}

function invalid(message: string): LoaderError {
  return new LoaderError('KFK_LOADER_INVALID_ARGUMENT', message)
}
