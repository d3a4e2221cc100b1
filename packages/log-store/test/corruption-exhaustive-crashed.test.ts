// A directory that was left behind by a crash, with one file truncated or one bit flipped: what was
// synced is there or named as damaged, what was not may be cut as a tail, and no wrong record comes
// out. The recovery point lies within the last segment.
import { memoryFileSystemOver } from '../src/fs/memory-file-system'
import { ask } from './support/bare-node'
import { openedBlindly, openedDamaged } from './support/corruption-blind'
import { headerBytesOf, unnoticeableBits } from './support/corruption-cases'
import { diskWith, makeImage, totalBytes, type Image } from './support/corruption-image'
import { openDiskOf } from './support/corruption-oracle'
import type { CorruptionAnswer, CorruptionRequest } from './support/corruption-process'
import { countingFileSystem } from './support/counting-file-system'
import { atLeastOf } from './support/proofs'

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
      expect(cases).toBeGreaterThan(atLeastOf(1000))
    }
    expect(answers[0]!.cases).toBeGreaterThanOrEqual(atLeastOf(image.segments[2]!.bytes.length))
  },
  timeoutMs,
)

test(
  'sealed segments: every bit of all headers flipped',
  async () => {
    const jobs = [0, 1].map((at) => ['headers flipped', at] as const)
    for (const [at, { wrong, cases, unnoticeable }] of (await damage(...jobs)).entries()) {
      expect(wrong).toEqual([])
      expect(cases).toBeGreaterThanOrEqual(atLeastOf(8 * headerBytesOf(image.segments[at]!)))
      expect(unnoticeable).toEqual(unnoticeableBits(image.segments[at]!))
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
    expect(answer!.cases).toBeGreaterThan(atLeastOf(image.segments[2]!.bytes.length))
    expect(answer!.unnoticeable).toEqual(unnoticeableBits(image.segments[2]!))
  },
  timeoutMs,
)

// The other bits of payloads need no opening each: opening does not look at sealed segments, and at
// payloads of the last one it looks through their checksums alone, each of which tells every bit.

test('opening reads nothing of sealed segments', async () => {
  const { fileSystem, readOf } = countingFileSystem(memoryFileSystemOver(diskWith(image.files)))
  const { refused } = await openDiskOf(fileSystem)
  expect(refused).toBeUndefined()
  const [first, second, last] = image.segments.map(({ path }) => readOf(new RegExp(path)))
  expect([first, second]).toEqual([0, 0])
  expect(last).toBeGreaterThan(0)
})

test('opening looks at payloads through their checksums alone', async () => {
  for (const unsound of [undefined, ...image.segments[2]!.frames.keys()]) {
    expect(await openedBlindly(image, unsound)).toEqual(await openedDamaged(image, unsound))
  }
})

test(
  'every bit of what a checksum covers flipped',
  async () => {
    const jobs = [0, 1, 2].map((at) => ['what a checksum covers flipped', at] as const)
    for (const [at, { wrong, cases }] of (await damage(...jobs)).entries()) {
      const segment = image.segments[at]!
      expect(wrong).toEqual([])
      const covered = segment.bytes.length - headerBytesOf(segment)
      expect(cases).toBeGreaterThanOrEqual(atLeastOf(8 * covered))
    }
  },
  timeoutMs,
)
