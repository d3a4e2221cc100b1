import { readFileNow } from './corruption-image'
import type { Image, StoredSegment } from './corruption-image'
import { compareRecords, type NamedPlace, placeOf, readOut, type Sight } from './corruption-oracle'
import type { MemoryTree } from '../../src/fs/memory-file-system'

/** The first frame of a segment that is not what was written. */
export interface Damage {
  readonly segment: StoredSegment
  /** Index of the frame. */
  readonly frame: number
  /** Nothing tells that there was more: the file ends where a frame ended. */
  readonly endsWell?: boolean
}

const isLast = (image: Image, segment: StoredSegment) => image.segments.at(-1) === segment

/**
 * Says what is wrong, if anything, with what is seen of a disk with that damage: the records before
 * it have to be there, those of other segments too, and it has to be named unless it lies behind
 * the recovery point; then the log ends before it, with a report.
 */
export async function judge(
  sight: Sight,
  image: Image,
  damage: Damage,
  options: { readonly tree?: MemoryTree; readonly all?: boolean } = {},
): Promise<string | undefined> {
  const { segment, frame } = damage
  const { position, firstOffset: offset } = segment.frames[frame]!
  const open = isLast(image, segment)
  const torn = open && offset >= image.recoveryPoint
  const named = { path: segment.path, position, offset }
  const place = { ...named, nextSoundOffset: open ? undefined : segment.endOffset }
  if (sight.refused !== undefined) {
    if (!open || torn) return `refused: ${sight.refused.message}`
    return samePlace(placeOf(sight.refused), place)
  }
  const embedded = sight.embedded!
  if (embedded.endOffset !== (torn ? offset : image.records.length)) {
    return `the log ends at ${embedded.endOffset}`
  }
  const all = options.all === true
  const from = all ? 0 : segment.firstOffset
  const to = all ? image.records.length : segment.endOffset
  const { records, places } = await readOut(embedded, { from, to })
  const behind: readonly [number, number] = open ? [to, to] : [segment.endOffset, to]
  const wrong = compareRecords(records, image, [[from, offset], behind])
  if (wrong !== undefined) return wrong
  if (torn) {
    if (places.length > 0) return 'an error where the log should have ended'
    return damage.endsWell === true ? undefined : judgeCut(sight, damage, options.tree)
  }
  return places.length === 1 ? samePlace(places[0]!, place) : `${places.length} errors`
}

/** What was cut has to be told, and kept when there is more of it than one frame. */
function judgeCut(sight: Sight, damage: Damage, tree?: MemoryTree): string | undefined {
  const { segment, frame } = damage
  const { position } = segment.frames[frame]!
  const kept = tree !== undefined && frame < segment.frames.length - 1
  const told = sight.reports.find(({ kind }) => kind === (kept ? 'quarantined' : 'tail-cut'))
  if (told === undefined) return `no report: ${sight.reports.map(({ kind }) => kind).join()}`
  const { path, position: toldPosition } = told.details!
  if (path !== segment.path || toldPosition !== position) return `report of byte ${toldPosition}`
  if (!kept) return undefined
  const base = segment.path.slice(segment.path.lastIndexOf('/') + 1)
  const aside = readFileNow(
    tree,
    segment.path.replace(base, `kfk.quarantine.${position}.${base}.cut`),
  )
  // The last frame lies behind the damaged one.
  const { position: lastAt } = segment.frames.at(-1)!
  const sound =
    aside?.length === segment.bytes.length - position &&
    Buffer.compare(aside.subarray(lastAt - position), segment.bytes.subarray(lastAt)) === 0
  return sound ? undefined : 'what was cut is not set aside'
}

function samePlace(found: NamedPlace, due: NamedPlace): string | undefined {
  const keys = ['path', 'position', 'offset', 'nextSoundOffset'] as const
  const other = keys.find((key) => found[key] !== due[key])
  return other && `${other} is ${String(found[other])}, not ${String(due[other])}`
}

/** Index of the frame that holds this byte; of the first one that is not whole in so many bytes. */
export function frameAt({ frames }: StoredSegment, position: number): number {
  let low = 0
  let high = frames.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (frames[middle]!.position <= position) low = middle
    else high = middle - 1
  }
  return low
}

/** Where a leader epoch that is not what it was shows: it, or one behind it, falls. */
export function epochProblem(
  segment: StoredSegment,
  changed: { readonly frame: number; readonly epoch: number },
): number | undefined {
  let latest = -1
  for (const [at, { epoch }] of segment.frames.entries()) {
    const found = at === changed.frame ? changed.epoch : epoch
    if (found < latest) return at
    latest = found
  }
  return undefined
}

/**
 * A flip in a leader epoch: no record is touched, so all of them may be there; then it is up to
 * `verify` to find what can be found.
 */
export async function judgeEpoch(
  sight: Sight,
  image: Image,
  flip: {
    readonly segment: StoredSegment
    readonly problem: number | undefined
    readonly tree: MemoryTree
  },
): Promise<string | undefined> {
  const { segment, problem, tree } = flip
  const { log, embedded } = sight
  const torn =
    problem !== undefined &&
    isLast(image, segment) &&
    segment.frames[problem]!.firstOffset >= image.recoveryPoint
  const damaged = sight.refused !== undefined || embedded!.endOffset < image.records.length
  if (torn || damaged) {
    if (problem === undefined) return 'damage that cannot be seen'
    return judge(sight, image, { segment, frame: problem }, { tree })
  }
  const range = { from: segment.firstOffset, to: segment.endOffset }
  const { records, places } = await readOut(embedded!, range)
  if (places.length > 0) return 'an error from a read'
  const wrong = compareRecords(records, image, [[range.from, range.to]])
  if (wrong !== undefined) return wrong
  const found = await log!.verify(segment.firstOffset)
  const position = problem === undefined ? undefined : segment.frames[problem]!.position
  return found?.position === position ? undefined : `verify says ${found?.position}`
}

/** Collects what is wrong; the first few tell enough. */
export class Verdicts {
  cases = 0
  readonly wrong: string[] = []

  add(what: () => string, problem: string | undefined): void {
    this.cases++
    if (problem !== undefined && this.wrong.length < 20) this.wrong.push(`${what()}: ${problem}`)
  }
}
