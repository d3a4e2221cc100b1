// Property: wherever a workload is cut off, and whatever of the unsynced state survives, every
// acknowledged record is there at its offset, none is invented, and order is kept.
import { faultyFileSystem, openLogDirectory, StoreError } from '../src/index'
import type { CrashOutcome, FaultyFileSystem, Log, LogDirectory } from '../src/index'
import { ManualClock } from './support/manual-clock'
import { readAll, record, settle } from './support/records'

const outcomes: CrashOutcome[] = [
  'lose-unsynced',
  'keep-unsynced',
  'tear-last-write',
  'zero-last-write',
]
const defaults = {
  segmentBytes: 220,
  indexIntervalBytes: 60,
  fileDeleteDelayMs: 10,
  retentionMs: -1,
}

/** What a client of one log may rely on. */
class Expectation {
  /** Every record that was ever put at an offset. */
  readonly appended = new Map<number, Set<string>>()
  /** Acknowledged and never asked to be removed. */
  readonly acknowledged = new Map<number, string>()
  /** Log start offsets may have moved up to here. */
  startAtMost = 0
  /** And have durably moved to here. */
  startAtLeast = 0
  deleted = false
  /** Epochs by offset. */
  readonly epochs = new Map<number, number>()

  append(log: Log, texts: string[], leaderEpoch: number): void {
    for (const text of texts) {
      const { baseOffset } = log.append(record(text, 1000 + log.logEndOffset), { leaderEpoch })
      const seen = this.appended.get(baseOffset) ?? new Set()
      this.appended.set(baseOffset, seen.add(text))
      this.epochs.set(baseOffset, leaderEpoch)
      log.whenAcknowledged(baseOffset + 1).then(
        () => this.acknowledged.set(baseOffset, text),
        () => undefined,
      )
    }
  }

  truncating(offset: number): void {
    for (const known of [...this.acknowledged.keys()]) {
      if (known >= offset) this.acknowledged.delete(known)
    }
  }
}

type Step =
  'restart' | ((directory: LogDirectory, known: Map<string, Expectation>) => Promise<void>)

function know(known: Map<string, Expectation>, name: string): Expectation {
  const found = known.get(name) ?? new Expectation()
  known.set(name, found)
  return found
}

const words = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, n) => `${prefix}${n}`)

function appendStep(name: string, texts: string[], leaderEpoch: number): Step {
  return async (directory, known) => {
    const log = await directory.open(name)
    know(known, name).append(log, texts, leaderEpoch)
    await log.whenAcknowledged(log.logEndOffset)
  }
}

/** Two lives of a directory, with a clean stop in between. */
const workload: Step[] = [
  appendStep('a-0', words('one', 3), 1),
  appendStep('b-0', words('uno', 2), 1),
  async (directory, known) => {
    const log = await directory.open('a-0')
    // Three turns of the event loop without waiting for the disk.
    for (const text of words('turn', 3)) {
      know(known, 'a-0').append(log, [text], 2)
      await settle(1)
    }
    await log.flush()
  },
  (directory) => directory.checkpoint(),
  appendStep('a-0', words('two', 4), 3),
  async (directory, known) => {
    const log = await directory.open('a-0')
    know(known, 'a-0').startAtMost = 4
    await log.advanceLogStart(4)
    know(known, 'a-0').startAtLeast = 4
  },
  async (directory, known) => {
    const log = await directory.open('a-0')
    know(known, 'a-0').truncating(7)
    await log.truncateTo(7)
    expect(log.logEndOffset).toBe(7)
  },
  appendStep('a-0', words('three', 4), 5),
  'restart',
  appendStep('a-0', words('four', 7), 6),
  async (directory, known) => {
    const log = await directory.open('a-0')
    // A roll while the sync of the old segment is under way.
    know(known, 'a-0').append(log, words('five', 1), 6)
    log.flushNow()
    know(known, 'a-0').append(log, words('six', 5), 6)
    await log.whenAcknowledged(log.logEndOffset)
  },
  async (directory, known) => {
    know(known, 'b-0').deleted = true
    know(known, 'b-0').truncating(0)
    await directory.delete('b-0')
  },
  appendStep('c-1', words('tre', 6), 2),
  async (directory, known) => {
    const log = await directory.open('c-1')
    log.configure({ retentionBytes: 200, retentionMs: -1 })
    know(known, 'c-1').startAtMost = 6
    know(known, 'c-1').truncating(0)
    await directory.applyRetention()
  },
]

