import { frameFormat } from '../../src/index'
import type { Log } from '../../src/index'
import { diskWith, fileWith, type Image, type StoredSegment } from './corruption-image'
import { epochProblem, frameAt, judge, judgeEpoch, Verdicts } from './corruption-judge'
import { openDisk } from './corruption-oracle'
import { isTaken } from './proofs'

const headerBytes = frameFormat.headerBytes
const epochAt = 12
const magicAt = 16
/** Once in so many cases all segments are read, not only the damaged one. */
const readAllEvery = 50

/** Bits of a segment by number, 8 to a byte. */
export function* allBits(segment: StoredSegment): Generator<number> {
  for (let bit = 0; bit < segment.bytes.length * 8; bit++) if (isTaken(bit)) yield bit
}

/** Every size that the segment's file could have been cut to. */
export function* everySize({ bytes }: StoredSegment): Generator<number> {
  for (let size = 0; size < bytes.length; size++) if (isTaken(size)) yield size
}

/** Bytes of all headers. */
export const headerBytesOf = ({ frames }: StoredSegment) => frames.length * headerBytes

/** Every bit of all headers. */
export function* headerBits(segment: StoredSegment): Generator<number> {
  for (const { position } of segment.frames) {
    for (let bit = position * 8; bit < (position + headerBytes) * 8; bit++) {
      if (isTaken(bit)) yield bit
    }
  }
}

/**
 * Every bit of all headers and of the payloads of the frames `whole`; of every other byte one bit,
 * another one from byte to byte.
 */
export function* chosenBits(segment: StoredSegment, whole: readonly number[]): Generator<number> {
  for (const [at, { position, size }] of segment.frames.entries()) {
    for (let byte = position; byte < position + size; byte++) {
      const every = byte < position + headerBytes || whole.includes(at)
      for (let bit = 0; bit < 8; bit++) {
        if ((every || bit === byte % 8) && isTaken(byte * 8 + bit)) yield byte * 8 + bit
      }
    }
  }
}

/**
 * Opening asks a sealed segment for nothing but its size, and a closed directory sees every one of
 * them: here all around the headers, and elsewhere every eighth.
 */
export function* sizesAroundFrames({ frames }: StoredSegment): Generator<number> {
  for (const { position, size } of frames) {
    for (let at = 0; at < size; at++) {
      const near = at <= 34 || at >= size - 8 || at % 8 === 0
      if (near && isTaken(position + at)) yield position + at
    }
  }
}

/** The segment's file cut at each of these sizes. */
export async function truncations(
  image: Image,
  segment: StoredSegment,
  sizes: Iterable<number>,
): Promise<Verdicts> {
  const verdicts = new Verdicts()
  const original = image.files.get(segment.path)!
  for (const size of sizes) {
    const file = fileWith(original, segment.bytes, size)
    const sight = await openDisk(diskWith(image.files, segment.path, file))
    const frame = frameAt(segment, size)
    const endsWell = segment.frames[frame]!.position === size
    const all = verdicts.cases % readAllEvery === 0
    const problem = await judge(sight, image, { segment, frame, endsWell }, { all })
    verdicts.add(() => `${segment.path} cut to ${size} bytes`, problem)
  }
  return verdicts
}

/** Each of these bits flipped, the directory opened and read. Counts what nobody can notice. */
export async function openedFlips(
  image: Image,
  segment: StoredSegment,
  bits: Iterable<number>,
): Promise<Verdicts & { unnoticeable: number[] }> {
  const verdicts = Object.assign(new Verdicts(), { unnoticeable: [] as number[] })
  const bytes = Uint8Array.from(segment.bytes)
  const view = new DataView(bytes.buffer)
  const file = fileWith(image.files.get(segment.path)!, bytes)
  for (const bit of bits) {
    const byte = bit >> 3
    bytes[byte]! ^= 1 << (bit & 7)
    const tree = diskWith(image.files, segment.path, file)
    const sight = await openDisk(tree)
    const frame = frameAt(segment, byte)
    const { position } = segment.frames[frame]!
    let problem: string | undefined
    if (byte - position >= epochAt && byte - position < magicAt) {
      const falls = epochProblem(segment, { frame, epoch: view.getInt32(position + epochAt) })
      if (falls === undefined) verdicts.unnoticeable.push(bit)
      problem = await judgeEpoch(sight, image, { segment, problem: falls, tree })
    } else {
      const all = verdicts.cases % readAllEvery === 0
      problem = await judge(sight, image, { segment, frame }, { tree, all })
    }
    verdicts.add(() => `${segment.path} bit ${bit}`, problem)
    bytes[byte]! ^= 1 << (bit & 7)
  }
  return verdicts
}

/**
 * The flips that no order and no checksum can tell: a leader epoch that is higher in the last frame
 * of a segment, or lower, but not negative, in the first one.
 */
export function unnoticeableBits(segment: StoredSegment): number[] {
  const found: number[] = []
  const { frames } = segment
  for (const bit of headerBits(segment)) {
    const frame = frameAt(segment, bit >> 3)
    const { position, epoch } = frames[frame]!
    const within = (bit >> 3) - position - epochAt
    if (within < 0 || within >= magicAt - epochAt) continue
    const value = 2 ** ((3 - within) * 8 + (bit & 7))
    const falls = value === 2 ** 31 || Math.floor(epoch / value) % 2 === 1
    const lower = falls && value !== 2 ** 31 && frame === 0
    const higher = !falls && frame === frames.length - 1
    const border = !falls && epoch + value <= (frames[frame + 1]?.epoch ?? -1)
    if (lower || higher || border) found.push(bit)
  }
  return found
}

/** Every bit behind the headers flipped: behind a header a flip shows in nothing but the checksum. */
export async function coveredFlips(image: Image, segment: StoredSegment): Promise<Verdicts> {
  const verdicts = new Verdicts()
  const bytes = Uint8Array.from(segment.bytes)
  const file = fileWith(image.files.get(segment.path)!, bytes)
  // One opening serves for all: it does not look at them.
  const { log } = await openDisk(diskWith(image.files, segment.path, file))
  for (const bit of allBits(segment)) {
    const frame = segment.frames[frameAt(segment, bit >> 3)]!
    if ((bit >> 3) - frame.position < headerBytes) continue
    bytes[bit >> 3]! ^= 1 << (bit & 7)
    const refused = await isRefused(log!, frame.firstOffset, frame.size)
    verdicts.add(() => `${segment.path} bit ${bit}`, refused ? undefined : 'taken for a frame')
    bytes[bit >> 3]! ^= 1 << (bit & 7)
  }
  return verdicts
}

/** Whether the frame that is read for this offset is not taken for one. */
async function isRefused(log: Log, from: number, maxBytes: number): Promise<boolean> {
  const request = { from, maxBytes }
  const { bytes } = log.readNow(request) ?? (await log.read(request))
  return bytes.length === maxBytes && frameFormat.check(bytes, 0) !== undefined
}
