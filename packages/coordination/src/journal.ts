import { crc32 } from 'node:zlib'
import { CoordinationError } from './coordination-error.js'
import type { Change, Entry } from './coordination.js'
import type { StepJournal } from './embedded-hub.js'
import type { JournalStorage } from './journal-storage.js'
import { checkKey, checkValue } from './limits.js'

/*
 * File format. UTF-8 lines: 8 lower-case hex digits of the CRC-32 of the rest, a space, JSON, line
 * feed. The first line is
 * {"format":"kfk-coordination","formatVersion":1}; every other line
 * {"version":N,"epoch":N,"set":[[key,value,version]...],"delete":[key...]} where version and epoch
 * are the counters after it.
 *
 * Invariant: one write, followed by one fsync, is one line, and a line is written only when the one
 * before is durable. So a crash damages the last line only; damage with a valid line behind it is
 * corruption and refused. Ephemeral entries are never written, but their steps are (as deletions),
 * so that versions and epochs stay monotonic over restarts.
 */

/** Below this size the file is not worth rewriting. */
const MIN_COMPACT_BYTES = 64 * 1024
/**
 * Rewritten when this many times larger than the state: bounds the file and amortises the
 * rewriting.
 */
const COMPACT_FACTOR = 4
/** Entries per line of a rewritten file: bounds the parser's memory per line. */
const ENTRIES_PER_LINE = 1000
const header = { format: 'kfk-coordination', formatVersion: 1 }

/** What a journal holds. */
export interface Kept {
  entries: Entry[]
  version: number
  epoch: number
}

interface JournalLine {
  version: number
  epoch: number
  set: [key: string, value: string, version: number][]
  delete: string[]
}

/** Steps that wait for the disk: of each key only the last change counts. */
interface PendingWrite {
  readonly changes: Map<string, Change>
  counters: { version: number; epoch: number }
}

/** Writes steps in groups: all that came while the last write was under way share the next one. */
export class Journal implements StepJournal {
  private pending: PendingWrite | undefined
  private pendingWrite: Promise<void> | undefined
  private writing: Promise<void> = Promise.resolve()
  private sizeBytes = 0
  private compactAtBytes = MIN_COMPACT_BYTES
  /** The file's end is unknown after a failed write: the next write replaces the whole file. */
  private damaged = false
  private closed = false

  constructor(
    private readonly storage: JournalStorage,
    private readonly snapshot: () => Kept,
  ) {}

  /** Writes the present state as a new file: drops a torn tail and what was overwritten. */
  async rewrite(): Promise<void> {
    const kept = this.snapshot()
    const lines = [encodeLine(header)]
    for (let start = 0; start === 0 || start < kept.entries.length; start += ENTRIES_PER_LINE) {
      const some = kept.entries.slice(start, start + ENTRIES_PER_LINE)
      const set = some.map(({ key, value, version }) => [key, value, version])
      lines.push(encodeLine({ version: kept.version, epoch: kept.epoch, set, delete: [] }))
    }
    const bytes = Buffer.concat(lines)
    await this.storage.replace(bytes)
    this.sizeBytes = bytes.length
    this.compactAtBytes = Math.max(MIN_COMPACT_BYTES, COMPACT_FACTOR * bytes.length)
    this.damaged = false
  }

  append(changes: readonly Change[], counters: { version: number; epoch: number }): Promise<void> {
    const pending = (this.pending ??= { changes: new Map(), counters })
    pending.counters = counters
    for (const change of changes) pending.changes.set(change.key, change)
    this.pendingWrite ??= this.writing = this.writing.catch(() => {}).then(() => this.write())
    return this.pendingWrite
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    await this.writing.catch(() => {})
    this.closed = true
    await this.storage.close()
  }

  private async write(): Promise<void> {
    const { pending } = this
    this.pending = undefined
    this.pendingWrite = undefined
    if (!pending || this.closed) return
    try {
      const bytes = encodeLine(toLine(pending))
      if (this.damaged || this.sizeBytes + bytes.length > this.compactAtBytes) {
        await this.rewrite()
      } else {
        await this.storage.append(bytes)
        this.sizeBytes += bytes.length
      }
    } catch (cause) {
      this.damaged = true
      throw new CoordinationError(
        'KFK_COORDINATION_UNAVAILABLE',
        'the coordination journal could not be written',
        { cause },
      )
    }
  }
}

