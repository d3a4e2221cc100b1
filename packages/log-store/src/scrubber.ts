import { join } from 'node:path'
import { readCheckedFile, writeCheckedFile } from './checkpoint-file.js'
import { CleaningPace } from './cleaning-pace.js'
import { diagnostics } from './diagnostics.js'
import { errnoOf, ioError, StoreError } from './errors.js'
import { fileNames } from './file-names.js'
import type { FileHandle } from './fs/file-system.js'
import type { LogHost } from './log-host.js'
import type { LogDamage } from './log.js'
import { poisonIfWriteFailed } from './poisoning.js'
import { describeDamage } from './quarantine.js'
import { type VerifyRequest, verifySegment } from './segment-verify.js'
import type { Segment } from './segment.js'
import type { SegmentedLog } from './segmented-log.js'

/** Settings of the background that reads cold segments again, before somebody needs them. */
export interface ScrubOptions {
  /** Bytes read a second, at the most. Default 1 MiB. */
  readonly bytesPerSecond: number
  /** A pass over all logs begins this often at the most; 0: never. Default 7 days. */
  readonly intervalMs: number
  /** Segments that were changed later than so long ago are left for the next pass. Default 1 h. */
  readonly minAgeMs: number
}

export const defaultScrubOptions: ScrubOptions = {
  bytesPerSecond: 1024 ** 2,
  intervalMs: 7 * 24 * 3_600_000,
  minAgeMs: 3_600_000,
}

/** What was read again, and what of it was not as it should be. */
export interface ScrubReport {
  readonly segments: number
  readonly bytes: number
  /** Places found now; those that were known before are not read again. */
  readonly damaged: readonly LogDamage[]
  /** Files that the system would not read. */
  readonly unreadable: readonly { readonly path: string; readonly error: StoreError }[]
}

/** Between two looks whether a pass is due. */
const lookMs = 60_000
/** The place of a pass is written down this often. */
const noteMs = 60_000
const pieceBytes = 256 * 1024

/** Where a pass is. Kept in `kfk.scrub`: a restart must not begin at the first log again. */
interface PassState {
  /** Wall clock. */
  readonly startedMs: number
  /** The last segment that was read, or undefined when the pass has ended. */
  readonly after: { readonly log: string; readonly baseOffset: number } | undefined
}

/** What the scrubber needs of its directory. */
export interface ScrubbedDirectory extends LogHost {
  readonly path: string
  get(name: string): unknown
}

interface Tally {
  segments: number
  bytes: number
  readonly damaged: LogDamage[]
  readonly unreadable: { path: string; error: StoreError }[]
}

/** How a segment is read. */
interface Scrubbing {
  readonly pace: CleaningPace
  readonly tally: Tally
  readonly signal: AbortSignal
}

/** Reads sealed segments again, one at a time, and notes what does not match its checksum. */
export class Scrubber {
  readonly #host: ScrubbedDirectory
  readonly #logs: () => Iterable<SegmentedLog>
  readonly #options: ScrubOptions
  readonly #stopping = new AbortController()
  #timer: { cancel(): void } | undefined
  #running: Promise<unknown> = Promise.resolve()
  #state: PassState | undefined
  #notedMs = -Infinity

  constructor(
    host: ScrubbedDirectory,
    logs: () => Iterable<SegmentedLog>,
    options: Partial<ScrubOptions> = {},
  ) {
    this.#host = host
    this.#logs = logs
    this.#options = { ...defaultScrubOptions, ...options }
  }

  /** Begins to look after the logs. */
  start(): void {
    const { intervalMs } = this.#options
    if (intervalMs === 0 || this.#stopping.signal.aborted) return
    this.#timer = this.#host.clock.setTimer(Math.min(lookMs, intervalMs), () => {
      this.#running = this.#pass()
        .catch((error: unknown) => this.#failed(error))
        .then(() => this.start())
    })
  }

  /** Ends what is under way; resolves when it has. */
  async stop(): Promise<void> {
    const closed = new StoreError('KFK_STORE_CLOSED', `${this.#host.path} is closed`)
    this.#stopping.abort(closed)
    this.#timer?.cancel()
    await this.#running
  }

