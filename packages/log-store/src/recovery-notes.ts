import { join } from 'node:path'
import { readWholeFile } from './checkpoint-file.js'
import type { Clock } from './clock.js'
import { crc32 } from './crc32.js'
import { fileNames } from './file-names.js'
import { syncFile, writeFully, type FileHandle, type FileSystem } from './fs/file-system.js'
import type { StoreReport } from './report.js'

// `kfk.recovery-points`: how far logs have been synced since the recovery point checkpoint. Written
// once a second at most and never synced, so it costs one small write; a process that dies leaves
// it in the page cache. What it says is true whenever it can be read: a line is added after the
// sync that it tells of, and what it tells is taken back, durably, before a log is cut.
//
// Lines `<crc-32 of the rest> <rest>`: first `checkpoint <crc-32 of that file>`, which ties it to
// the checkpoint that it goes on from, then `<offset> <log>`; the last one of a log counts. The
// first line that is not whole ends it.

/** What is noted of a log. */
export interface NotedLog {
  readonly name: string
  /**
   * Recovery needs nothing of what lies below: it is on the medium, and what follows from it is
   * saved. Undefined: something that any batch may tell is not saved yet.
   */
  readonly settledPoint: number | undefined
  /** Gives the index files what recovery needs to begin at the recovery point. */
  saveIndexTail(): void
}

interface NoteSettings {
  readonly clock: Clock
  /** 0: nothing is noted. */
  readonly intervalMs: number
  readonly report: (report: StoreReport) => void
}

/** Checkpoints begin the file anew; should they stop coming, it must not grow for ever. */
const maxFileBytes = 8 * 1024 ** 2

/** The notes of one directory. */
export class RecoveryNotes {
  readonly #fileSystem: FileSystem
  readonly #path: string
  readonly #settings: NoteSettings
  /** What the file may say, by log. */
  readonly #claims = new Map<string, number>()
  readonly #due = new Set<NotedLog>()
  #timer: { cancel(): void } | undefined
  #handle: FileHandle | undefined
  #sizeBytes = 0
  #checkpoint = ''
  /** The end of the file is not known: nothing can be added until a checkpoint begins it anew. */
  #broken = false

  constructor(fileSystem: FileSystem, directory: string, settings: NoteSettings) {
    this.#fileSystem = fileSystem
    this.#path = join(directory, fileNames.recoveryNotes)
    this.#settings = settings
  }

  /** What is noted behind the checkpoint with these bytes; nothing when it belongs to another. */
  async load(checkpoint: Uint8Array): Promise<ReadonlyMap<string, number>> {
    const bytes = await readWholeFile(this.#fileSystem, this.#path)
    this.#checkpoint = checksum(checkpoint)
    const { notes, sizeBytes } = decodeNotes(bytes, this.#checkpoint)
    for (const [name, offset] of notes) this.#claims.set(name, offset)
    this.#sizeBytes = sizeBytes
    return notes
  }

  /** Whether the file may say something of this log. */
  tellOf(name: string): boolean {
    return this.#claims.has(name)
  }

  /** A log was synced. Must cost nothing: this is the append path. */
  synced(log: NotedLog): void {
    if (this.#settings.intervalMs === 0) return
    this.#due.add(log)
    this.#timer ??= this.#settings.clock.setTimer(this.#settings.intervalMs, () => {
      this.#timer = undefined
      this.#write()
    })
  }

  /**
   * A checkpoint with these bytes is on the medium. Durably takes back what is said of logs that
   * are not that far any more (`recoveryPoint` undefined: they are gone), before they are cut.
   */
  async follow(
    checkpoint: Uint8Array,
    recoveryPoint: (name: string) => number | undefined,
  ): Promise<void> {
    if (this.#settings.intervalMs === 0 && this.#claims.size === 0) return
    const current = checksum(checkpoint)
    let wrong = this.#broken || this.#checkpoint !== current
    for (const [name, offset] of this.#claims) {
      if (offset > (recoveryPoint(name) ?? -1)) wrong = true
    }
    if (!wrong) return
    this.#broken = true
    this.#checkpoint = current
    const handle = this.#begin()
    // Else a power cut could bring back lines that a later checkpoint happens to fit.
    await syncFile(handle)
    this.#claims.clear()
    this.#broken = false
  }

  /** A log is closed or deleted. */
  forget(log: NotedLog): void {
    this.#due.delete(log)
  }

  close(): void {
    this.#timer?.cancel()
    this.#due.clear()
    const handle = this.#handle
    this.#handle = undefined
    this.#broken = true
    try {
      handle?.close()
    } catch (error) {
      this.#failed(error)
    }
  }

  #write(): void {
    if (this.#broken || this.#sizeBytes > maxFileBytes) return
    const due = [...this.#due]
    this.#due.clear()
    const lines: Buffer[] = []
    try {
      if (this.#sizeBytes === 0) this.#begin()
      for (const log of due) {
        const { name, settledPoint } = log
        if (settledPoint === undefined) continue
        log.saveIndexTail()
        this.#claims.set(name, Math.max(settledPoint, this.#claims.get(name) ?? 0))
        lines.push(line(`${settledPoint} ${name}`))
      }
      this.#sizeBytes += writeFully(this.#open(), [Buffer.concat(lines)], this.#sizeBytes)
    } catch (error) {
      // The next checkpoint begins anew; until then recovery would read a little more.
      this.#broken = true
      this.#failed(error)
    }
  }

  #failed(error: unknown): void {
    const message = `cannot write ${this.#path}; recovery after a crash would take longer`
    this.#settings.report({ kind: 'background-failure', message, details: { error } })
  }

  #begin(): FileHandle {
    const handle = this.#open()
    handle.truncateSync(0)
    this.#sizeBytes = writeFully(handle, [line(`checkpoint ${this.#checkpoint}`)], 0)
    return handle
  }

  #open(): FileHandle {
    return (this.#handle ??= this.#fileSystem.open(this.#path, 'write'))
  }
}

function checksum(bytes: Uint8Array): string {
  return crc32(bytes, 0, bytes.length).toString(16).padStart(8, '0')
}

function line(rest: string): Buffer {
  return Buffer.from(`${checksum(Buffer.from(rest))} ${rest}\n`)
}

/** `sizeBytes`: of the lines that count. */
function decodeNotes(
  bytes: Uint8Array | undefined,
  checkpoint: string,
): { notes: Map<string, number>; sizeBytes: number } {
  const notes = new Map<string, number>()
  let sizeBytes = 0
  const text = Buffer.from(bytes ?? []).toString('latin1')
  // What follows the last line feed is not whole.
  for (const [at, found] of text.split('\n').slice(0, -1).entries()) {
    const rest = found.slice(9)
    if (found !== line(rest).toString('latin1').slice(0, -1)) break
    if (at === 0 && rest !== `checkpoint ${checkpoint}`) break
    const match = /^(\d{1,16}) (\S+)$/.exec(rest)
    if (match !== null) notes.set(match[2]!, Number(match[1]))
    sizeBytes += found.length + 1
  }
  return { notes, sizeBytes }
}
