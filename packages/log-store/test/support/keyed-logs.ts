// Logs whose records have keys, for tests of compaction.
import { frameFormat, memoryFileSystem, openLogDirectory } from '../../src/index'
import type { FileSystem, Log, LogDirectory, LogDirectoryOptions } from '../../src/index'
import { ManualClock } from './manual-clock'

export interface KeyedLog {
  readonly directory: LogDirectory
  readonly log: Log
  readonly fileSystem: FileSystem
  readonly clock: ManualClock
  /** Messages of all reports. */
  readonly reports: string[]
}

/** Opens `a-0` in `/data`: compacted, with small segments. */
export async function openKeyed(
  options: LogDirectoryOptions & { readonly clock?: ManualClock } = {},
): Promise<KeyedLog> {
  const fileSystem = options.fileSystem ?? memoryFileSystem()
  const clock = options.clock ?? new ManualClock()
  const reports: string[] = []
  const directory = await openLogDirectory('/data', {
    onReport: ({ message }) => reports.push(message),
    ...options,
    fileSystem,
    clock,
    defaults: {
      cleanupPolicy: 'compact',
      segmentBytes: 500,
      indexIntervalBytes: 100,
      ...options.defaults,
    },
  })
  return { directory, log: await directory.open('a-0'), fileSystem, clock, reports }
}

/** Appends one record; a null value is a tombstone. */
export function put(log: Log, key: string | null, value: string | null, timestamp = 1000): number {
  const frame = frameFormat.encode(value, { key, timestamp })
  return log.append(frame, { leaderEpoch: 0 }).baseOffset
}

/** Appends, and starts a new segment, so that all of it can be compacted. */
export async function putAll(
  log: Log,
  records: readonly (readonly [key: string, value: string | null])[],
): Promise<void> {
  for (const [key, value] of records) put(log, key, value)
  log.roll()
  await log.flush()
}

/** `offset key=value` of all records from `from` on. */
export async function contents(log: Log, from = log.logStartOffset): Promise<string[]> {
  const lines: string[] = []
  for (let next = from; next < log.writtenOffset;) {
    const slice = await log.read({ from: next, maxBytes: 300 })
    if (slice.nextOffset <= next) throw new Error(`nothing to read at ${next}`)
    for (const { offset, key, value, tombstone } of frameFormat.decode(slice.bytes)) {
      if (offset < next) continue
      const text = tombstone ? 'null' : Buffer.from(value).toString()
      lines.push(`${offset} ${key === null ? '-' : Buffer.from(key).toString()}=${text}`)
    }
    next = slice.nextOffset
  }
  return lines
}

/** Names in the log's directory. */
export async function filesOf(fileSystem: FileSystem, path = '/data/a-0'): Promise<string[]> {
  return (await fileSystem.list(path)).map(({ name }) => name).sort()
}
