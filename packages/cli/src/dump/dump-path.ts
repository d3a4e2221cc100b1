import type { Stats } from 'node:fs'
import { stat, readdir } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import {
  detectFormat,
  dumpSegment,
  frameFormat,
  nodeFileSystem,
  StoreError,
  type DumpLine,
} from '@kfk/log-store'
import { recordBatchFormat } from '@kfk/protocol'
import { failure } from '../errors.js'
import { batchDescriber } from './describe-batch.js'
import { dumpTextFile, isTextFile } from './text-file.js'

export interface DumpSettings {
  /**
   * How batches are written: Kafka's record batches, or the plain frames of embedded logs. Left
   * out, the files of each log tell.
   */
  readonly format: 'kafka' | 'frame' | undefined
  readonly records: boolean
  /** Only problems and summaries. */
  readonly quiet: boolean
}

const segmentName = /^\d{20}\.(?:log|index|timeindex|snapshot|txnindex)$/
/** Checksums and the rest of other files, checked with those. */
const sideFileName = /^kfk\..*\.(?:crc|snapshot-detail)$/

/**
 * Prints and checks a file, or all files of a partition or data directory.
 * @throws CliError when there is no such path, or it is nothing that can be dumped
 */
export async function* dumpPath(
  path: string,
  settings: DumpSettings,
): AsyncGenerator<DumpLine, void, undefined> {
  const found = await statOf(path)
  if (found.isDirectory()) {
    yield* dumpDirectory(path, settings)
  } else if (isKnown(path)) {
    yield* dumpFile(path, settings)
  } else {
    throw failure(
      `${path} is none of .log, .index, .timeindex, .snapshot, .txnindex and the checkpoint files`,
    )
  }
}

async function* dumpDirectory(
  directory: string,
  settings: DumpSettings,
): AsyncGenerator<DumpLine, void, undefined> {
  const entries = await readdir(directory, { withFileTypes: true })
  entries.sort((left, right) => (left.name < right.name ? -1 : 1))
  for (const entry of entries.filter((each) => each.isFile())) {
    const path = join(directory, entry.name)
    if (isKnown(path)) yield* dumpFile(path, settings)
    else if (!sideFileName.test(entry.name) && !settings.quiet) {
      yield { text: `${path}: not decoded, ${(await stat(path)).size} bytes`, problem: false }
    }
  }
  for (const entry of entries.filter((each) => each.isDirectory())) {
    yield* dumpDirectory(join(directory, entry.name), settings)
  }
}

function isKnown(path: string): boolean {
  return segmentName.test(basename(path)) || isTextFile(basename(path))
}

/** Problems name the file: its lines may be far from the one that does. */
async function* dumpFile(
  path: string,
  settings: DumpSettings,
): AsyncGenerator<DumpLine, void, undefined> {
  try {
    const format = settings.format ?? (await formatOf(path))
    for await (const { text, problem } of linesOf(path, { ...settings, format })) {
      yield problem ? { text: `PROBLEM ${path} ${withoutMark(text)}`, problem } : { text, problem }
    }
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    yield { text: `PROBLEM ${path}: ${error.message}`, problem: true }
  }
}

/** `ENOENT` and the like in words. */
export async function statOf(path: string): Promise<Stats> {
  try {
    return await stat(path)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') throw failure(`there is no ${path}`)
    throw failure(`cannot read ${path}`, { cause })
  }
}

async function formatOf(path: string): Promise<'kafka' | 'frame'> {
  const formats = [recordBatchFormat, frameFormat]
  const found = await detectFormat(nodeFileSystem, resolve(path, '..'), formats)
  return found === frameFormat ? 'frame' : 'kafka'
}

function linesOf(
  path: string,
  { format, records, quiet }: DumpSettings & { format: 'kafka' | 'frame' },
): AsyncIterable<DumpLine> {
  if (!segmentName.test(basename(path))) return dumpTextFile(path, { quiet })
  if (format === 'frame') return dumpSegment(path, { format: frameFormat, records, quiet })
  const topic = topicOf(path)
  const describeBatch = batchDescriber({ topic, records })
  return dumpSegment(path, { format: recordBatchFormat, records, quiet, describeBatch })
}

/** By the directory's name, `<topic>-<partition>`. */
function topicOf(path: string): string {
  return basename(resolve(path, '..')).replace(/-\d+$/, '')
}

function withoutMark(text: string): string {
  return text.replace(/^PROBLEM /, '')
}
