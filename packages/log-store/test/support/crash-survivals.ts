// Which of the disks that a power cut may leave are looked at, for one crash point.
import type { DiskChange, Survival } from '../../src/index'
import { seededRandom } from './seeded-random'

export interface Choice {
  readonly survivals: readonly Survival[]
  /** As after the end of the process alone: the system keeps what was written. */
  readonly processOnly: boolean
}

export interface ChoiceBounds {
  /** All subsets of up to so many pending changes; of more, a seeded choice. */
  readonly subsetsOf: number
  readonly randomSubsets: number
  /** Disks on which every pending change survives in a way of its own. */
  readonly randomMixtures: number
  /** The last write is also cut with all other changes lost, zeroed and holed, at every so many bytes. */
  readonly stride: number
  /** With all other changes kept, at every so many; every one when absent. */
  readonly keptStride?: number
}

/** `lastIsNew`: the last pending change happened just now, so that it may have stopped half way. */
export function* choices(
  pending: readonly DiskChange[],
  lastIsNew: boolean,
  options: ChoiceBounds & { readonly seed: number },
): Generator<Choice> {
  const all = (survival: Survival) => pending.map(() => survival)
  yield { survivals: all('kept'), processOnly: true }
  for (const survivals of unordered(pending, lastIsNew, options)) {
    yield { survivals, processOnly: false }
  }
  if (!lastIsNew) return
  const last = pending.at(-1)
  if (last?.kind !== 'write') return
  for (const [kept, torn] of tornWrites(last.bytes.length, options)) {
    yield { survivals: [...all(kept).slice(1), torn], processOnly: false }
  }
}

function* tornWrites(
  length: number,
  { stride, keptStride = 1 }: ChoiceBounds,
): Generator<[Survival, Survival]> {
  for (let at = 1; at < length; at += keptStride) yield ['kept', { from: 0, to: at, zeros: false }]
  yield ['kept', { from: 0, to: 0, zeros: true }]
  for (let at = 1; at < length; at += stride) {
    yield ['lost', { from: 0, to: at, zeros: false }]
    yield ['kept', { from: 0, to: at, zeros: true }]
    yield ['kept', { from: at, to: length, zeros: true }]
  }
}

function* unordered(
  pending: readonly DiskChange[],
  lastIsNew: boolean,
  options: ChoiceBounds & { readonly seed: number },
): Generator<Survival[]> {
  const random = seededRandom(options.seed)
  const pick = (bits: number) =>
    pending.map((_, at): Survival => ((bits >>> at) & 1 ? 'kept' : 'lost'))
  if (pending.length <= options.subsetsOf) {
    // All kept is known already; without the newest change it was seen at the point before.
    const known = 2 ** pending.length - 1
    const from = lastIsNew ? 2 ** Math.max(0, pending.length - 1) : 0
    for (let bits = from; bits < known; bits++) yield pick(bits)
    if (from > 0) yield pick(0)
  } else {
    yield pending.map(() => 'lost')
    for (const at of pending.keys()) {
      yield pending.map((_, other) => (other === at ? 'kept' : 'lost'))
      yield pending.map((_, other) => (other === at ? 'lost' : 'kept'))
    }
    for (let n = 0; n < options.randomSubsets; n++) {
      yield pending.map(() => (random() < 0.5 ? 'kept' : 'lost'))
    }
  }
  for (const [at, change] of pending.entries()) {
    if (change.kind !== 'write' || (lastIsNew && at === pending.length - 1)) continue
    yield pending.map((_, other) => (other === at ? { from: 0, to: 0, zeros: true } : 'kept'))
  }
  if (pending.length < 2) return
  for (let n = 0; n < options.randomMixtures; n++) {
    yield pending.map((change) => mixture(change, random))
  }
}

function mixture(change: DiskChange, random: () => number): Survival {
  const kind = Math.floor(random() * 4)
  if (change.kind !== 'write' || kind < 2) return kind % 2 === 0 ? 'kept' : 'lost'
  const cut = Math.floor(random() * (change.bytes.length + 1))
  if (kind === 2) return { from: 0, to: cut, zeros: random() < 0.5 }
  return { from: cut, to: change.bytes.length, zeros: true }
}
