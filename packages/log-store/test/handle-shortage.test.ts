// Property: a call that finds no handle once does not poison: what is half done then is ended with another try.
import { faultyFileSystem, frameFormat, openLogDirectory } from '../src/index'
import type { FaultyFileSystem, FileOperation, LogDirectory, LogTracker } from '../src/index'
import { readAll } from './support/records'

/** Counts batches. */
class CountingTracker implements LogTracker {
  count = 0
  /** Snapshots are of a version that it does not know. */
  outdated = false
  get isEmpty() {
    return this.count === 0
  }
  restore(snapshot: { readonly state: Uint8Array } | undefined) {
    if (snapshot !== undefined && this.outdated) return false
    this.count = snapshot === undefined ? 0 : Number(Buffer.from(snapshot.state).toString())
    return true
  }
  apply() {
    this.count++
    return undefined
  }
  settle() {}
  rollBack() {}
  expire() {}
  firstUnstableOffset() {
    return undefined
  }
  capture() {
    const state = Buffer.from(String(this.count))
    return () => ({ state })
  }
}

let fileSystem: FaultyFileSystem
let tracker: CountingTracker

async function begun(cleanupPolicy: 'compact' | 'delete'): Promise<LogDirectory> {
  fileSystem = faultyFileSystem()
  tracker = new CountingTracker()
  const directory = await openLogDirectory('/data', {
    fileSystem,
    checkpointMs: 0,
    maxOpenFiles: 4,
    tracker: () => tracker,
    defaults: { segmentBytes: 400, indexIntervalBytes: 60, fileDeleteDelayMs: 0, cleanupPolicy },
  })
  const log = await directory.open('a-0')
  for (let n = 0; n < 30; n++) {
    const key = Buffer.from(`key ${n % 3}`)
    log.append(frameFormat.encode(Buffer.from('x'.repeat(50)), { key }), { leaderEpoch: 0 })
    await log.whenAcknowledged(n + 1)
  }
  return directory
}

/** Runs `work` with a shortage at each of its calls in turn. Answers how many there were. */
async function atEachCall(
  operation: FileOperation,
  cleanupPolicy: 'compact' | 'delete',
  work: (directory: LogDirectory) => Promise<void>,
): Promise<number> {
  for (let at = 1; ; at++) {
    const directory = await begun(cleanupPolicy)
    // A file of the log is tried twice at once.
    const times = operation === 'open' ? 2 : 1
    fileSystem.inject({ operation, at, times, error: 'EMFILE' })
    await work(directory)
    const struck = fileSystem.struck > 0
    fileSystem.clearFaults()
    expect([at, directory.poisoned]).toEqual([at, undefined])
    await directory.close()
    if (!struck) return at - 1
  }
}

test.each([
  ['open', false],
  ['open', true],
  ['list', false],
] as const)('%s while a log is cut (without snapshots: %p)', async (operation, outdated) => {
  const count = await atEachCall(operation, 'delete', async (directory) => {
    tracker.outdated = outdated
    const log = directory.get('a-0')!
    const failure = await log.truncateTo(13).catch((error: unknown) => error)
    if (typeof failure !== 'number') expect(failure).toMatchObject({ retriable: true })
    expect(tracker.count).toBe(log.logEndOffset)
  })
  expect(count).toBeGreaterThan(0)
})

test('syncDirectory while a log is compacted', async () => {
  const count = await atEachCall('syncDirectory', 'compact', async (directory) => {
    await directory.compact('a-0').catch((error: unknown) => {
      expect(error).toMatchObject({ retriable: true })
    })
    const log = directory.get('a-0')!
    expect([...(await readAll(log)).keys()].slice(-3)).toEqual([27, 28, 29])
  })
  expect(count).toBeGreaterThan(2)
})

test('syncDirectory while a log is deleted', async () => {
  const count = await atEachCall('syncDirectory', 'delete', async (directory) => {
    await directory.delete('a-0').catch((error: unknown) => {
      expect(error).toMatchObject({ retriable: true })
    })
  })
  expect(count).toBeGreaterThan(0)
})
