import { basename, dirname, join } from 'node:path'
import { type BatchFormat, tryDescribe } from './batch-format.js'
import { readWholeFile } from './checkpoint-file.js'
import { type DumpLine, line, problem } from './dump-line.js'
import { dumpSnapshot, dumpTransactionIndex } from './dump-producers.js'
import { StoreError } from './errors.js'
import { parseSegmentFileName, segmentFileName, segmentSuffixes } from './file-names.js'
import { frameFormat } from './frame-format.js'
import { readRange, type FileHandle, type FileSystem } from './fs/file-system.js'
import { nodeFileSystem } from './fs/node-file-system.js'
import { decodeOffsetIndex } from './offset-index.js'
import { decodeTimeIndex } from './time-index.js'

export interface DumpOptions {
  /** Default: the machine's disks. */
  readonly fileSystem?: FileSystem
  /** Default: the frame format. */
  readonly format?: BatchFormat
  /** Print the records of each batch, when the format can tell them apart. */
  readonly records?: boolean
  /**
   * Says more of a sound batch than its format can: `text` goes to the end of its line, `records`
   * are the lines of its
   * records, instead of the format's own. What it throws ends the dump.
   */
  readonly describeBatch?: (batch: Uint8Array) => {
    readonly text?: string
    readonly records?: Iterable<string>
  }
  /** Only problems and the summary. */
  readonly quiet?: boolean
}

const pieceBytes = 1024 ** 2
/** Give up on a file after so many bad batches: it is not one of ours. */
const maxProblems = 100

/**
 * Prints a `.log`, `.index`, `.timeindex`, `.snapshot` or `.txnindex` file line by line and checks
 * it: checksums, order, and that index entries point at the batch they name. Throws
 * KFK_STORE_NOT_FOUND, _INVALID_ARGUMENT.
 */
export async function* dumpSegment(
  path: string,
  options: DumpOptions = {},
): AsyncGenerator<DumpLine, void, undefined> {
  const fileSystem = options.fileSystem ?? nodeFileSystem
  const parsed = parseSegmentFileName(basename(path))
  if (parsed === undefined) {
    throw new StoreError('KFK_STORE_INVALID_ARGUMENT', `${path} is not named like a segment file`)
  }
  if ((await fileSystem.stat(path)) === undefined) {
    throw new StoreError('KFK_STORE_NOT_FOUND', `there is no ${path}`)
  }
  const format = options.format ?? frameFormat
  const context = { fileSystem, format, path, baseOffset: parsed.baseOffset, options }
  if (parsed.suffix === segmentSuffixes.log) yield* dumpLog(context)
  else if (parsed.suffix === segmentSuffixes.offsetIndex) yield* dumpOffsetIndex(context)
  else if (parsed.suffix === segmentSuffixes.timeIndex) yield* dumpTimeIndex(context)
  else if (parsed.suffix === segmentSuffixes.producerSnapshot) yield* dumpSnapshot(context)
  else if (parsed.suffix === segmentSuffixes.transactionIndex) yield* dumpTransactionIndex(context)
  else throw new StoreError('KFK_STORE_INVALID_ARGUMENT', `cannot dump a ${parsed.suffix} file`)
}

interface DumpContext {
  readonly fileSystem: FileSystem
  readonly format: BatchFormat
  readonly path: string
  readonly baseOffset: number
  readonly options: DumpOptions
}

const counted = (count: number, thing: string, plural = 's') =>
  `${count} ${thing}${count === 1 ? '' : plural}`

async function* dumpLog(context: DumpContext): AsyncGenerator<DumpLine, void, undefined> {
  const { fileSystem, format, path, baseOffset, options } = context
  const handle = fileSystem.open(path, 'read')
  try {
    const sizeBytes = handle.size()
    let position = 0
    let nextOffset = baseOffset
    let batches = 0
    let records = 0
    let problems = 0
    yield line(`log ${path}, base offset ${baseOffset}, ${sizeBytes} bytes, ${format.name} batches`)
    while (position < sizeBytes && problems < maxProblems) {
      const bytes = await batchAt(handle, format, { position, sizeBytes })
      if (typeof bytes === 'string') {
        problems++
        yield problem(`at ${position}: ${bytes}; ${sizeBytes - position} bytes follow`)
        break
      }
      const batch = format.describe(bytes, 0)
      const reasons = [
        format.check(bytes, 0),
        batch.baseOffset < nextOffset ? `offset ${nextOffset} was due` : undefined,
      ].filter((reason) => reason !== undefined)
      const text = `position ${position} size ${batch.sizeInBytes} offsets ${batch.baseOffset}..${batch.lastOffset} records ${batch.recordCount} epoch ${batch.leaderEpoch} maxTimestamp ${batch.maxTimestamp}`
      if (reasons.length > 0) {
        problems++
        yield problem(`${text}: ${reasons.join('; ')}`)
      } else if (options.quiet !== true) {
        const more = options.describeBatch?.(bytes)
        yield line(more?.text === undefined ? text : `${text} ${more.text}`)
        if (options.records === true) yield* dumpRecords(format, bytes, more?.records)
      }
      batches++
      records += batch.recordCount
      nextOffset = batch.lastOffset + 1
      position += batch.sizeInBytes
    }
    yield line(
      [
        counted(batches, 'batch', 'es'),
        counted(records, 'record'),
        `next offset ${nextOffset}`,
        counted(problems, 'problem'),
      ].join(', '),
    )
  } finally {
    handle.close()
  }
}

