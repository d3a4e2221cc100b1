// Property: old segments go oldest first, whatever fails: a hole between those that are left would be the end
// of the log for whoever recovers it.
import { faultyFileSystem, openLogDirectory } from '../src/index'
import type { FaultyFileSystem, FileOperation, Log, LogDirectory } from '../src/index'
import { ManualClock } from './support/manual-clock'
import { readAll, record } from './support/records'

let fileSystem: FaultyFileSystem
/** Of those that `fill` writes, in 400 bytes. */
const recordsPerSegment = 9

beforeEach(() => {
  fileSystem = faultyFileSystem()
})

function open(): Promise<LogDirectory> {
  return openLogDirectory('/data', {
    fileSystem,
    clock: new ManualClock(),
    defaults: { segmentBytes: 400, retentionBytes: 300 },
  })
}

async function fill(log: Log, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    log.append(record(`record ${log.logEndOffset}`), { leaderEpoch: 1 })
  }
  await log.flush()
}

/** The log start cannot be noted from now on. */
function failCheckpoints(): void {
  fileSystem.inject({
    ...{ operation: 'create', path: 'log-start', at: 1, error: 'ENOSPC' },
    times: Number.MAX_SAFE_INTEGER,
  })
}

/** Which tells, in the end, that the log start could not be noted. */
async function retain(directory: LogDirectory): Promise<void> {
  const noSpace = { code: 'KFK_STORE_NO_SPACE' }
  await expect(directory.applyRetention()).rejects.toMatchObject(noSpace)
}

const calls: [FileOperation, string][] = [
  ['stat', '.log'],
  ['stat', '.index'],
  ['rename', '.log'],
  ['rename', '.index'],
  ['stat', '.timeindex'],
]

describe.each(calls)('%s of a %s fails', (operation, suffix) => {
  test.each(['retention', 'truncateTo'] as const)('once, before: %s', async (then) => {
    for (let at = 0; at < 4; at++) {
      for (const crash of ['lose-unsynced', 'keep-unsynced'] as const) {
        fileSystem = faultyFileSystem()
        const directory = await open()
        const log = await directory.open('a-0')
        await fill(log, 50)
        failCheckpoints()
        const name = `${at * recordsPerSegment}`.padStart(20, '0')
        fileSystem.inject({ operation, path: name + suffix, at: 1, error: 'EMFILE' })
        const refused = { code: 'KFK_STORE_IO', retriable: true }
        await expect(directory.applyRetention()).rejects.toMatchObject(refused)
        if (then === 'retention') {
          await fill(log, 30)
          await retain(directory)
        } else {
          fileSystem.clearFaults()
          await log.truncateTo(25)
        }
        await fill(log, 8)
        expect(directory.poisoned).toBeUndefined()
        const [start, end] = [log.logStartOffset, log.logEndOffset]
        fileSystem.crash(crash)
        const again = await (await open()).open('a-0')
        expect([again.logStartOffset, again.logEndOffset]).toEqual([start, end])
        expect((await readAll(again)).get(end - 1)).toBe(`record ${end - 1}`)
      }
    }
  })
})

test.each([
  ['together, when the log start is noted', false],
  ['each for good before the next, when it cannot be', true],
])('they go %s', async (_, apart) => {
  const directory = await open()
  const log = await directory.open('a-0')
  await fill(log, 50)
  if (apart) failCheckpoints()
  const steps: string[] = []
  const rename = fileSystem.rename.bind(fileSystem)
  fileSystem.rename = async (from, to) => {
    if (from.endsWith('.log')) steps.push('rename')
    return rename(from, to)
  }
  const syncDirectory = fileSystem.syncDirectory.bind(fileSystem)
  fileSystem.syncDirectory = async (path) => {
    if (path.endsWith('a-0') && steps.length > 0) steps.push('sync')
    return syncDirectory(path)
  }
  if (apart) await retain(directory)
  else await directory.applyRetention()
  const gone = steps.filter((step) => step === 'rename').length
  expect(gone).toBeGreaterThan(2)
  const step = (n: number) => (apart && n % 2 === 1 ? 'sync' : 'rename')
  const renames = Array.from({ length: apart ? 2 * gone - 1 : gone }, (_, n) => step(n))
  expect(steps.slice(0, renames.length + 1)).toEqual([...renames, 'sync'])
})
