// A directory that was left behind by a crash, with one file truncated or one bit flipped: what was
// synced is there or named as damaged, what was not may be cut as a tail, and no wrong record comes
// out. The recovery point lies within the last segment.
import {
  chosenBits,
  everySize,
  headerBits,
  openedFlips,
  truncations,
  unnoticeableBits,
} from './support/corruption-cases'
import { makeImage, totalBytes, type Image, type StoredSegment } from './support/corruption-image'

let image: Image
beforeAll(async () => {
  image = await makeImage({ closed: false })
})
const timeoutMs = 600_000

test('the image is 64 KiB in three segments, with the recovery point within the last one', () => {
  const sizes = image.segments.map(({ bytes }) => bytes.length)
  expect(sizes).toHaveLength(3)
  expect(sizes.reduce((sum, size) => sum + size)).toBe(totalBytes)
  const { frames } = image.segments[2]!
  const synced = frames.filter(({ lastOffset }) => lastOffset < image.recoveryPoint)
  expect(synced.length).toBeGreaterThan(5)
  expect(frames.length - synced.length).toBeGreaterThan(3)
})

/**
 * Opening asks a sealed segment for nothing but its size, and a closed directory sees every one of
 * them: here all around the headers, and elsewhere every eighth.
 */
function* sizesAroundFrames({ frames }: StoredSegment): Generator<number> {
  for (const { position, size } of frames) {
    for (let at = 0; at < size; at++) {
      if (at <= 34 || at >= size - 8 || at % 8 === 0) yield position + at
    }
  }
}

test.each([0, 1])(
  'sealed segment %i truncated',
  async (at) => {
    const segment = image.segments[at]!
    const { wrong } = await truncations(image, segment, sizesAroundFrames(segment))
    expect(wrong).toEqual([])
  },
  timeoutMs,
)

test(
  'the last segment truncated at every byte',
  async () => {
    const segment = image.segments[2]!
    const { wrong, cases } = await truncations(image, segment, everySize(segment))
    expect(wrong).toEqual([])
    expect(cases).toBe(segment.bytes.length)
  },
  timeoutMs,
)

test.each([0, 1])(
  'sealed segment %i: every eighth bit of all headers flipped',
  async (at) => {
    const segment = image.segments[at]!
    const bits = [...headerBits(segment)].filter((bit) => bit % 8 === (bit >> 3) % 8)
    expect((await openedFlips(image, segment, bits)).wrong).toEqual([])
  },
  timeoutMs,
)

test(
  'the last segment: every bit of headers and two payloads, elsewhere a bit of every byte',
  async () => {
    const segment = image.segments[2]!
    const { wrong, unnoticeable } = await openedFlips(
      image,
      segment,
      chosenBits(segment, payloads(segment)),
    )
    expect(wrong).toEqual([])
    expect(unnoticeable).toEqual(unnoticeableBits(segment))
  },
  timeoutMs,
)

/** The shortest one below the recovery point and the shortest one behind it. */
function payloads({ frames }: StoredSegment): number[] {
  const shortest = (synced: boolean) => {
    const some = frames.filter(({ firstOffset }) => firstOffset < image.recoveryPoint === synced)
    const size = Math.min(...some.map((frame) => frame.size))
    return frames.indexOf(some.find((frame) => frame.size === size)!)
  }
  return [shortest(true), shortest(false)]
}