  /** Reads all sealed segments of these logs now, at full speed. */
  async scrub(logs: Iterable<SegmentedLog>, signal?: AbortSignal): Promise<ScrubReport> {
    const ends = [this.#stopping.signal, ...(signal === undefined ? [] : [signal])]
    const pace = new CleaningPace(this.#host.clock, {
      bytesPerSecond: Number.MAX_SAFE_INTEGER,
      signal: AbortSignal.any(ends),
    })
    const tally: Tally = { segments: 0, bytes: 0, damaged: [], unreadable: [] }
    for (const log of logs) {
      for (const segment of sealedFrom(log, -1)) {
        await this.#segment(log, segment, { pace, tally, signal: AbortSignal.any(ends) })
      }
    }
    return tally
  }

  async #pass(): Promise<void> {
    const state = (this.#state ??= await this.#load())
    const { clock } = this.#host
    const nowMs = clock.now()
    const elapsedMs = nowMs - state.startedMs
    const ended = state.after === undefined
    // A clock that went back must not put the next pass off for ever.
    if (ended && elapsedMs >= 0 && elapsedMs < this.#options.intervalMs) return
    const startedMs = ended ? nowMs : state.startedMs
    const { signal } = this.#stopping
    const pace = new CleaningPace(clock, { bytesPerSecond: this.#options.bytesPerSecond, signal })
    const tally: Tally = { segments: 0, bytes: 0, damaged: [], unreadable: [] }
    for (const log of this.#logsAfter(state)) {
      const from = log.name === state.after?.log ? state.after.baseOffset : -1
      for (const segment of sealedFrom(log, from)) {
        signal.throwIfAborted()
        if (!(await this.#isCold(segment))) continue
        await this.#segment(log, segment, { pace, tally, signal })
        await this.#note({ startedMs, after: { log: log.name, baseOffset: segment.baseOffset } })
      }
    }
    this.#notedMs = -Infinity
    await this.#note({ startedMs, after: undefined })
  }

  /** In the order of their names, from the one on that was being read. */
  #logsAfter({ after }: PassState): SegmentedLog[] {
    const logs = [...this.#logs()].sort((a, b) => (a.name < b.name ? -1 : 1))
    return after === undefined ? logs : logs.filter(({ name }) => name >= after.log)
  }

  async #isCold(segment: Segment): Promise<boolean> {
    const stat = await this.#host.fileSystem.stat(segment.path)
    if (stat === undefined) return false
    return this.#host.clock.now() - stat.modifiedMs >= this.#options.minAgeMs
  }

  async #segment(log: SegmentedLog, segment: Segment, how: Scrubbing): Promise<void> {
    const { tally, signal } = how
    if (segment.damage !== undefined || !this.#holds(log, segment)) return
    tally.segments++
    const startedMs = this.#host.clock.monotonicMs()
    const bytesBefore = tally.bytes
    try {
      const damage = await this.#judge(log, segment, how)
      if (!this.#holds(log, segment)) return
      if (damage !== undefined) tally.damaged.push(damage)
      this.#tell(segment, { log, damage, bytes: tally.bytes - bytesBefore, startedMs })
    } catch (error) {
      signal.throwIfAborted()
      if (errnoOf(error) === 'ENOENT' || !this.#holds(log, segment)) return
      const failure = ioError(error, { action: 'read', path: segment.path })
      tally.unreadable.push({ path: segment.path, error: failure })
      this.#failed(failure)
    }
  }

  async #judge(
    log: SegmentedLog,
    segment: Segment,
    how: Scrubbing,
  ): Promise<LogDamage | undefined> {
    const { pace, tally, signal } = how
    const found = await this.#read(segment, {
      gapsBelow: log.gapsBelow,
      nextBaseOffset: log.segments.endOffset(log.segments.floor(segment.baseOffset), Infinity),
      signal,
      pieceBytes,
      onPiece(bytes: number) {
        tally.bytes += bytes
        return pace.transferred(bytes)
      },
    })
    if (found === undefined || !this.#holds(log, segment)) return undefined
    // Once more: memory and cables err, too, and a note of damage costs the segment its readers.
    const again = await log.quarantine.inspect(segment, signal)
    if (again !== undefined) return describeDamage(log, segment, again)
    this.#reportPassing(segment, found.reason)
    return undefined
  }

  #tell(
    segment: Segment,
    scrubbed: {
      log: SegmentedLog
      damage?: LogDamage | undefined
      bytes: number
      startedMs: number
    },
  ): void {
    const { log, damage, bytes, startedMs } = scrubbed
    this.#host.metrics.noteScrub(bytes, damage !== undefined)
    if (!diagnostics.scrub.hasSubscribers) return
    diagnostics.scrub.publish({
      log: log.name,
      path: log.path,
      baseOffset: segment.baseOffset,
      bytes,
      damagedPosition: damage?.position,
      durationMs: this.#host.clock.monotonicMs() - startedMs,
    })
  }

  /** From the medium where that can be done; with a handle of its own, so no other is closed. */
  async #read(segment: Segment, request: VerifyRequest) {
    const handle = this.#open(segment.path)
    try {
      return await verifySegment(this.#host, segment, { ...request, handle })
    } finally {
      handle.close()
    }
  }

  #open(path: string): FileHandle {
    const { fileSystem } = this.#host
    try {
      if (fileSystem.openUncached !== undefined) return fileSystem.openUncached(path)
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') throw error
      // This file system cannot, or there is no memory for it.
    }
    return fileSystem.open(path, 'read')
  }

  #holds(log: SegmentedLog, segment: Segment): boolean {
    if (this.#host.get(log.name) !== log) return false
    const at = log.segments.floor(segment.baseOffset)
    return at >= 0 && at < log.segments.sealedCount && log.segments.at(at) === segment
  }

  #reportPassing(segment: Segment, reason: string): void {
    const { path } = segment
    const message = `${path} read wrongly once (${reason}), then well: memory or disk is failing`
    this.#host.report({ kind: 'background-failure', message, details: { path, reason } })
  }

  #failed(error: unknown): void {
    if (this.#stopping.signal.aborted || error === this.#host.poisoned) return
    const { message } = ioError(error, { action: 'scrub', path: this.#host.path })
    this.#host.report({ kind: 'background-failure', message, details: { error } })
  }

  async #load(): Promise<PassState> {
    const never = { startedMs: -Infinity, after: undefined }
    try {
      const bytes = await readCheckedFile(this.#host.fileSystem, this.#statePath)
      if (bytes === undefined) return never
      const { startedMs, log, baseOffset } = JSON.parse(Buffer.from(bytes).toString()) as Record<
        string,
        unknown
      >
      if (typeof startedMs !== 'number') return never
      const known = typeof log === 'string' && typeof baseOffset === 'number'
      return { startedMs, after: known ? { log, baseOffset } : undefined }
    } catch (error) {
      const corrupt = error instanceof StoreError && error.code === 'KFK_STORE_CORRUPT'
      if (corrupt || error instanceof SyntaxError) return never
      throw error
    }
  }

  async #note(state: PassState): Promise<void> {
    this.#state = state
    const { clock, fileSystem } = this.#host
    if (clock.monotonicMs() - this.#notedMs < noteMs) return
    this.#notedMs = clock.monotonicMs()
    const text = JSON.stringify({ startedMs: state.startedMs, ...state.after })
    const path = this.#statePath
    try {
      await writeCheckedFile(fileSystem, path, Buffer.from(`${text}\n`))
    } catch (error) {
      // Nothing rests on this file; but a sync that fails is told once, and may be of other names.
      throw poisonIfWriteFailed(this.#host, ioError(error, { action: 'write', path }))
    }
  }

  get #statePath(): string {
    return join(this.#host.path, fileNames.scrub)
  }
}

/** Sealed segments behind that base offset, made one by one as they are asked for. */
function* sealedFrom(log: SegmentedLog, after: number): Generator<Segment> {
  let base = after
  for (;;) {
    const { segments } = log
    const at = segments.floor(base) + 1
    if (at >= segments.sealedCount) return
    base = segments.baseAt(at)
    yield segments.at(at)
  }
}