function toLine({ changes, counters }: PendingWrite): JournalLine {
  const line: JournalLine = { ...counters, set: [], delete: [] }
  for (const { key, entry } of changes.values()) {
    // A key can turn from plain to ephemeral within one group, so an ephemeral entry deletes what
    // may be in the file.
    if (!entry || entry.epoch !== undefined) line.delete.push(key)
    else line.set.push([key, entry.value, entry.version])
  }
  return line
}

function encodeLine(content: object): Buffer {
  const json = Buffer.from(JSON.stringify(content))
  const checksum = crc32(json).toString(16).padStart(8, '0')
  return Buffer.concat([Buffer.from(`${checksum} `), json, Buffer.from('\n')])
}

/**
 * Reads a journal. Damage at the end is dropped; anywhere else it is
 * `KFK_COORDINATION_INVALID_VALUE`.
 */
export function readJournal(bytes: Uint8Array, maxValueBytes: number): Kept {
  try {
    return parseJournal(bytes, maxValueBytes)
  } catch (error) {
    if (error instanceof CoordinationError) throw error
    // A valid checksum over nonsense: not written by this code.
    throw corrupt('cannot be understood', error)
  }
}

function parseJournal(bytes: Uint8Array, maxValueBytes: number): Kept {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const entries = new Map<string, Entry>()
  const kept: Kept = { entries: [], version: 0, epoch: 0 }
  let first = true
  let damagedAtByte: number | undefined
  for (let position = 0; position < buffer.length;) {
    const end = buffer.indexOf(10, position)
    const content = decodeLine(buffer.subarray(position, end === -1 ? buffer.length : end))
    if (content === undefined || end === -1) damagedAtByte ??= position
    else if (damagedAtByte !== undefined) {
      throw corrupt(`is damaged at byte ${damagedAtByte} and goes on behind it`)
    } else if (first) {
      checkHeader(content)
      first = false
    } else {
      applyLine(content, { entries, kept, maxValueBytes })
    }
    position = end === -1 ? buffer.length : end + 1
  }
  // Its first line was durable before anything else: rename is atomic, so a file without it was
  // never ours.
  if (first) throw corrupt('has no valid first line')
  kept.entries = [...entries.values()]
  return kept
}

function decodeLine(line: Buffer): unknown {
  const json = line.subarray(9)
  const checksum = crc32(json).toString(16).padStart(8, '0')
  if (line.toString('latin1', 0, 9) !== `${checksum} `) return undefined
  return JSON.parse(json.toString())
}

function checkHeader(content: unknown): void {
  const found = content as Partial<typeof header>
  if (found.format !== header.format) throw corrupt('is not a coordination journal')
  if (found.formatVersion !== header.formatVersion) {
    throw corrupt(`has format version ${found.formatVersion}, this release reads 1`)
  }
}

function applyLine(
  content: unknown,
  into: { entries: Map<string, Entry>; kept: Kept; maxValueBytes: number },
): void {
  const line = content as JournalLine
  const { version, epoch } = line
  if (!Number.isSafeInteger(version) || !Number.isSafeInteger(epoch))
    throw corrupt('lacks counters')
  if (version < into.kept.version || epoch < into.kept.epoch) throw corrupt('goes back')
  Object.assign(into.kept, { version, epoch })
  for (const [key, value, entryVersion] of line.set) {
    checkKey(key)
    checkValue(value, into.maxValueBytes)
    if (!Number.isSafeInteger(entryVersion)) throw corrupt('lacks a version')
    into.entries.set(key, Object.freeze({ key, value, version: entryVersion }))
  }
  for (const key of line.delete) into.entries.delete(key)
}

function corrupt(what: string, cause?: unknown): CoordinationError {
  return new CoordinationError(
    'KFK_COORDINATION_INVALID_VALUE',
    `the coordination journal ${what}`,
    { cause },
  )
}
