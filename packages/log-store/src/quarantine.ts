import { join } from 'node:path'
import { tryDescribe } from './batch-format.js'
import { readCheckedFile, writeCheckedFile } from './checkpoint-file.js'
import { ioError, StoreError } from './errors.js'
import { fileNames } from './file-names.js'
import { readRange, type FileSystem } from './fs/file-system.js'
import type { LogHost } from './log-host.js'
import type { LogDamage } from './log.js'
import { SegmentList } from './segment-list.js'
import { poisonIfWriteFailed } from './poisoning.js'
import type { Segment } from './segment.js'
import type { SegmentDamage } from './segment-damage.js'
import { verifySegment } from './segment-verify.js'

// `<log>/kfk.quarantine`: JSON, the places in sealed segments whose bytes are not what was synced.
// Such a segment is read up to its place and not beyond; the log is open all the same. The file is
// written when a place is found, by recovery, a read or the scrubber, and when one has gone.

/** A log as the quarantine sees it. */
export interface QuarantinedLog {
  readonly name: string
  readonly path: string
  readonly segments: SegmentList
  readonly logEndOffset: number
  readonly gapsBelow: number
  /** Counts truncations: what was found across one says nothing. */
  readonly truncations: number
  /** Its directory may be somebody else's by now. */
  readonly isClosed: boolean
}

/** The damaged places of one log that is open. Made when the first one is suspected. */
export class Quarantine {
  readonly #host: LogHost
  readonly #log: QuarantinedLog
  /** Held, for it is the object of a segment that knows its damage. */
  readonly #damaged: Set<Segment>
  readonly #inspections = new Map<Segment, Promise<SegmentDamage | undefined>>()
  #saving: Promise<void> = Promise.resolve()

  constructor(host: LogHost, log: QuarantinedLog, damaged: readonly Segment[] = []) {
    this.#host = host
    this.#log = log
    this.#damaged = new Set(damaged)
  }

  /** No segment is damaged, as far as is known. */
  get isEmpty(): boolean {
    return this.#damaged.size === 0
  }

  /** What is known of the segment that holds `offset`, or found by reading it again. */
  async verify(offset: number, signal?: AbortSignal): Promise<LogDamage | undefined> {
    const { segments } = this.#log
    const at = segments.floor(offset)
    if (at === -1) return undefined
    const segment = segments.at(at)
    const found = segment.damage ?? (await this.inspect(segment, signal))
    return found && describeDamage(this.#log, segment, found)
  }

  /**
   * Reads a segment that gave reason to, checksums too, and notes what is wrong if it is sealed.
   * Concurrent callers share the work, so the signal of the first one counts.
   */
  inspect(segment: Segment, signal?: AbortSignal): Promise<SegmentDamage | undefined> {
    const running = this.#inspections.get(segment)
    if (running !== undefined) return running
    const started = this.#inspect(segment, signal).finally(() => this.#inspections.delete(segment))
    this.#inspections.set(segment, started)
    return started
  }

  /** Takes up what the scrubber found; false when the segment is not what it was any more. */
  async note(segment: Segment, found: SegmentDamage): Promise<boolean> {
    const log = this.#log
    const last = log.segments.active === segment
    if (log.isClosed || segment.damage !== undefined || last) return false
    if (this.#indexOf(segment) === -1) return false
    segment.damage = found
    this.#damaged.add(segment)
    reportDamage(this.#host, log, segment)
    await this.save()
    return true
  }

  /** Writes the file anew, if it can be written. */
  save(): Promise<void> {
    this.#saving = this.#saving.then(async () => {
      for (const segment of this.#damaged) {
        if (segment.damage === undefined || this.#indexOf(segment) === -1) {
          this.#damaged.delete(segment)
        }
      }
      await notePlaces(this.#host, this.#log.path, placesOf([...this.#damaged]))
    })
    return this.#saving
  }

  /** Resolves when nothing is being written any more. */
  whenSaved(): Promise<void> {
    return this.#saving
  }

  async #inspect(segment: Segment, signal?: AbortSignal): Promise<SegmentDamage | undefined> {
    const log = this.#log
    const { truncations } = log
    const at = this.#indexOf(segment)
    if (at === -1) return undefined
    const found = await verifySegment(this.#host, segment, {
      nextBaseOffset: nextBaseOffset(log.segments, at),
      gapsBelow: log.gapsBelow,
      signal,
    })
    if (found === undefined || truncations !== log.truncations) return undefined
    if (segment.sealed) await this.note(segment, found)
    return found
  }

