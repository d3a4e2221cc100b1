// Property: whatever happens to the bytes of a log, reading it yields a valid prefix or a loud
// error,
// never wrong data; and what the recovery point vouches for is never cut silently.
import { join } from 'node:path'
import { memoryFileSystem, openLogDirectory, StoreError } from '../src/index'
import type { FileSystem, Log, StoreReport } from '../src/index'
import { readWholeFile } from '../src/checkpoint-file'
import { atLeastOf, isTaken } from './support/proofs'
import { readAll, record } from './support/records'

const defaults = { segmentBytes: 300, indexIntervalBytes: 80 }
const count = 18
const expected = Array.from({ length: count }, (_, n) => `record ${n}`)

/** A small log of several segments; `clean` as after close, else as after a kill. */
async function makeLog(): Promise<FileSystem> {
  const fileSystem = memoryFileSystem()
  const directory = await openLogDirectory('/data', { fileSystem, defaults })
  const log = await directory.open('a-0')
  for (let n = 0; n < count; n++) {
    log.append(record(`record ${n}`, 1000 + n), { leaderEpoch: n < 7 ? 1 : 2 })
    await log.whenAcknowledged(n + 1)
  }
  await directory.close()
  return fileSystem
}

async function files(fileSystem: FileSystem): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>()
  for (const path of ['/data', '/data/a-0']) {
    for (const entry of await fileSystem.list(path)) {
      if (entry.isDirectory) continue
      found.set(join(path, entry.name), (await readWholeFile(fileSystem, join(path, entry.name)))!)
    }
  }
  return found
}

/** The same content on a fresh disk. `unclean` leaves the marker out. */
async function copy(
  content: Map<string, Uint8Array>,
  options: { unclean: boolean; recoveryPoint?: number },
): Promise<FileSystem> {
  const fileSystem = memoryFileSystem()
  await fileSystem.makeDirectory('/data/a-0')
  for (const [path, bytes] of content) {
    if (options.unclean && path.endsWith('.kafka_cleanshutdown')) continue
    if (options.recoveryPoint === 0 && path.includes('recovery-point')) continue
    const handle = fileSystem.open(path, 'write')
    handle.writevSync([bytes], 0)
    handle.close()
  }
  return fileSystem
}

async function attempt(
  fileSystem: FileSystem,
): Promise<{ log?: Log; found?: string[]; error?: StoreError; reports: StoreReport[] }> {
  const reports: StoreReport[] = []
  const directory = await openLogDirectory('/data', {
    fileSystem,
    defaults,
    onReport: (report) => reports.push(report),
  })
  try {
    const log = await directory.open('a-0')
    return { log, found: [...(await readAll(log)).values()], reports }
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    return { error, reports }
  }
}

const segmentFiles = (content: Map<string, Uint8Array>, suffix: string) =>
  [...content.keys()].filter((path) => path.endsWith(suffix)).sort()

test('truncated at every byte, nothing synced: the whole batches before the cut', async () => {
  const content = await files(await makeLog())
  const logs = segmentFiles(content, '.log')
  expect(logs.length).toBeGreaterThan(2)
  let before = 0
  for (const path of logs) {
    const bytes = content.get(path)!
    const frame = record('record 0').length
    for (let size = 0; size <= bytes.length; size++) {
      if (!isTaken(size)) continue
      const cut = new Map(content).set(path, bytes.subarray(0, size))
      const { found } = await attempt(await copy(cut, { unclean: true, recoveryPoint: 0 }))
      // Later segments do not join on to a cut one.
      const whole = size === bytes.length ? count : before + wholeFrames(bytes, size)
      expect({ path, size, found }).toEqual({ path, size, found: expected.slice(0, whole) })
      if (size > 2 * frame && size < bytes.length - 2 * frame) size += 3
    }
    before += wholeFrames(bytes, bytes.length)
  }
})

function wholeFrames(bytes: Uint8Array, size: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  let frames = 0
  for (let at = 0; at + 12 <= size; frames++) {
    const next = at + 12 + view.getInt32(at + 8)
    if (next > size) break
    at = next
  }
  return frames
}

test('truncated below the recovery point: an error that names file and position', async () => {
  const content = await files(await makeLog())
  const path = segmentFiles(content, '.log').at(-1)!
  const bytes = content.get(path)!
  for (const unclean of [true, false]) {
    for (let size = 0; size < bytes.length; size += 7) {
      const cut = new Map(content).set(path, bytes.subarray(0, size))
      const { error } = await attempt(await copy(cut, { unclean }))
      expect(error).toMatchObject({ code: 'KFK_STORE_CORRUPT', details: { path } })
      expect(error!.details['position']).toBeLessThanOrEqual(size)
    }
  }
})

