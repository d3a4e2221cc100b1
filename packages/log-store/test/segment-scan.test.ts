// Scanning in pieces: wherever the pieces end, the batches are the same.
import { frameFormat } from '../src/index'
import type { FileHandle } from '../src/fs/file-system'
import { PieceReader } from '../src/piece-reader'
import { scanBatches, type ScanRequest } from '../src/segment-scan'

/** A file in memory that reads no more than `mostBytes` at once and counts calls under way. */
class SlowFile {
  running = 0
  reads: { position: number; length: number }[] = []
  failAt = Number.MAX_SAFE_INTEGER
  /** Answers without a turn of the event loop. */
  atOnce = false

  constructor(
    readonly bytes: Uint8Array,
    readonly mostBytes = Number.MAX_SAFE_INTEGER,
  ) {}

  async read(into: Uint8Array, position: number): Promise<number> {
    this.running++
    this.reads.push({ position, length: into.length })
    if (!this.atOnce) await new Promise((resolve) => setImmediate(resolve))
    this.running--
    if (position + into.length > this.failAt)
      throw Object.assign(new Error('broken'), { code: 'EIO' })
    const length = Math.min(into.length, this.mostBytes, this.bytes.length - position)
    if (length <= 0) return 0
    into.set(this.bytes.subarray(position, position + length))
    return length
  }

  get handle(): FileHandle {
    return this as unknown as FileHandle
  }
}

/** Frames of many sizes, stamped from offset 0 on. */
function frames(sizes: readonly number[]): { bytes: Buffer; positions: number[] } {
  const positions: number[] = []
  let position = 0
  const all = sizes.map((size, baseOffset) => {
    const frame = frameFormat.encode(Buffer.alloc(size, baseOffset & 0xff), { timestamp: 1 })
    frameFormat.stamp(frame, 0, { baseOffset, leaderEpoch: 1 })
    positions.push(position)
    position += frame.length
    return frame
  })
  return { bytes: Buffer.concat(all), positions }
}

const sizes = [0, 1, 90, 3000, 5, 700, 64, 64, 100_000, 3, 250_000, 17, 0, 80_000, 1]
const log = frames(sizes)

async function scan(file: SlowFile, changes: Partial<ScanRequest> = {}) {
  const seen: number[] = []
  const result = await scanBatches({
    format: frameFormat,
    handle: file.handle,
    from: 0,
    to: file.bytes.length,
    expectedOffset: 0,
    gapsBelow: 0,
    verify: true,
    onBatch(batch, position, bytes, at) {
      // The bytes that are shown are those of the batch.
      const { sizeInBytes } = batch
      const there = file.bytes.subarray(position, position + sizeInBytes)
      expect(Buffer.compare(bytes.subarray(at, at + sizeInBytes), there)).toBe(0)
      seen.push(position)
      return true
    },
    ...changes,
  })
  expect(file.running).toBe(0)
  return { ...result, seen }
}

const pieces = [1, 33, 34, 35, 64, 999, 4096, 65_536, 70_000, 300_000, 1_000_000]

test.each(pieces)('pieces of %i bytes: every batch, once, with its bytes', async (pieceBytes) => {
  for (const verify of [true, false]) {
    const found = await scan(new SlowFile(log.bytes), { pieceBytes, verify })
    expect(found).toEqual({
      seen: log.positions,
      position: log.bytes.length,
      nextOffset: sizes.length,
    })
  }
})

test('reads that return less than was asked for', async () => {
  const file = new SlowFile(log.bytes, 777)
  expect((await scan(file, { pieceBytes: 5000 })).seen).toEqual(log.positions)
})

test.each([64, 5000, 1_000_000])('a file cut anywhere, pieces of %i bytes', async (pieceBytes) => {
  const { bytes, positions } = frames([10, 500, 0, 4000, 1])
  for (let length = 0; length < bytes.length; length += length < 700 ? 1 : 97) {
    const whole = positions.filter((_, n) => (positions[n + 1] ?? bytes.length) <= length)
    const cut = { seen: whole, nextOffset: whole.length, position: positions[whole.length] }
    const expected =
      cut.position === length ? cut : { ...cut, problem: expect.stringContaining('') as string }
    const shorter = new SlowFile(bytes.subarray(0, length))
    expect(await scan(shorter, { pieceBytes })).toEqual(expected)
    // The same when the file turns out to be shorter than its size was thought to be.
    shorter.atOnce = length % 2 === 0
    const missing = await scan(shorter, { pieceBytes, to: bytes.length })
    expect([missing.seen, missing.position]).toEqual([whole, cut.position])
    expect(missing.problem).toBe('batch is cut short')
  }
})

test('a bad checksum ends it before the batch, and nothing is being read any more', async () => {
  const bytes = Buffer.from(log.bytes)
  const bad = log.positions[10]!
  bytes[bad + 200_000]! ^= 1
  for (const pieceBytes of pieces) {
    const found = await scan(new SlowFile(bytes), { pieceBytes })
    expect([found.position, found.nextOffset]).toEqual([bad, 10])
    expect(found.problem).toContain('checksum')
  }
})

test('whoever has found the batch reads no further', async () => {
  const { bytes, positions } = frames(Array<number>(5000).fill(100))
  const file = new SlowFile(bytes)
  const found = await scan(file, { verify: false, onBatch: (_, position) => position < 500 })
  expect(found).toMatchObject({ stopped: true, position: positions[4], nextOffset: 4 })
  expect(file.reads).toEqual([{ position: 0, length: 65_536 }])
})

test('a piece is read while the one before it is looked at, unless somebody sets the pace', async () => {
  const file = new SlowFile(log.bytes)
  let overlapped = 0
  await scan(file, { pieceBytes: 20_000, onBatch: () => (overlapped += file.running) >= 0 })
  expect(overlapped).toBeGreaterThan(5)
  const paced = new SlowFile(log.bytes)
  let fresh = 0
  await scan(paced, {
    pieceBytes: 20_000,
    async onPiece(bytes) {
      fresh += bytes
      expect(paced.running).toBe(0)
      await Promise.resolve()
    },
  })
  expect(fresh).toBe(log.bytes.length)
})

test('an error while reading ahead is told when its turn comes', async () => {
  const file = new SlowFile(log.bytes)
  file.failAt = 60_000
  const seen: number[] = []
  const scanning = scan(file, {
    pieceBytes: 2000,
    onBatch: (_, position) => seen.push(position) > 0,
  })
  await expect(scanning).rejects.toThrow('broken')
  expect(seen).toEqual(log.positions.slice(0, 8))
  expect(file.running).toBe(0)
})

test('two buffers do for any number of pieces', async () => {
  const file = new SlowFile(Buffer.alloc(100_000, 7))
  const reader = new PieceReader({
    handle: file.handle,
    from: 0,
    to: file.bytes.length,
    pieceBytes: 1000,
    firstPieceBytes: 1000,
    ahead: true,
  })
  const buffers = new Set<ArrayBufferLike>()
  for (let n = 0; !reader.ended; n++) {
    const { buffer } = await reader.next(10 * Math.min(1, n), 0)
    // The first piece has no room before it and is not used again.
    if (n > 1) buffers.add(buffer)
  }
  await reader.end()
  expect(buffers.size).toBe(2)
})
