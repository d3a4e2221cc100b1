// Records a workload once; then, for every step of the disk and many choices of what survives,
// restarts from what a power cut would leave and verifies all of it.
import { hash } from 'node:crypto'
import { openLogDirectory } from '../../src/index'
import type {
  CrashedDisk,
  CrashPoint,
  LogDirectory,
  LogDirectoryOptions,
  RecordingFileSystem,
} from '../../src/index'
import { recordingFileSystemOver } from '../../src/fs/recording-file-system'
import type { LogExpectation } from './crash-history'
import { asWished, type ExplorationBounds } from './crash-bounds'
import { type Choice, choices } from './crash-survivals'
import { must, openAndVerify } from './crash-verify'
import { type CrashWorkload, directoryPath, runWorkload } from './crash-workload'
import { ManualClock } from './manual-clock'
import { record } from './records'

export interface ExplorerOptions extends ExplorationBounds {
  readonly workload: CrashWorkload
}

export interface Exploration {
  readonly steps: number
  readonly crashPoints: number
  /** Disks that differ in names or bytes, each opened and verified. */
  readonly states: number
  /** The same of crashes while such a disk was being opened. */
  readonly secondStates: number
  readonly wentOn: number
  /** Including those of the same disk when other things were promised. */
  readonly openings: number
}

/** The power goes after so many steps of this disk. */
interface Crash {
  readonly disk: RecordingFileSystem
  readonly point: CrashPoint
  readonly count: number
}

interface Moment {
  readonly expected: ReadonlyMap<string, LogExpectation>
  readonly processOnly: boolean
}

export async function explore(given: ExplorerOptions): Promise<Exploration> {
  const { workload } = given
  const options = { ...asWished(given), workload }
  const session = await runWorkload(workload)
  const explorer = new Explorer(options)
  const { disk, history } = session
  for (let count = 0; count <= disk.steps.length; count += options.every) {
    const point = disk.crashAfter(count)
    const expected = history.at(count)
    const last = disk.steps[count - 1]
    const lastIsNew = last !== undefined && point.pending.at(-1) === last
    explorer.crashPoints++
    const { version } = history
    await explorer.visit({ disk, point, count }, { expected, version, lastIsNew })
  }
  return { ...explorer.result(), steps: disk.steps.length }
}

class Explorer {
  crashPoints = 0
  #states = 0
  #secondStates = 0
  #wentOn = 0
  #openings = 0
  readonly #options: ExplorerOptions
  readonly #seen = new Set<string>()
  /** Disks and what was expected of them. */
  readonly #verified = new Set<string>()
  /** Logs whose lookups were verified, by all the bytes that opening them takes in. */
  readonly #lookedUp = new Set<string>()

  constructor(options: ExplorerOptions) {
    this.#options = options
  }