function* dumpRecords(
  format: BatchFormat,
  bytes: Uint8Array,
  described: Iterable<string> | undefined,
): Generator<DumpLine> {
  if (described !== undefined) {
    for (const text of described) yield line(`  ${text}`)
    return
  }
  for (const record of format.records?.iterate(bytes) ?? []) {
    const key = record.key === null ? '-' : JSON.stringify(Buffer.from(record.key).toString())
    const mark = record.tombstone ? ' tombstone' : ''
    yield line(`  offset ${record.offset} timestamp ${record.timestamp} key ${key}${mark}`)
  }
}

/** The whole batch, or why there is none. */
async function batchAt(
  handle: FileHandle,
  format: BatchFormat,
  at: { position: number; sizeBytes: number },
): Promise<Uint8Array | string> {
  const left = at.sizeBytes - at.position
  const piece = await readRange(handle, at.position, Math.min(left, Math.min(pieceBytes, 65_536)))
  const size = piece.length < format.headerBytes ? -1 : format.sizeOf(piece, 0)
  if (size === 0) return 'zero-filled space'
  if (size < 0) return 'no batch header'
  if (size > left) return `batch of ${size} bytes is cut short`
  if (tryDescribe(format, piece, 0) === undefined) return 'impossible batch header'
  if (size <= piece.length) return piece.subarray(0, size)
  return readRange(handle, at.position, size)
}

async function* dumpOffsetIndex(context: DumpContext): AsyncGenerator<DumpLine, void, undefined> {
  const { fileSystem, format, path, baseOffset, options } = context
  const bytes = (await readWholeFile(fileSystem, path)) ?? new Uint8Array(0)
  const logPath = join(dirname(path), segmentFileName(baseOffset, segmentSuffixes.log))
  const logSize = (await fileSystem.stat(logPath))?.sizeBytes
  yield line(`offset index ${path}, base offset ${baseOffset}, ${bytes.length} bytes`)
  const index = decodeOffsetIndex(bytes, logSize ?? Number.MAX_SAFE_INTEGER)
  if (index === undefined) {
    yield problem('not an index of this log: sizes or order are impossible')
    return
  }
  const log = logSize === undefined ? undefined : fileSystem.open(logPath, 'read')
  try {
    for (let entry = 0; entry < index.count; entry++) {
      const offset = baseOffset + index.relativeOffsetAt(entry)
      const position = index.positionAt(entry)
      const found = log && (await batchAt(log, format, { position, sizeBytes: logSize! }))
      if (found !== undefined && typeof found !== 'string') {
        const { lastOffset } = format.describe(found, 0)
        if (lastOffset !== offset) {
          yield problem(
            `offset ${offset} position ${position}: the batch there ends at ${lastOffset}`,
          )
          continue
        }
      } else if (found !== undefined)
        yield problem(`offset ${offset} position ${position}: ${found}`)
      if (options.quiet !== true) yield line(`offset ${offset} position ${position}`)
    }
  } finally {
    log?.close()
  }
  yield line(index.count === 1 ? '1 entry' : `${index.count} entries`)
}

async function* dumpTimeIndex(context: DumpContext): AsyncGenerator<DumpLine, void, undefined> {
  const { fileSystem, path, baseOffset, options } = context
  const bytes = (await readWholeFile(fileSystem, path)) ?? new Uint8Array(0)
  yield line(`time index ${path}, base offset ${baseOffset}, ${bytes.length} bytes`)
  const index = decodeTimeIndex(bytes)
  if (index === undefined) {
    yield problem('not a time index: sizes or order are impossible')
    return
  }
  const batches = await largestTimestamps(context)
  for (let entry = 0; entry < index.count; entry++) {
    const offset = baseOffset + index.relativeOffsetAt(entry)
    const timestamp = index.timestampAt(entry)
    const text = `timestamp ${timestamp} offset ${offset}`
    if (batches !== undefined && batches.get(offset) !== timestamp) {
      yield problem(`${text}: no batch ends there with this as its largest timestamp`)
    } else if (options.quiet !== true) yield line(text)
  }
  yield line(index.count === 1 ? '1 entry' : `${index.count} entries`)
}

/**
 * Largest timestamp by last offset of each batch; undefined when there is no log to compare with.
 */
async function largestTimestamps(context: DumpContext): Promise<Map<number, number> | undefined> {
  const { fileSystem, format, path, baseOffset } = context
  const logPath = join(dirname(path), segmentFileName(baseOffset, segmentSuffixes.log))
  const sizeBytes = (await fileSystem.stat(logPath))?.sizeBytes
  if (sizeBytes === undefined) return undefined
  const found = new Map<number, number>()
  const log = fileSystem.open(logPath, 'read')
  try {
    for (let position = 0; position < sizeBytes;) {
      const bytes = await batchAt(log, format, { position, sizeBytes })
      if (typeof bytes === 'string') break
      const batch = format.describe(bytes, 0)
      found.set(batch.lastOffset, batch.maxTimestamp)
      position += batch.sizeInBytes
    }
  } finally {
    log.close()
  }
  return found
}
