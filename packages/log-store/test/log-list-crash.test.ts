// Property: the power may go at any step of a clean close and of the opening that follows. What was
// acknowledged is there, and our own crash is never taken for the doing of Kafka, which would make
// the checksums beside the store's files follow whatever happens to be in them.
import { openLogDirectory, recordingFileSystem } from '../src/index'
import type { DiskChange, FileSystem, LogDirectory, StoreReport, Survival } from '../src/index'
import { ManualClock } from './support/manual-clock'
import { readAll, record } from './support/records'
import { flipped, storedFiles, writeFile } from './support/stored-files'

const names = ['a-0', 'b-7']
const recordCount = 5
const epochsPath = '/data/a-0/leader-epoch-checkpoint'
const text = (n: number) => `record ${n}`

function open(fileSystem: FileSystem, reports: StoreReport[] = []): Promise<LogDirectory> {
  return openLogDirectory('/data', {
    fileSystem,
    clock: new ManualClock(),
    checkpointMs: 0,
    onReport: (report) => reports.push(report),
  })
}

/** A first life that ends cleanly, and a second one that does nothing. */
async function twoLives() {
  const disk = recordingFileSystem()
  const first = await open(disk)
  for (const name of names) {
    const log = await first.open(name)
    for (let n = 0; n < recordCount; n++) log.append(record(text(n)), { leaderEpoch: 3 })
    await log.whenAcknowledged(recordCount)
  }
  await first.checkpoint()
  const from = disk.steps.length
  await first.close()
  const second = await open(disk)
  await second.open('a-0')
  await second.close()
  return { disk, from }
}

/** What may be left of changes that no sync has covered: all subsets of the last few. */
function* survivals(pending: readonly DiskChange[]): Generator<(at: number) => Survival> {
  const last = Math.min(pending.length, 6)
  for (const rest of pending.length > last ? (['lost', 'kept'] as const) : ['kept' as const]) {
    for (let subset = 0; subset < 2 ** last; subset++) {
      yield (at) => {
        const behind = at - (pending.length - last)
        if (behind < 0) return rest
        return (subset >> behind) % 2 === 1 ? 'kept' : 'lost'
      }
    }
  }
}

test('at every step, whatever survives of it', async () => {
  const { disk, from } = await twoLives()
  const seen = new Set<string>()
  const left = { clean: 0, unclean: 0, listed: 0 }
  for (let count = from; count <= disk.steps.length; count++) {
    const point = disk.crashAfter(count)
    for (const survives of survivals(point.pending)) {
      const crashed = point.restart((_, at) => survives(at))
      const fingerprint = crashed.fingerprint()
      if (seen.has(fingerprint)) continue
      seen.add(fingerprint)
      const { fileSystem } = crashed
      const listed = (await fileSystem.stat('/data/kfk.logs')) !== undefined
      if (listed) left.listed++
      // Bit rot, which must be told whenever it is met.
      const epochs = (await storedFiles(fileSystem)).get(epochsPath)!
      writeFile(fileSystem, epochsPath, flipped(epochs, epochs.length - 2))
      const reports: StoreReport[] = []
      const directory = await open(fileSystem, reports)
      left[directory.cleanStart ? 'clean' : 'unclean']++
      for (const name of names) {
        const found = await readAll(await directory.open(name))
        expect([...found.values()]).toEqual(Array.from({ length: recordCount }, (_, n) => text(n)))
      }
      expect((await directory.open('a-0')).epochAt(0)).toBe(3)
      const kinds = reports.map(({ kind }) => kind)
      // A log that opens from the list needs no other file.
      if (!listed || !directory.cleanStart) expect(kinds).toContain('checkpoint-unreadable')
      expect(kinds).not.toContain('taken-over')
      expect(reports.filter(({ message }) => message.includes('kfk.logs'))).toEqual([])
    }
  }
  for (const count of Object.values(left)) expect(count).toBeGreaterThan(2)
})
