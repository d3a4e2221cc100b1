// A cleanly closed directory with one file truncated or one bit flipped. Opening does not read the
// data: what is wrong is found when it is read, and no wrong record comes out.
import { ask } from './support/bare-node'
import { headerBytesOf, unnoticeableBits } from './support/corruption-cases'
import { makeImage } from './support/corruption-image'
import type { Image } from './support/corruption-image'
import type { CorruptionAnswer, CorruptionRequest } from './support/corruption-process'
import type { WorkName } from './support/corruption-works'
import { atLeastOf } from './support/proofs'

let image: Image
beforeAll(async () => {
  image = await makeImage({ closed: true })
})
const timeoutMs = 600_000

function inAllSegments(work: WorkName): Promise<CorruptionAnswer[]> {
  const request: CorruptionRequest = { closed: true, jobs: [0, 1, 2].map((at) => [work, at]) }
  return ask('corruption-process', request)
}

test(
  'every segment truncated at every byte',
  async () => {
    for (const [at, { wrong, cases }] of (await inAllSegments('truncated')).entries()) {
      expect(wrong).toEqual([])
      expect(cases).toBeGreaterThanOrEqual(atLeastOf(image.segments[at]!.bytes.length))
    }
  },
  timeoutMs,
)

test(
  'every bit of all headers flipped',
  async () => {
    const answers = await inAllSegments('headers flipped')
    for (const [at, { wrong, cases, unnoticeable }] of answers.entries()) {
      const segment = image.segments[at]!
      expect(wrong).toEqual([])
      expect(cases).toBeGreaterThanOrEqual(atLeastOf(8 * headerBytesOf(segment)))
      // Nothing else than leader epochs, at the ends of a segment.
      expect(unnoticeable).toEqual(unnoticeableBits(segment))
    }
  },
  timeoutMs,
)

test(
  'every bit of what a checksum covers flipped',
  async () => {
    const answers = await inAllSegments('what a checksum covers flipped')
    for (const [at, { wrong, cases }] of answers.entries()) {
      const segment = image.segments[at]!
      expect(wrong).toEqual([])
      const covered = segment.bytes.length - headerBytesOf(segment)
      expect(cases).toBeGreaterThanOrEqual(atLeastOf(8 * covered))
    }
  },
  timeoutMs,
)