async function runWorkload(
  fileSystem: FaultyFileSystem,
  known: Map<string, Expectation>,
  clock: ManualClock,
): Promise<void> {
  let directory = await openLogDirectory('/data/kfk', { fileSystem, clock, defaults })
  for (const step of workload) {
    if (step === 'restart') {
      await directory.close()
      directory = await openLogDirectory('/data/kfk', { fileSystem, clock, defaults })
    } else await step(directory, known)
    clock.advance(20)
  }
  await settle()
  await directory.close()
}

async function verify(
  fileSystem: FaultyFileSystem,
  known: Map<string, Expectation>,
): Promise<LogDirectory> {
  const clock = new ManualClock()
  const kinds: string[] = []
  const directory = await openLogDirectory('/data/kfk', {
    fileSystem,
    clock,
    defaults,
    onReport: (report) => kinds.push(report.kind),
  })
  expect(kinds).not.toContain('checkpoint-unreadable')
  for (const [name, expected] of known) {
    if (!directory.names().includes(name)) {
      expect({ name, lost: [...expected.acknowledged] }).toEqual({ name, lost: [] })
      continue
    }
    const log = await directory.open(name)
    const found = await readAll(log)
    expect([...found.keys()]).toEqual([...found.keys()].map((_, at) => log.logStartOffset + at))
    expect(log.logStartOffset).toBeLessThanOrEqual(expected.startAtMost)
    expect(log.logStartOffset).toBeGreaterThanOrEqual(expected.startAtLeast)
    for (const [offset, text] of found) expect(expected.appended.get(offset)).toContain(text)
    for (const [offset, text] of expected.acknowledged) {
      if (offset >= log.logStartOffset) expect([offset, found.get(offset)]).toEqual([offset, text])
    }
    // By time, too: timestamps equal 1000 + offset.
    for (const offset of [...found.keys()].filter((_, at) => at % 4 === 0)) {
      expect(await log.offsetForTimestamp(1000 + offset)).toMatchObject({ offset })
    }
  }
  return directory
}

async function crashAt(mutation: number, outcome: CrashOutcome): Promise<boolean> {
  const fileSystem = faultyFileSystem()
  const known = new Map<string, Expectation>()
  fileSystem.crashAt(mutation)
  let finished = true
  try {
    await runWorkload(fileSystem, known, new ManualClock())
  } catch (error) {
    // An assertion that fails in a step is not the crash.
    if (!(error instanceof StoreError) && !/ESTOPPED/.test(String(error))) throw error
    finished = false
  }
  await settle()
  finished &&= !fileSystem.stopped
  fileSystem.crash(outcome)
  const directory = await verify(fileSystem, known)
  // And it goes on working, up to a clean stop; looked at for some, for time's sake.
  if (mutation % 3 !== 0) {
    await directory.close()
    return finished
  }
  const log = await directory.open('a-0')
  const more = know(known, 'a-0')
  more.append(log, words('after', 3), 9)
  await log.whenAcknowledged(log.logEndOffset)
  await directory.close()
  const clean = await verify(fileSystem, known)
  expect(clean.cleanStart).toBe(true)
  await clean.close()
  return finished
}

test.each(outcomes)(
  'every crash point, %s',
  async (outcome) => {
    let mutation = 0
    let finished = false
    while (!finished) {
      mutation++
      try {
        finished = await crashAt(mutation, outcome)
      } catch (error) {
        throw new Error(`crash at mutation ${mutation}: ${String((error as Error).stack)}`, {
          cause: error,
        })
      }
    }
    expect(mutation).toBeGreaterThan(100)
  },
  120_000,
)

test('a directory that was opened is never found clean after a power cut', async () => {
  const fileSystem = faultyFileSystem()
  const options = { fileSystem, clock: new ManualClock(), defaults }
  await (await openLogDirectory('/data/kfk', options)).close()
  const directory = await openLogDirectory('/data/kfk', options)
  expect(directory.cleanStart).toBe(true)
  fileSystem.crash('lose-unsynced')
  expect((await openLogDirectory('/data/kfk', options)).cleanStart).toBe(false)
})
