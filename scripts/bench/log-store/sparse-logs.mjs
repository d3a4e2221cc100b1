// Logs of any size that take next to no space: segments of 1 GiB that are holes but for a few places. At each place lie real
// batches, to which real entries of both indexes point; offsets and timestamps are what they would be if the segment were
// full. Reads that keep to the places meet nothing else, and do all that they do in a full log.
//
// The indexes are small: three entries where a full segment has 260,000. A lookup in a large index reads two or three
// pieces of it instead of one; that depends on the segment, not on how many there are.
import fs from 'node:fs'
import path from 'node:path'
import { frameOf, leaderEpoch, mib, store } from './fixture.mjs'

export const segmentBytes = 1024 * mib
export const recordBytes = 1024
const recordsPerSegment = segmentBytes / recordBytes
const activeBytes = 64 * mib
const placeBytes = 4 * 1024
/** Places of one segment are large enough that a read with what it reads too much stays within. */
const busyPlaceBytes = 16 * 1024
/** What the store reads at a place at most: the page cache gets it at once, also of the hole behind. */
const warmed = Buffer.alloc(64 * 1024)
/** A record each millisecond. */
const timestampOf = (offset) => 1_600_000_000_000 + offset

export const sizes = [
  { label: '1 GB', count: 1 },
  { label: '100 GB', count: 100 },
  { label: '10 TB', count: 10_240 },
]

const fileName = (base, suffix) => String(base).padStart(20, '0') + suffix

/** Records back to back from `offset` on. */
function recordsFrom(offset, bytes) {
  const frames = []
  for (let at = 0; at < bytes / recordBytes; at++) {
    const frame = frameOf(recordBytes, { timestamp: timestampOf(offset + at) })
    store.frameFormat.stamp(frame, 0, { baseOffset: offset + at, leaderEpoch })
    frames.push(frame)
  }
  return Buffer.concat(frames)
}

/** Where the batches of a segment lie: at its beginning, in the middle, and up to its very end. */
const positionsIn = (sizeBytes, bytes) => [0, sizeBytes / 2, sizeBytes - bytes]

function writeSegment(dir, { base, sizeBytes, bytes }) {
  const positions = positionsIn(sizeBytes, bytes)
  const file = fs.openSync(path.join(dir, fileName(base, '.log')), 'w+')
  fs.ftruncateSync(file, sizeBytes)
  for (const position of positions) {
    fs.writeSync(file, recordsFrom(base + position / recordBytes, bytes), 0, bytes, position)
    fs.readSync(file, warmed, 0, warmed.length, position)
  }
  fs.closeSync(file)
  const offsets = Buffer.alloc(8 * (positions.length - 1))
  const times = Buffer.alloc(12 * positions.length)
  for (const [entry, position] of positions.slice(1).entries()) {
    const relative = position / recordBytes
    offsets.writeInt32BE(relative, 8 * entry)
    offsets.writeInt32BE(position, 8 * entry + 4)
    times.writeBigInt64BE(BigInt(timestampOf(base + relative)), 12 * entry)
    times.writeInt32BE(relative, 12 * entry + 8)
  }
  // The one that sealing, or closing, adds.
  const last = sizeBytes / recordBytes - 1
  times.writeBigInt64BE(BigInt(timestampOf(base + last)), times.length - 12)
  times.writeInt32BE(last, times.length - 4)
  fs.writeFileSync(path.join(dir, fileName(base, '.index')), offsets)
  fs.writeFileSync(path.join(dir, fileName(base, '.timeindex')), times)
}

/**
 * A log of `count` full segments and an active one with room, cleanly closed by the store itself: it has opened the log by
 * listing it, and has been asked for a timestamp beyond the end, so that it knows the largest one of every segment, as
 * after having written them. So it leaves its list of logs.
 */
async function buildLog(dir, count) {
  // The marker of a clean close is the store's own.
  fs.mkdirSync(dir, { recursive: true })
  await (await openSparse(dir, { empty: true })).directory.close()
  const logDir = path.join(dir, 'bench-0')
  fs.mkdirSync(logDir)
  for (let at = 0; at < count; at++) {
    const bytes = at === busySegment(count) ? busyPlaceBytes : placeBytes
    writeSegment(logDir, { base: at * recordsPerSegment, sizeBytes: segmentBytes, bytes })
  }
  const base = count * recordsPerSegment
  writeSegment(logDir, { base, sizeBytes: activeBytes, bytes: placeBytes })
  fs.writeFileSync(path.join(logDir, 'leader-epoch-checkpoint'), `0\n1\n${leaderEpoch} 0\n`)
  const { directory, log } = await openSparse(dir)
  const end = base + activeBytes / recordBytes
  if (log.logEndOffset !== end) throw new Error(`the log ends at ${log.logEndOffset}, not ${end}`)
  const beyond = await log.offsetForTimestamp(timestampOf(end))
  if (beyond !== undefined) throw new Error(`${beyond.offset} is later than all`)
  await directory.close()
  if (!fs.existsSync(path.join(dir, 'kfk.logs'))) throw new Error('no list of logs')
}

/** Builds all sizes, unless they are there. */
export async function buildSparseLogs(dir) {
  for (const { label, count } of sizes) {
    const own = path.join(dir, String(count))
    if (fs.existsSync(own)) continue
    const started = performance.now()
    await buildLog(own, count)
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    const kib = blocksOf(own) / 2
    process.stderr.write(`${label} built in ${seconds} s, ${(kib / 1024).toFixed(0)} MiB on disk\n`)
  }
}

function blocksOf(dir) {
  let blocks = 0
  for (const name of fs.readdirSync(dir, { recursive: true })) {
    blocks += fs.statSync(path.join(dir, name)).blocks
  }
  return blocks
}

/** Opens the directory of one such log, and the log unless it is `empty`. */
export async function openSparse(dir, { empty = false, ...options } = {}) {
  const directory = await store.openLogDirectory(dir, {
    checkpointMs: 0,
    // It would come upon the holes.
    scrub: { intervalMs: 0 },
    defaults: { flushMessages: Number.MAX_SAFE_INTEGER, retentionMs: -1 },
    onReport({ kind, message }) {
      throw new Error(`${kind}: ${message}`)
    },
    ...options,
  })
  if (!empty && !directory.cleanStart) throw new Error('not a clean start')
  return { directory, log: empty ? undefined : await directory.open('bench-0') }
}

/** The segment with large places: one in the middle. */
export const busySegment = (count) => count >> 1

/** First offsets of the places of one sealed segment; a segment's first and last are among them. */
export function placesOf(count, segment) {
  const bytes = segment === busySegment(count) ? busyPlaceBytes : placeBytes
  return positionsIn(segmentBytes, bytes).map(
    (position) => segment * recordsPerSegment + position / recordBytes,
  )
}

/** A place of any sealed segment. */
export function anyPlace(count) {
  const places = placesOf(count, Math.floor(Math.random() * count))
  return places[Math.floor(Math.random() * places.length)]
}

/** The beginning of the active segment. */
export const activeBase = (count) => count * recordsPerSegment

export const busyBytes = busyPlaceBytes
export { timestampOf }