test('every bit flipped, nothing known synced: a valid prefix', async () => {
  const content = await files(await makeLog())
  for (const path of segmentFiles(content, '.log')) {
    const bytes = content.get(path)!
    for (let bit = 0; bit < bytes.length * 8; bit += 5) {
      if (!isTaken(bit)) continue
      const flipped = Uint8Array.from(bytes)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      const damaged = new Map(content).set(path, flipped)
      const { found, log } = await attempt(await copy(damaged, { unclean: true, recoveryPoint: 0 }))
      expect({ path, bit, found }).toEqual({ path, bit, found: expected.slice(0, found!.length) })
      expect(log!.logEndOffset).toBe(found!.length)
    }
  }
})

test('every bit flipped below the recovery point: never fewer records in silence', async () => {
  const content = await files(await makeLog())
  const path = segmentFiles(content, '.log').at(-1)!
  const bytes = content.get(path)!
  let [loud, flips] = [0, 0]
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    if (!isTaken(bit)) continue
    flips++
    const flipped = Uint8Array.from(bytes)
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    const { found, error } = await attempt(
      await copy(new Map(content).set(path, flipped), { unclean: true }),
    )
    if (error !== undefined) {
      expect(error).toMatchObject({ code: 'KFK_STORE_CORRUPT' })
      loud++
    } else expect(found).toEqual(expected)
  }
  // What stays unnoticed is the leader epoch, which no checksum covers: not record data.
  expect(loud).toBeGreaterThan(flips * 0.8)
  expect(flips).toBeGreaterThanOrEqual(atLeastOf(bytes.length * 8))
})

const damages: Record<string, (bytes: Uint8Array, seed: number) => Uint8Array | undefined> = {
  deleted: () => undefined,
  emptied: () => new Uint8Array(0),
  shortened: (bytes) => bytes.subarray(0, Math.max(0, bytes.length - 12)),
  'cut within an entry': (bytes) => bytes.subarray(0, Math.max(0, bytes.length - 5)),
  'zero-padded': (bytes) => Buffer.concat([bytes, new Uint8Array(240)]),
  garbled: (bytes, seed) => bytes.map((byte, at) => (byte + (at * 31 + seed) * 17) & 255),
  'one byte off': (bytes, seed) =>
    bytes.map((byte, at) => (at === seed % Math.max(1, bytes.length) ? byte ^ 2 : byte)),
}

describe.each(Object.keys(damages))('indexes %s', (damage) => {
  test.each(['.index', '.timeindex'])(
    '%s: every offset and timestamp is still found',
    async (suffix) => {
      const content = await files(await makeLog())
      for (const path of segmentFiles(content, suffix)) {
        for (const seed of damage === 'one byte off' ? [0, 1, 3, 5, 7, 9, 11, 13] : [1]) {
          for (const unclean of [true, false]) {
            const damaged = new Map(content)
            const bytes = damages[damage]!(content.get(path)!, seed)
            if (bytes === undefined) damaged.delete(path)
            else damaged.set(path, bytes)
            const { log, found } = await attempt(await copy(damaged, { unclean }))
            expect(found).toEqual(expected)
            for (let n = 0; n < count; n++) {
              const slice = await log!.read({ from: n, maxBytes: 1 })
              expect(slice.nextOffset).toBe(n + 1)
              expect(await log!.offsetForTimestamp(1000 + n)).toMatchObject({ offset: n })
            }
            expect(await log!.maxTimestampOffset()).toMatchObject({ offset: count - 1 })
          }
        }
      }
    },
  )
})

const small = ['leader-epoch-checkpoint', 'recovery-point-offset-checkpoint', '.crc']
test.each(small)('%s garbled, emptied or deleted: nothing is lost', async (name) => {
  const content = await files(await makeLog())
  for (const path of segmentFiles(content, name)) {
    for (const damage of ['garbled', 'emptied', 'deleted', 'one byte off']) {
      for (const unclean of [true, false]) {
        const damaged = new Map(content)
        const bytes = damages[damage]!(content.get(path)!, 3)
        if (bytes === undefined) damaged.delete(path)
        else damaged.set(path, bytes)
        const { found, log } = await attempt(await copy(damaged, { unclean }))
        expect({ path, damage, unclean, found }).toEqual({ path, damage, unclean, found: expected })
        expect(log!.epochEnd(1)).toEqual({ leaderEpoch: 1, endOffset: 7 })
      }
    }
  }
})

test('batches that survive behind the damage are set aside, not destroyed', async () => {
  const content = await files(await makeLog())
  const [path] = segmentFiles(content, '.log')
  const flipped = Uint8Array.from(content.get(path!)!)
  flipped[40]! ^= 1
  const fileSystem = await copy(new Map(content).set(path!, flipped), {
    unclean: true,
    recoveryPoint: 0,
  })
  const { found, reports } = await attempt(fileSystem)
  expect(found).toEqual([])
  expect(reports.map((report) => report.kind)).toContain('quarantined')
  const names = (await fileSystem.list('/data/a-0')).map((entry) => entry.name)
  const kept = names.filter((name) => name.startsWith('kfk.quarantine.'))
  expect(kept).toHaveLength(segmentFiles(content, '.log').length)
})