  /** -1: it has been deleted or replaced. */
  #indexOf(segment: Segment): number {
    const { segments } = this.#log
    const at = segments.floor(segment.baseOffset)
    return at !== -1 && segments.at(at) === segment ? at : -1
  }
}

/**
 * Runs what reads a segment. Damage that nobody knew of is noted, and the work done once more: it
 * then ends before the damage.
 */
export async function pastDamage<Result>(
  log: { readonly quarantine: Quarantine },
  segment: Segment,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    const corrupt = error instanceof StoreError && error.code === 'KFK_STORE_CORRUPT'
    if (!corrupt || !segment.sealed || segment.damage !== undefined) throw error
    await log.quarantine.inspect(segment)
    // Deleted meanwhile, or sound: then something else is wrong.
    if ((segment.damage as SegmentDamage | undefined) === undefined) throw error
    return work()
  }
}

function nextBaseOffset(segments: SegmentList, at: number): number | undefined {
  return at + 1 < segments.count ? segments.baseAt(at + 1) : undefined
}

/** What is known to be damaged of these. */
export function placesOf(segments: readonly Segment[]): SegmentDamage[] {
  return segments.flatMap(({ damage }) => damage ?? [])
}

/** The error of a read that meets damage. */
export function damageError(damage: LogDamage): StoreError {
  const { path, position, offset, nextSoundOffset, reason } = damage
  const on = nextSoundOffset === undefined ? '' : `; the log goes on at offset ${nextSoundOffset}`
  return new StoreError(
    'KFK_STORE_CORRUPT',
    `${path} at byte ${position}, offset ${offset}: ${reason}${on}`,
    { details: { ...damage } },
  )
}

/** The damage of a segment as the user of a log sees it. */
export function describeDamage(
  log: { readonly name: string; readonly segments: SegmentList },
  segment: Segment,
  damage: SegmentDamage,
): LogDamage {
  const { position, offset, reason } = damage
  return {
    log: log.name,
    path: segment.path,
    position,
    offset,
    reason,
    nextSoundOffset: nextBaseOffset(log.segments, log.segments.floor(segment.baseOffset)),
  }
}

/** `isKnown`: it was found before this opening. */
export function reportDamage(
  host: LogHost,
  log: { readonly name: string; readonly segments: SegmentList },
  segment: Segment,
  isKnown = false,
): void {
  const damage = describeDamage(log, segment, segment.damage!)
  const { message } = damageError(damage)
  const { foundMs } = segment.damage!
  host.report({
    kind: isKnown ? 'damage-known' : 'quarantined',
    message: isKnown ? `${message} (found ${new Date(foundMs).toISOString()})` : message,
    details: { ...damage, baseOffset: segment.baseOffset, ...(isKnown && { foundMs }) },
  })
}

/** Durable when it resolves; no places: no file. */
export async function writeQuarantine(
  fileSystem: FileSystem,
  logPath: string,
  places: readonly SegmentDamage[],
): Promise<void> {
  const path = join(logPath, fileNames.quarantine)
  if (places.length === 0 && (await fileSystem.stat(path)) === undefined) return
  await writeCheckedFile(fileSystem, path, Buffer.from(`${JSON.stringify(places, null, 1)}\n`))
}

/**
 * The same, but a disk without room for it is only told of: the places are found again, and what
 * counts is not to hide them now. One that fails takes no more appends.
 */
