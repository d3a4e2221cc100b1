// Cuts the power of a real file system in the middle of appends, again and again, and compares what
// is left with what had been acknowledged.
import { join } from 'node:path'
import { frameFormat, openLogDirectory } from '../../src/index'
import type { Log, LogDirectory, StoreReport } from '../../src/index'
import type { MountedVolume } from './mounted-volume'
import { readAll } from './records'
import { seededRandom } from './seeded-random'

export interface PowerResult {
  readonly cycles: number
  readonly acknowledged: number
  /** Records that were written, not acknowledged, and gone: that the power cuts were real ones. */
  readonly lostUnacknowledged: number
  readonly compared: number
}

const names = ['a-0', 'b-0', 'c-1']

/** What is known of one log over all cycles. */
interface Known {
  readonly texts: Map<number, string>
  /** All below was acknowledged while there was power. */
  acknowledged: number
}

/** Throws when anything acknowledged is lost, moved or invented. */
export async function powerCycles(
  volume: MountedVolume,
  options: { readonly cycles: number; readonly seed: number },
): Promise<PowerResult> {
  const run = new Run(volume, seededRandom(options.seed))
  for (let cycle = 1; cycle <= options.cycles; cycle++) await run.cycle(cycle)
  const { acknowledged, lostUnacknowledged, compared } = run
  return { cycles: options.cycles, acknowledged, lostUnacknowledged, compared }
}

class Run {
  acknowledged = 0
  lostUnacknowledged = 0
  compared = 0
  #powered = true
  readonly #volume: MountedVolume
  readonly #random: () => number
  readonly #known = new Map<string, Known>()

  constructor(volume: MountedVolume, random: () => number) {
    this.#volume = volume
    this.#random = random
  }

  async cycle(cycle: number): Promise<void> {
    const reports: StoreReport[] = []
    const directory = await openLogDirectory(join(this.#volume.path, 'store'), {
      defaults: {
        segmentBytes: 8_000,
        indexIntervalBytes: 500,
        retentionBytes: 60_000,
        retentionMs: -1,
        fileDeleteDelayMs: 2,
      },
      checkpointMs: 5,
      onReport: (report) => reports.push(report),
    })
    try {
      await this.#compare(directory, cycle)
      await this.#append(directory, cycle)
    } finally {
      // Poisoned: it closes, without a word of a clean stop.
      await directory.close().catch(() => undefined)
    }
    const unreadable = reports.find(({ kind }) => kind === 'checkpoint-unreadable')
    if (unreadable !== undefined) throw new Error(`cycle ${cycle}: ${unreadable.message}`)
    await this.#volume.unmount()
    this.#volume.mount()
  }

  async #append(directory: LogDirectory, cycle: number): Promise<void> {
    const random = this.#random
    const logs: Log[] = []
    for (const name of [...names, `once-${cycle}`]) logs.push(await this.#open(directory, name))
    const power = await this.#volume.armPowerSwitch()
    this.#powered = true
    const untilMs = performance.now() + 2 + random() * 40
    let cut: Promise<void> | undefined
    for (let turn = 1; directory.poisoned === undefined; turn++) {
      if (performance.now() > untilMs && cut === undefined) {
        // From here on nothing that the system says can be relied on: the kernel answers a sync that
        // is under way when it shuts the volume down as if it had succeeded.
        this.#powered = false
        cut = power.cut()
      }
      // Nothing may go on for this long on a disk that is gone.
      if (performance.now() > untilMs + 20_000) throw new Error('appends go on without power')
      for (const log of logs) if (random() < 0.6) this.#appendSome(log, cycle)
      const log = logs[Math.floor(random() * logs.length)]!
      if (random() < 0.05) await quietly(() => Promise.resolve(log.roll()))
      if (random() < 0.05) await quietly(() => directory.applyRetention())
      await quietly(() => log.whenAcknowledged(Math.max(0, log.logEndOffset - 3)))
    }
    await cut
  }

  #appendSome(log: Log, cycle: number): void {
    const known = this.#known.get(log.name)!
    for (let n = Math.floor(this.#random() * 4); n >= 0; n--) {
      const text = `${log.name} ${cycle} ${log.logEndOffset} ${'x'.repeat(this.#random() * 400)}`
      try {
        const { baseOffset } = log.append(frameFormat.encode(Buffer.from(text)), { leaderEpoch: 1 })
        known.texts.set(baseOffset, text)
      } catch {
        // Poisoned meanwhile.
        return
      }
    }
  }

  async #open(directory: LogDirectory, name: string): Promise<Log> {
    const log = await directory.open(name)
    const known = this.#known.get(name) ?? { texts: new Map<number, string>(), acknowledged: 0 }
    this.#known.set(name, known)
    log.onAcknowledged((offset) => {
      if (!this.#powered) return
      this.acknowledged += offset - known.acknowledged
      known.acknowledged = offset
    })
    return log
  }

  async #compare(directory: LogDirectory, cycle: number): Promise<void> {
    for (const [name, known] of this.#known) {
      const where = `${this.#volume.kind}, cycle ${cycle}, ${name}`
      if (known.acknowledged > 0 && !directory.names().includes(name)) {
        throw new Error(`${where}: the log is gone`)
      }
      const log = await directory.open(name)
      const { logStartOffset: start, logEndOffset: end } = log
      if (end < known.acknowledged) {
        throw new Error(`${where}: ends at ${end}, acknowledged ${known.acknowledged}`)
      }
      const found = await readAll(log, 100_000)
      if (found.size !== end - start) throw new Error(`${where}: ${found.size} in ${start}..${end}`)
      for (const [offset, text] of found) {
        if (known.texts.get(offset) !== text) throw new Error(`${where}: ${offset} is ${text}`)
      }
      this.compared += found.size
      for (const offset of [...known.texts.keys()]) {
        if (offset >= end) this.lostUnacknowledged++
        if (offset >= end || offset < start) known.texts.delete(offset)
      }
      known.acknowledged = end
      // A log of one cycle has proved itself: its name survived, or had not been acknowledged.
      if (name.startsWith('once-')) {
        await directory.delete(name)
        this.#known.delete(name)
      }
    }
    for (const name of directory.names()) {
      if (!this.#known.has(name)) throw new Error(`${name} came back`)
    }
  }
}

/** Whatever happens to the disk, the failure is the store's to tell, not this loop's. */
async function quietly(work: () => Promise<unknown>): Promise<void> {
  try {
    await work()
  } catch {
    // The loop looks at `poisoned`.
  }
}
