// Every file beside the data, deleted, shortened to every length, every byte garbled (of all but the
// indexes every bit flipped, too): all records are there, and looking them up by offset and by timestamp finds the right
// ones.
import type { Log } from '../src/index'
import { diskWith, fileWith, makeImage } from './support/corruption-image'
import { epochBorder, type Image, type StoredSegment } from './support/corruption-image'
import { Verdicts } from './support/corruption-judge'
import { compareRecords, openDisk, readOut } from './support/corruption-oracle'
import { sampled } from './support/proofs'
import type { MemoryFile } from '../src/fs/memory-file-system'

const timeoutMs = 600_000
const images: Record<string, Image> = {}
beforeAll(async () => {
  images['crashed'] = await makeImage({ closed: false })
  images['closed'] = await makeImage({ closed: true })
})

/** What can become of a file; undefined: it is gone. */
function* damagesOf(
  file: MemoryFile,
  bits: number,
): Generator<[name: string, MemoryFile | undefined]> {
  const { bytes } = file
  yield ['deleted', undefined]
  for (let size = 0; size < bytes.length; size++) {
    yield [`cut to ${size} bytes`, fileWith(file, bytes, size)]
  }
  const other = (at: number, change: number) => {
    const copy = Uint8Array.from(bytes)
    copy[at]! ^= change
    return fileWith(file, copy)
  }
  for (let at = 0; at < bytes.length; at++) {
    yield [`byte ${at} garbled`, other(at, 0xff)]
    for (let bit = 0; bit < bits; bit++) yield [`byte ${at} bit ${bit}`, other(at, 1 << bit)]
  }
  const garbled = bytes.map((byte, at) => (byte + (at * 31 + 1) * 17) & 255)
  yield ['garbled', fileWith(file, garbled)]
  yield ['padded with zeros', fileWith(file, Buffer.concat([bytes, new Uint8Array(240)]))]
}

describe.each(['crashed', 'closed'])('%s', (state) => {
  test.each([0, 1, 2])(
    'the indexes of segment %i',
    async (at) => {
      const image = images[state]!
      const segment = image.segments[at]!
      const stem = segment.path.slice(0, -'log'.length)
      for (const path of [`${stem}index`, `${stem}timeindex`]) {
        expect((await damaged(image, path, segment)).wrong).toEqual([])
      }
    },
    timeoutMs,
  )

  test(
    'checkpoints, their checksums, notes, lists and the marker',
    async () => {
      const image = images[state]!
      const names = [...image.files.keys()].filter((path) => !/\.(log|index|timeindex)$/.test(path))
      expect(names.length).toBeGreaterThanOrEqual(7)
      for (const path of names) expect((await damaged(image, path)).wrong).toEqual([])
    },
    timeoutMs,
  )
})

/** `segment`: the one whose records are looked up. */
async function damaged(image: Image, path: string, segment?: StoredSegment): Promise<Verdicts> {
  const verdicts = new Verdicts()
  const damages = damagesOf(image.files.get(path)!, segment === undefined ? 8 : 0)
  for (const [name, file] of sampled(damages)) {
    const sight = await openDisk(diskWith(image.files, path, file))
    const problem = sight.refused?.message ?? (await compareAll(sight.log!, image, segment))
    const read = problem === undefined ? await readOut(sight.embedded!) : undefined
    const all = read && compareRecords(read.records, image, [[0, image.records.length]])
    verdicts.add(() => `${path} ${name}`, problem ?? all ?? read?.places[0]?.path?.toString())
  }
  return verdicts
}

async function compareAll(
  log: Log,
  image: Image,
  segment: StoredSegment | undefined,
): Promise<string | undefined> {
  const end = image.records.length
  if (log.logStartOffset !== 0 || log.logEndOffset !== end) return `ends at ${log.logEndOffset}`
  const { leaderEpoch, endOffset } = log.epochEnd(1)
  if (leaderEpoch !== 1 || endOffset !== epochBorder || log.latestEpoch !== 2) return 'epochs'
  return segment && compareLookups(log, image, segment)
}

async function compareLookups(
  log: Log,
  image: Image,
  segment: StoredSegment,
): Promise<string | undefined> {
  // From the end on: a reader that goes forward would need no index.
  for (const { firstOffset, lastOffset } of [...segment.frames].reverse()) {
    const slice = await log.read({ from: lastOffset, maxBytes: 1 })
    if (slice.nextOffset !== lastOffset + 1) return `offset ${lastOffset} is not found`
    if (slice.bytes.length === 0) return `nothing at ${lastOffset}`
    const { timestamp } = image.records[firstOffset]!
    const due = image.records.findIndex((record) => record.timestamp >= timestamp)
    const found = await log.offsetForTimestamp(timestamp)
    if (found?.offset !== due) return `${timestamp} is at ${due}, not at ${found?.offset}`
  }
  const largest = Math.max(...image.records.map(({ timestamp }) => timestamp))
  const due = image.records.findIndex(({ timestamp }) => timestamp === largest)
  const found = await log.maxTimestampOffset()
  return found?.offset === due ? undefined : `the largest timestamp is at ${found?.offset}`
}
