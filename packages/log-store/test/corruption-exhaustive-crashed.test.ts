// A directory that was left behind by a crash, with one file truncated or one bit flipped: what was
// synced is there or named as damaged, what was not may be cut as a tail, and no wrong record comes
// out. The recovery point lies within the last segment.
import { ask } from './support/bare-node'
import { unnoticeableBits } from './support/corruption-cases'
import { makeImage, totalBytes, type Image } from './support/corruption-image'
import type { CorruptionAnswer, CorruptionRequest } from './support/corruption-process'

let image: Image
beforeAll(async () => {
  image = await makeImage({ closed: false })
})
const timeoutMs = 600_000

function damage(...jobs: CorruptionRequest['jobs']): Promise<CorruptionAnswer[]> {
  return ask('corruption-process', { closed: false, jobs })
}

test('the image is 64 KiB in three segments, with the recovery point within the last one', () => {
  const sizes = image.segments.map(({ bytes }) => bytes.length)
  expect(sizes).toHaveLength(3)
  expect(sizes.reduce((sum, size) => sum + size)).toBe(totalBytes)
  const { frames } = image.segments[2]!
  const synced = frames.filter(({ lastOffset }) => lastOffset < image.recoveryPoint)
  expect(synced.length).toBeGreaterThan(5)
  expect(frames.length - synced.length).toBeGreaterThan(3)
})

test(
  'the last segment truncated at every byte, the others around their frames',
  async () => {
    const answers = await damage(
      ['truncated', 2],
      ['truncated around frames', 0],
      ['truncated around frames', 1],
    )
    for (const { wrong, cases } of answers) {
      expect(wrong).toEqual([])
      expect(cases).toBeGreaterThan(1000)
    }
    expect(answers[0]!.cases).toBe(image.segments[2]!.bytes.length)
  },
  timeoutMs,
)

test(
  'sealed segments: every eighth bit of all headers flipped',
  async () => {
    const answers = await damage(
      ['every eighth bit of headers flipped', 0],
      ['every eighth bit of headers flipped', 1],
    )
    for (const { wrong, cases } of answers) {
      expect(wrong).toEqual([])
      expect(cases).toBeGreaterThan(500)
    }
  },
  timeoutMs,
)

test(
  'the last segment: every bit of headers and two payloads, elsewhere a bit of every byte',
  async () => {
    const [answer] = await damage([
      'headers and two payloads flipped, elsewhere a bit of every byte',
      2,
    ])
    expect(answer!.wrong).toEqual([])
    expect(answer!.cases).toBeGreaterThan(image.segments[2]!.bytes.length)
    expect(answer!.unnoticeable).toEqual(unnoticeableBits(image.segments[2]!))
  },
  timeoutMs,
)
