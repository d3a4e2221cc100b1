// A cleanly closed directory with one file truncated or one bit flipped. Opening does not read the
// data: what is wrong is found when it is read, and no wrong record comes out.
import { frameFormat } from '../src/index'
import type { Log } from '../src/index'
import {
  allBits,
  everySize,
  headerBits,
  openedFlips,
  truncations,
  unnoticeableBits,
} from './support/corruption-cases'
import { diskWith, fileWith, makeImage } from './support/corruption-image'
import type { Image, StoredSegment } from './support/corruption-image'
import { frameAt } from './support/corruption-judge'
import { openDisk } from './support/corruption-oracle'

let image: Image
beforeAll(async () => {
  image = await makeImage({ closed: true })
})
const timeoutMs = 600_000

test.each([0, 1, 2])(
  'segment %i truncated at every byte',
  async (at) => {
    const segment = image.segments[at]!
    const { wrong, cases } = await truncations(image, segment, everySize(segment))
    expect(wrong).toEqual([])
    expect(cases).toBe(segment.bytes.length)
  },
  timeoutMs,
)

test.each([0, 1, 2])(
  'segment %i: every bit of all headers flipped',
  async (at) => {
    const segment = image.segments[at]!
    const { wrong, unnoticeable } = await openedFlips(image, segment, headerBits(segment))
    expect(wrong).toEqual([])
    // Nothing else than leader epochs, at the ends of a segment.
    expect(unnoticeable).toEqual(unnoticeableBits(segment))
  },
  timeoutMs,
)

test.each([0, 1, 2])(
  'segment %i: every bit of what a checksum covers flipped',
  async (at) => {
    const segment = image.segments[at]!
    const bytes = Uint8Array.from(segment.bytes)
    const file = fileWith(image.files.get(segment.path)!, bytes)
    const { log } = await openDisk(diskWith(image.files, segment.path, file))
    const unseen: number[] = []
    let covered = 0
    for (const bit of allBits(segment)) {
      const frame = segment.frames[frameAt(segment, bit >> 3)]!
      // Behind the header a flip shows in nothing but the checksum: one opening serves for all.
      if ((bit >> 3) - frame.position < frameFormat.headerBytes) continue
      covered++
      bytes[bit >> 3]! ^= 1 << (bit & 7)
      if (!(await isRefused(log!, frame.firstOffset, frame.size))) unseen.push(bit)
      bytes[bit >> 3]! ^= 1 << (bit & 7)
    }
    expect(unseen.slice(0, 20)).toEqual([])
    expect(covered).toBe(8 * (segment.bytes.length - headerBytesOf(segment)))
  },
  600_000,
)

const headerBytesOf = ({ frames }: StoredSegment) => frames.length * frameFormat.headerBytes

/** Whether the frame that is read for this offset is not taken for one. */
async function isRefused(log: Log, from: number, maxBytes: number): Promise<boolean> {
  const request = { from, maxBytes }
  const { bytes } = log.readNow(request) ?? (await log.read(request))
  return bytes.length === maxBytes && frameFormat.check(bytes, 0) !== undefined
}