  result(): Omit<Exploration, 'steps'> {
    const { crashPoints } = this
    const [states, secondStates, wentOn] = [this.#states, this.#secondStates, this.#wentOn]
    return { crashPoints, states, secondStates, wentOn, openings: this.#openings }
  }

  async visit(
    { disk: recorded, point, count }: Crash,
    at: {
      readonly expected: ReadonlyMap<string, LogExpectation>
      readonly version: number
      readonly lastIsNew: boolean
    },
  ): Promise<void> {
    const { expected, version, lastIsNew } = at
    const bounds = { ...this.#options, seed: count }
    for (const choice of choices(point.pending, lastIsNew, bounds)) {
      const disk = point.restart((_, at) => choice.survivals[at]!)
      const prints = disk.fingerprints()
      const print = fingerprintOf(prints)
      const { processOnly } = choice
      // The same disk with other promises is looked at again, but counts once.
      const moment = `${print} ${version} ${processOnly}`
      if (this.#verified.has(moment)) continue
      this.#verified.add(moment)
      const isNew = !this.#seen.has(print)
      this.#seen.add(print)
      if (isNew) this.#states++
      try {
        await this.#restart({ disk, prints }, { expected, processOnly }, () =>
          processOnly
            ? recorded.goOnAfter(count)
            : recordingFileSystemOver(point.restart((_, at) => choice.survivals[at]!).tree),
        )
      } catch (error) {
        throw new Error(describe(this.#options.workload, point, { count, choice, error }), {
          cause: error,
        })
      }
    }
  }

  async #restart(
    { disk, prints }: Printed,
    moment: Moment,
    recording: () => RecordingFileSystem,
  ): Promise<void> {
    const { options } = this.#options.workload
    const number = ++this.#openings
    const isLookedUp = this.#isLookedUp(prints)
    const request = { processOnly: moment.processOnly, options, isLookedUp }
    const directory = await openAndVerify(disk.fileSystem, moment.expected, request)
    if (number % this.#options.goOnEvery === 0) {
      this.#wentOn++
      await goOn(disk, directory, {
        options,
        names: moment.expected.keys(),
        kill: number % 2 === 0,
      })
    }
    if (number % this.#options.secondCrashEvery === 0) {
      await this.#crashAgain(recording(), moment)
    }
  }

  /** The power goes while the disk is being opened, or just after. */
  async #crashAgain(disk: RecordingFileSystem, moment: Moment): Promise<void> {
    const { options } = this.#options.workload
    const { expected } = moment
    const before = disk.steps.length
    await openAndVerify(disk, expected, { ...moment, options })
    const opened = disk.steps.length
    for (let count = before; count <= opened; count++) {
      const point = disk.crashAfter(count)
      const lastIsNew = point.pending.at(-1) === disk.steps[count - 1]
      const few = { subsetsOf: 2, randomSubsets: 1, randomMixtures: 1, stride: 64, seed: count }
      for (const { survivals } of choices(point.pending, lastIsNew, few)) {
        // Of the torn writes a few: the first crash has had them all.
        const torn = survivals.at(-1)
        if (typeof torn === 'object' && torn.to % 16 !== 1) continue
        const left = point.restart((_, at) => survivals[at]!)
        const prints = left.fingerprints()
        const print = fingerprintOf(prints)
        if (this.#seen.has(print)) continue
        this.#seen.add(print)
        this.#secondStates++
        // What was written by a process that ended is on the medium once the log is open again.
        const processOnly = moment.processOnly && count === opened
        const isLookedUp = this.#isLookedUp(prints)
        await openAndVerify(left.fileSystem, expected, { processOnly, options, isLookedUp })
      }
    }
  }

  /**
   * A log comes out of its directory and of the files beside it: when both have bytes that they had
   * before, all of it is read and compared again, but the same lookups would find the same.
   */
  #isLookedUp(prints: Prints): (name: string) => boolean {
    const beside = prints.get(directoryPath)
    return (name) => {
      const key = `${name} ${prints.get(`${directoryPath}/${name}`)} ${beside}`
      const isKnown = this.#lookedUp.has(key)
      this.#lookedUp.add(key)
      return isKnown
    }
  }
}

/** By directory: what is in it. */
type Prints = ReadonlyMap<string, string>

interface Printed {
  readonly disk: CrashedDisk
  readonly prints: Prints
}

function fingerprintOf(prints: Prints): string {
  const lines = [...prints].map(([path, print]) => `${path} ${print}`)
  return hash('sha1', lines.sort().join('\n'), 'base64')
}

/** What was recovered are logs like any other, and what is gone can be made anew. */
async function goOn(
  disk: CrashedDisk,
  directory: LogDirectory,
  life: {
    readonly options: LogDirectoryOptions
    readonly names: Iterable<string>
    readonly kill: boolean
  },
): Promise<void> {
  const ends = new Map<string, number>()
  for (const name of life.names) {
    const log = await directory.open(name)
    log.append(record('afterwards', 90_000), { leaderEpoch: 99 })
    await log.whenDurable(log.logEndOffset)
    ends.set(name, log.logEndOffset)
  }
  if (life.kill) disk.tree.locks.clear()
  else await directory.close()
  const { fileSystem } = disk
  const clock = new ManualClock()
  const next = await openLogDirectory(directoryPath, { ...life.options, clock, fileSystem })
  must(next.cleanStart === !life.kill, () => `clean is ${next.cleanStart}, killed is ${life.kill}`)
  for (const [name, end] of ends) {
    const { logEndOffset } = await next.open(name)
    must(logEndOffset === end, () => `${name} ends at ${logEndOffset}, not ${end}`)
  }
  await next.close()
}

function describe(
  workload: CrashWorkload,
  point: CrashPoint,
  found: { count: number; choice: Choice; error: unknown },
): string {
  const changes = point.pending.map((change, at) => {
    const survival = JSON.stringify(found.choice.survivals[at])
    const size = change.kind === 'write' ? ` ${change.bytes.length} at ${change.position}` : ''
    return `  ${change.kind} ${change.path}${size}: ${survival}`
  })
  const reason = found.error instanceof Error ? (found.error.stack ?? '') : String(found.error)
  return `${workload.name}, power cut after step ${found.count}:\n${changes.join('\n')}\n${reason}`
}
