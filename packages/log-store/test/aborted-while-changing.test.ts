// Property: who has read a slice of a log, and then asks what was aborted there, is told all of it
// or gets an error, whatever compaction and retention do to the segments meanwhile.
import type { OpenMode } from '../src/fs/file-system'
import {
  type FileSystem,
  type Log,
  type LogDirectory,
  memoryFileSystem,
  openLogDirectory,
} from '../src/index'
import { ManualClock } from './support/manual-clock'
import { rounds } from './support/proofs'
import { encodeBatch, producerBatches } from './support/producer-batches'

interface Interruptions {
  /** Before and after each change of names. */
  readonly change: () => Promise<void>
  /** Before each read. */
  readonly read: (path: string) => Promise<void>
}

function interrupted(inner: FileSystem, { change, read }: Interruptions): FileSystem {
  return Object.assign(Object.create(inner) as FileSystem, {
    open(path: string, mode: OpenMode) {
      const handle = inner.open(path, mode)
      const plain = handle.read.bind(handle)
      return Object.assign(handle, {
        async read(into: Uint8Array, position: number) {
          await read(path)
          return plain(into, position)
        },
      })
    },
    async rename(from: string, to: string) {
      await change()
      await inner.rename(from, to)
      await change()
    },
    async syncDirectory(path: string) {
      await inner.syncDirectory(path)
      await change()
    },
  })
}

class World {
  directory!: LogDirectory
  log!: Log
  /** Called at each change of names. */
  onChange: () => Promise<void> = async () => {}
  onRead: (path: string) => Promise<void> = async () => {}
  readonly fileSystem = interrupted(memoryFileSystem(), {
    change: () => this.onChange(),
    read: (path) => this.onRead(path),
  })
  readonly #clock = new ManualClock()
  #sequence = 0

  async open(): Promise<void> {
    this.directory = await openLogDirectory('/data', {
      ...{ fileSystem: this.fileSystem, format: producerBatches, clock: this.#clock },
      ...{ cleaner: { intervalMs: 0 }, scrub: { intervalMs: 0 }, checkpointMs: 0 },
      defaults: { cleanupPolicy: 'compact', fileDeleteDelayMs: 0 },
    })
    this.log = await this.directory.open('a-0')
  }

  /** Segments with two aborted transactions each, of producers that say nothing else. */
  async write(segments: number): Promise<void> {
    for (let producer = 1; producer <= segments * 2; producer++) {
      this.#append(producer)
      this.#append(producer, 'abort')
      if (producer % 2 === 0) this.log.roll()
    }
    await this.log.flush()
  }

  aborted(from = 0): Promise<number[]> {
    const entries = this.log.abortedTransactions(from, this.log.logEndOffset)
    return entries.then((all) => all.map(({ lastOffset }) => lastOffset))
  }

  async reopen(): Promise<void> {
    await this.directory.close()
    await this.open()
  }

  #append(producer: number, control?: 'abort'): void {
    const timestamp = this.#clock.wallMs
    const sequence = control === undefined ? this.#sequence++ : -1
    const records = [{ delta: 0, key: `key of ${producer}`, value: 'v' }]
    const batch = { producer, epoch: 0, sequence, transactional: true, timestamp, records }
    const bytes = encodeBatch(control === undefined ? batch : { ...batch, control })
    this.log.append(bytes, { leaderEpoch: 0 })
  }
}

// More segments than have their indexes in memory.
test.each([
  [3, true],
  [3, false],
  [20, true],
])('at changes that a compaction of %p segments makes, waited for: %p', async (segments, waits) => {
  let changes = 0
  for (let at = 1, reached = true; reached; at += segments > 3 ? 11 : rounds(1, 4)) {
    const world = new World()
    await world.open()
    await world.write(segments)
    await world.reopen()
    const all = Array.from({ length: segments * 2 }, (_, n) => n * 2 + 1)
    let left = at
    let asked: Promise<number[]> | undefined
    world.onChange = async () => {
      if (--left === 0) asked = world.aborted()
      if (waits) await asked
    }
    await world.directory.compact('a-0')
    world.onChange = async () => {}
    reached = left <= 0
    if (reached) expect([at, await asked]).toEqual([at, all])
    expect([at, await world.aborted()]).toEqual([at, all])
    await world.directory.close()
    changes++
  }
  expect(changes).toBeGreaterThan(10)
})

test('a compaction while the second index is read', async () => {
  const world = new World()
  await world.open()
  await world.write(3)
  await world.reopen()
  let compacted: Promise<unknown> | undefined
  world.onRead = async (path) => {
    if (!path.endsWith('4.txnindex') || compacted !== undefined) return
    compacted = world.directory.compact('a-0')
    await compacted
  }
  expect(await world.aborted()).toEqual([1, 3, 5, 7, 9, 11])
  expect(compacted).toBeDefined()
  await world.directory.close()
})

test('a deletion after the read', async () => {
  const world = new World()
  await world.open()
  await world.write(3)
  const slice = await world.log.read({ from: 0, maxBytes: 10_000 })
  expect(slice.nextOffset).toBe(4)
  const asking = world.aborted()
  await world.log.advanceLogStart(4)
  const outOfRange = { code: 'KFK_STORE_OFFSET_OUT_OF_RANGE' }
  await asking.catch((error: unknown) => expect(error).toMatchObject(outOfRange))
  await expect(world.aborted()).rejects.toMatchObject(outOfRange)
  expect(() => world.log.abortedTransactionsNow(3, 4)).toThrow(expect.objectContaining(outOfRange))
  expect(await world.aborted(4)).toEqual([5, 7, 9, 11])
  await world.directory.close()
})
