import { eventTimeOf, Unplaceable } from './event-time.js'
import { LoaderError } from './errors.js'
import type { OutputFormat, SourceRecord } from './formats/output-format.js'
import { HourFiles } from './hour-files.js'
import { imbalance, type Manifest } from './manifest.js'
import type { Split } from './plan.js'
import { readRange, type RangeReaderOptions } from './range-reader.js'
import type { Target } from './target.js'

export interface SplitCopyOptions extends RangeReaderOptions {
  readonly target: Target
  readonly format: OutputFormat
  readonly timeField: readonly string[] | undefined
  readonly compress: boolean
  readonly maxOpenFiles: number
  readonly run: string
  readonly nowMs: number
  /** Called after each batch with the number of offsets that it has covered. */
  readonly onOffsets: (offsets: number) => void
}

/**
 * Copies a split to staging and returns the manifest that commits it. Until that is in its place,
 * nothing of it counts. Counts are balanced: every offset is a written record, a rejected one, or
 * no record at all.
 */
export async function copySplit(options: SplitCopyOptions, split: Split): Promise<Manifest> {
  const { target, format, compress, maxOpenFiles, run, signal } = options
  const extension = `${format.extension}${compress ? '.gz' : ''}`
  const files = new HourFiles({
    target,
    split,
    run,
    extension,
    compress,
    maxOpen: maxOpenFiles,
    signal,
  })
  try {
    const counts = { records: 0, rejected: 0 }
    let position = split.from
    for await (const { records, nextOffset } of readRange(options, split)) {
      for (const record of records) {
        const source = { topic: split.topic, partition: split.partition, record }
        const placed = place(options, source)
        const rejected = placed instanceof Unplaceable
        const wait = rejected
          ? files.reject(rejectedLine(source, placed.message))
          : files.add(placed.timeMs, placed.line)
        counts[rejected ? 'rejected' : 'records'] += 1
        if (wait !== undefined) await wait
      }
      options.onOffsets(nextOffset - position)
      position = nextOffset
    }
    const control = split.to - split.from - counts.records - counts.rejected
    const closed = await files.close()
    return balanced({
      ...manifestOf(options, split),
      ...counts,
      control,
      missing: 0,
      files: closed,
    })
  } catch (error) {
    await files.abort()
    throw error
  }
}

/** The manifest for offsets that the log no longer has. */
export function missingManifest(
  options: Pick<SplitCopyOptions, 'topicId' | 'run' | 'nowMs'>,
  split: Split,
): Manifest {
  const missing = split.to - split.from
  return { ...manifestOf(options, split), records: 0, rejected: 0, control: 0, missing, files: [] }
}

function manifestOf(
  { topicId, run, nowMs }: Pick<SplitCopyOptions, 'topicId' | 'run' | 'nowMs'>,
  split: Split,
) {
  const { topic, partition, from, to } = split
  return { version: 1, topic, topicId, partition, from, to, run, createdMs: nowMs } as const
}

function balanced(manifest: Manifest): Manifest {
  const problem = imbalance(manifest)
  if (problem === undefined) return manifest
  const { topic, partition, from, to } = manifest
  const message = `${topic}-${partition} [${from}, ${to}): ${problem}`
  throw new LoaderError('KFK_LOADER_UNBALANCED', message, { details: { manifest } })
}

function place(
  { format, timeField }: SplitCopyOptions,
  source: SourceRecord,
): { line: Uint8Array; timeMs: number } | Unplaceable {
  try {
    const { bytes: line, value } = format.encode(source)
    return { line, timeMs: eventTimeOf(source.record, value, timeField) }
  } catch (error) {
    if (error instanceof Unplaceable) return error
    throw error
  }
}

/** Nothing of a rejected record is lost: key and value are kept as base64. */
function rejectedLine({ topic, partition, record }: SourceRecord, reason: string): Uint8Array {
  const { offset, timestamp, key, value } = record
  const line = {
    topic,
    partition,
    offset,
    reason,
    timestamp,
    key: base64(key),
    value: base64(value),
  }
  return Buffer.from(`${JSON.stringify(line)}\n`)
}

function base64(bytes: Uint8Array | null): string | null {
  return bytes === null
    ? null
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')
}
