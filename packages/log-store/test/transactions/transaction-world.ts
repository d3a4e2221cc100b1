// A log with producers on a disk that stops, and what it must hold after each step.
import { type CrashOutcome, faultyFileSystem, openLogDirectory } from '../../src/index'
import type { CompactionReport, Log, LogDirectory } from '../../src/index'
import { requireSame } from '../model/requirements'
import { halt } from '../support/halt'
import { ManualClock } from '../support/manual-clock'
import { type BatchContent, encodeBatch, producerBatches } from '../support/producer-batches'
import { producersOf } from '../support/producer-frames'
import { ExpectedLog, latestByKey } from './expected-log'
import type { History, Step } from './history'
import { readAny, readCommitted } from './log-readers'

type Of<Kind extends Step['kind']> = Extract<Step, { kind: Kind }>

export async function runHistory(history: History): Promise<void> {
  const world = new World(history)
  await world.open()
  for (const step of history.steps) await world.do(step)
  await world.end()
}

class World {
  readonly #history: History
  readonly #disk = faultyFileSystem()
  readonly #expected = new ExpectedLog()
  #clock = new ManualClock()
  #directory!: LogDirectory
  #log!: Log

  constructor(history: History) {
    this.#history = history
  }

  async open(): Promise<void> {
    const { dedupeBufferBytes, segmentBytes, deleteRetentionMs, indexIntervalBytes } = this.#history
    this.#directory = await openLogDirectory('/data', {
      fileSystem: this.#disk,
      format: producerBatches,
      clock: this.#clock,
      cleaner: { intervalMs: 0, dedupeBufferBytes },
      scrub: { intervalMs: 0 },
      defaults: {
        ...{ cleanupPolicy: 'compact', fileDeleteDelayMs: 0 },
        ...{ segmentBytes, deleteRetentionMs, indexIntervalBytes },
      },
    })
    this.#log = await this.#directory.open('a-0')
  }

  async do(step: Step): Promise<void> {
    this.#clock.wallMs += 100
    switch (step.kind) {
      case 'append':
        return this.#appendRecords(step)
      case 'end':
        return this.#endTransaction(step)
      case 'roll':
        return this.#log.roll()
      case 'compact':
        return this.#compact(step)
      case 'wait':
        this.#clock.wallMs += step.ms
        return
      case 'reopen':
        await this.#directory.close()
        await this.open()
        return this.#verify()
      case 'crash':
        await this.#log.flush()
        return this.#crash(step.outcome, step.forget)
      case 'cut':
        return this.#cut(step.share)
    }
  }

  async end(): Promise<void> {
    await this.#verify()
    await this.#directory.close()
  }

  #appendRecords({ producer, transactional, records }: Of<'append'>): void {
    const { epoch, sequence } = this.#expected.stateOf(producer)
    const isOpen = this.#expected.openFrom(producer) !== undefined
    this.#append({
      ...{ producer, epoch, sequence: sequence + 1, transactional: transactional || isOpen },
      records: records.map(({ key, bytes }, delta) => {
        return { delta, key, value: bytes === null ? null : 'v'.repeat(bytes) }
      }),
    })
  }

  #endTransaction({ producer, control, fenced }: Of<'end'>): void {
    if (this.#expected.openFrom(producer) === undefined) return
    const epoch = this.#expected.stateOf(producer).epoch + (fenced ? 1 : 0)
    const records = [{ delta: 0, key: control, value: '' }]
    this.#append({ producer, epoch, sequence: -1, transactional: true, control, records })
  }

  #append(batch: Omit<BatchContent, 'timestamp'>): void {
    const content = { ...batch, timestamp: this.#clock.wallMs }
    const { baseOffset } = this.#log.append(encodeBatch(content), { leaderEpoch: 0 })
    requireSame('first offset', baseOffset, this.#expected.end)
    this.#expected.append(content)
  }

  async #compact({ roll, stopAt, outcome }: Of<'compact'>): Promise<void> {
    if (roll) this.#log.roll()
    await this.#log.flush()
    this.#expected.floor = this.#expected.end
    if (stopAt === null) {
      const [report] = await this.#directory.compact('a-0')
      await this.#verify()
      return this.#verifyCompacted(report!)
    }
    this.#disk.crashAt(stopAt)
    await this.#directory.compact('a-0').catch((error: unknown) => {
      if (!this.#disk.stopped) throw error
    })
    this.#disk.crashAt(0)
    return this.#crash(outcome)
  }

  async #crash(outcome: CrashOutcome, forget = false): Promise<void> {
    this.#clock = this.#clock.sameTime()
    await halt(this.#disk)
    this.#disk.crash(outcome)
    for (const { name } of forget ? await this.#disk.list('/data/a-0') : []) {
      if (name.endsWith('.snapshot')) await this.#disk.remove(`/data/a-0/${name}`)
    }
    await this.open()
    await this.#verify()
  }

  async #cut(share: number): Promise<void> {
    const { floor, end } = this.#expected
    await this.#log.flush()
    const offset = floor + Math.floor(share * (end - floor))
    requireSame(`cut at ${offset}`, await this.#log.truncateTo(offset), this.#expected.cut(offset))
    await this.#verify()
  }

  async #verify(): Promise<void> {
    await this.#log.flush()
    const { end, stableEnd } = this.#expected
    requireSame('end', this.#log.logEndOffset, end)
    requireSame('stable end', this.#log.lastStableOffset(end), stableEnd)
    const found = await readCommitted(this.#log, this.#history.readBytes)
    const expected = this.#expected.committed()
    requireSame('latest', latestByKey(found), latestByKey(expected))
    const written = new Map(expected.map((record) => [record.offset, record]))
    for (const [at, { offset, key, tombstone }] of found.entries()) {
      const record = written.get(offset)
      const isWritten = record?.key === key && record.tombstone === tombstone
      if (!isWritten) throw new Error(`${offset} was not committed`)
      if (offset <= (found[at - 1]?.offset ?? -1)) throw new Error(`${offset} is out of order`)
    }
    this.#verifyProducers()
  }

  #verifyProducers(): void {
    const tracker = producersOf(this.#log)
    for (const producer of this.#expected.producers) {
      const { epoch, sequence } = this.#expected.stateOf(producer)
      // Compaction may empty a marker, and it is all that tells of its epoch.
      if (sequence < 0) continue
      const entry = tracker.get(BigInt(producer))
      const known = { epoch: entry?.epoch, sequence: entry?.batches.at(-1)?.lastSequence }
      requireSame(`producer ${producer}`, known, { epoch, sequence })
    }
  }

  /** What is clean has no aborted record, and no two with one key. */
  async #verifyCompacted({ cleanedTo }: CompactionReport): Promise<void> {
    const fates = this.#expected.fates()
    const keys = new Set<string>()
    for (const { offset, key } of await readAny(this.#log, this.#history.readBytes)) {
      if (offset >= cleanedTo) return
      const fate = fates.get(offset)?.fate
      if (fate !== 'plain' && fate !== 'committed') throw new Error(`${offset}, ${fate}, is left`)
      if (keys.has(key)) throw new Error(`${offset} has the key of a record before it`)
      keys.add(key)
    }
  }
}
