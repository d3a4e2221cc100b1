// What Node itself offers for looking through frames: reads, zlib's checksum (a call into C for each frame), a Map of keys.
// No order, no index, no bound of memory, no rate, nobody else's turn, and of keys that are no text nothing is right.
import fs from 'node:fs'
import zlib from 'node:zlib'
import { mib } from './fixture.mjs'

const [lengthAt, afterLength, crcAt, coveredAt, keyLengthAt, headerBytes] = [8, 12, 17, 21, 30, 34]
const piece = Buffer.allocUnsafeSlow(mib)

/** Calls `visit` with bytes, position and size of each frame of a file; answers the bytes of all. */
function frames(path, visit) {
  const file = fs.openSync(path)
  let position = 0
  for (let kept = 0; ;) {
    const filled = kept + fs.readSync(file, piece, kept, piece.length - kept, position + kept)
    let at = 0
    while (filled - at >= headerBytes) {
      const size = piece.readInt32BE(at + lengthAt) + afterLength
      if (at + size > filled) break
      visit(piece, at, size)
      at += size
    }
    if (at === 0) break
    piece.copyWithin(0, at, filled)
    kept = filled - at
    position += at
  }
  fs.closeSync(file)
  return position
}

function check(bytes, at, size) {
  const found = zlib.crc32(bytes.subarray(at + coveredAt, at + size))
  if (found !== bytes.readUInt32BE(at + crcAt)) throw new Error(`frame at ${at} is damaged`)
}

/** Compares the checksum of each frame; answers the bytes of all. */
export const bareScan = (path) => frames(path, check)

/** Copies the last frame of each key to another file, which is synced. */
export function bareCompact(from, to) {
  const keyOf = (bytes, at) => {
    const start = at + headerBytes
    return bytes.latin1Slice(start, start + bytes.readInt32BE(at + keyLengthAt))
  }
  const latest = new Map()
  frames(from, (bytes, at, size) => {
    check(bytes, at, size)
    latest.set(keyOf(bytes, at), bytes.readUInt32BE(at + 4))
  })
  const file = fs.openSync(to, 'w')
  const gathered = Buffer.allocUnsafeSlow(mib / 2)
  let filled = 0
  const flush = () => {
    fs.writeSync(file, gathered, 0, filled)
    filled = 0
  }
  frames(from, (bytes, at, size) => {
    if (latest.get(keyOf(bytes, at)) !== bytes.readUInt32BE(at + 4)) return
    if (filled + size > gathered.length) flush()
    bytes.copy(gathered, filled, at, at + size)
    filled += size
  })
  flush()
  fs.fdatasyncSync(file)
  fs.closeSync(file)
}