export async function notePlaces(
  host: LogHost,
  logPath: string,
  places: readonly SegmentDamage[],
): Promise<void> {
  try {
    await writeQuarantine(host.fileSystem, logPath, places)
  } catch (error) {
    const path = join(logPath, fileNames.quarantine)
    const failure = ioError(error, { action: 'write', path })
    if (poisonIfWriteFailed(host, failure) !== failure) return
    const { message } = failure
    host.report({ kind: 'background-failure', message, details: { path, error } })
  }
}

/** Throws KFK_STORE_CORRUPT when the file is not what was written. */
export async function readQuarantine(
  fileSystem: FileSystem,
  logPath: string,
): Promise<SegmentDamage[]> {
  const path = join(logPath, fileNames.quarantine)
  const bytes = await readCheckedFile(fileSystem, path)
  if (bytes === undefined) return []
  try {
    const places: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
    if (Array.isArray(places) && places.every(isPlace)) return places
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw new StoreError('KFK_STORE_CORRUPT', `${path} is not a list of places`, {
    details: { path },
  })
}

function isPlace(value: unknown): value is SegmentDamage {
  if (typeof value !== 'object' || value === null) return false
  const { baseOffset, position, offset, reason, foundMs } = value as Record<string, unknown>
  const numbers = [baseOffset, position, offset, foundMs]
  return numbers.every(Number.isSafeInteger) && typeof reason === 'string'
}

/**
 * Marks the segments of a log that is being opened, and says so each time. A place that reads well
 * again (the file was put back from a copy) is struck off; the scrubber will look at the rest of
 * that file.
 */
export async function loadQuarantine(
  host: LogHost,
  { name, path: logPath }: { readonly name: string; readonly path: string },
  segments: readonly Segment[],
  gapsBelow: number,
): Promise<void> {
  let places: SegmentDamage[]
  try {
    places = await readQuarantine(host.fileSystem, logPath)
  } catch (error) {
    if (!(error instanceof StoreError && error.code === 'KFK_STORE_CORRUPT')) throw error
    const path = join(logPath, fileNames.quarantine)
    const message = `${path} is unreadable; damaged segments are found again when they are read`
    host.report({ kind: 'checkpoint-unreadable', message, details: { path, error } })
    return
  }
  for (const place of places) {
    const at = segments.findIndex(({ baseOffset }) => baseOffset === place.baseOffset)
    const segment = segments[at]
    // The last one is for recovery to judge.
    if (segment === undefined || at === segments.length - 1) continue
    const nextBase = segments[at + 1]!.baseOffset
    const ends = place.offset < gapsBelow ? nextBase : place.offset + 1
    if (!(await readsWell(host, segment, place, ends))) segment.damage = place
  }
  const damaged = segments.filter(({ damage }) => damage !== undefined)
  if (damaged.length > 0) {
    const log = { name, segments: SegmentList.of(segments) }
    for (const segment of damaged) reportDamage(host, log, segment, true)
  }
  if (damaged.length < places.length) {
    await notePlaces(host, logPath, placesOf(damaged))
  }
}

/** `endOffset`: the batch there begins below it; it was compacted away up to there, perhaps. */
async function readsWell(
  host: LogHost,
  segment: Segment,
  place: SegmentDamage,
  endOffset: number,
): Promise<boolean> {
  const { format, files } = host
  if (place.position >= segment.sizeBytes) return false
  const handle = files.pin(segment.data)
  const readAt = (position: number, length: number) =>
    // A sector that the disk does not give is no less damaged.
    readRange(handle, position, length).catch(() => new Uint8Array(0))
  try {
    const header = await readAt(place.position, format.headerBytes)
    if (header.length < format.headerBytes) return false
    const size = format.sizeOf(header, 0)
    if (size <= 0 || place.position + size > segment.sizeBytes) return false
    const bytes = await readAt(place.position, size)
    if (bytes.length < size || format.check(bytes, 0) !== undefined) return false
    const baseOffset = tryDescribe(format, bytes, 0)?.baseOffset ?? -1
    return baseOffset >= place.offset && baseOffset < endOffset
  } finally {
    files.unpin(segment.data)
  }
}
