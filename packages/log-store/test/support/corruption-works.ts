// Kinds of damage to the data of one segment, each done in every way that it allows.
import {
  chosenBits,
  coveredFlips,
  everySize,
  headerBits,
  openedFlips,
  sizesAroundFrames,
  truncations,
} from './corruption-cases'
import type { Image, StoredSegment } from './corruption-image'
import type { Verdicts } from './corruption-judge'

type Work = (
  image: Image,
  segment: StoredSegment,
) => Promise<Verdicts & { readonly unnoticeable?: number[] }>

export const works = {
  truncated: (image, segment) => truncations(image, segment, everySize(segment)),
  'truncated around frames': (image, segment) =>
    truncations(image, segment, sizesAroundFrames(segment)),
  'headers flipped': (image, segment) => openedFlips(image, segment, headerBits(segment)),
  'headers and two payloads flipped, elsewhere a bit of every byte': (image, segment) =>
    openedFlips(image, segment, chosenBits(segment, payloads(image, segment))),
  'what a checksum covers flipped': coveredFlips,
} satisfies Record<string, Work>

export type WorkName = keyof typeof works

/** The shortest one below the recovery point and the shortest one behind it. */
function payloads(image: Image, { frames }: StoredSegment): number[] {
  const shortest = (synced: boolean) => {
    const some = frames.filter(({ firstOffset }) => firstOffset < image.recoveryPoint === synced)
    const size = Math.min(...some.map((frame) => frame.size))
    return frames.indexOf(some.find((frame) => frame.size === size)!)
  }
  return [shortest(true), shortest(false)]
}
