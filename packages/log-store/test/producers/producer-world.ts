// A log with producers on a disk that stops and fails, and what its tracker must know after each step.
import { isDeepStrictEqual } from 'node:util'
import {
  type AbortedTransaction,
  faultyFileSystem,
  type Log,
  type LogDirectory,
  openLogDirectory,
  ProducerTracker,
  StoreError,
} from '../../src/index'
import { requireSame } from '../model/requirements'
import { halt } from '../support/halt'
import { ManualClock } from '../support/manual-clock'
import { type BatchContent, encodeBatch, producerBatches } from '../support/producer-batches'
import { producersOf } from '../support/producer-frames'
import { ExpectedProducers } from './expected-producers'
import type { History, NewBatch, Step } from './history'

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
  #expected = new ExpectedProducers()
  #uncut: ExpectedProducers | undefined
  #clock = new ManualClock()
  #directory!: LogDirectory
  #log!: Log
  /** Ended before the last opening or cut: whether it is known is left open. */
  #restoredAt = 0
  #highWatermark = 0
  #isOpen = false
  #forgotten = false
  #struckBefore = 0
  /** Where the first segment began before the last cut. */
  #base = 0
  /** What the next step meets. */
  #stop: Of<'stop'> | undefined

  constructor(history: History) {
    this.#history = history
  }

  async open(): Promise<void> {
    const { segmentBytes, indexIntervalBytes, flushMessages, maxOpenFiles } = this.#history
    this.#directory = await openLogDirectory('/data', {
      ...{ fileSystem: this.#disk, format: producerBatches, clock: this.#clock, maxOpenFiles },
      ...{ checkpointMs: 0, cleaner: { intervalMs: 0 }, scrub: { intervalMs: 0 } },
      tracker: () =>
        new ProducerTracker(producerBatches.producer!, { expirationMs: Number.MAX_SAFE_INTEGER }),
      defaults: {
        ...{ segmentBytes, indexIntervalBytes, flushMessages, fileDeleteDelayMs: 0 },
        ...{ retentionMs: 3000 },
      },
    })
    this.#log = await this.#directory.open('a-0')
    this.#isOpen = true
    this.#struckBefore = this.#disk.struck
    this.#log.onRollback(({ endOffset }) => this.#expected.cut(endOffset))
    this.#log.onTruncated((endOffset) => {
      if (endOffset < this.#base) this.#expected.restart(endOffset)
      else this.#expected.cut(endOffset)
      this.#restored()
    })
  }

  async do(step: Step): Promise<void> {
    this.#clock.wallMs += 100
    try {
      await this.#inTime(this.#try(step))
    } catch (error) {
      const stopped = this.#disk.stopped
      const struck = this.#disk.struck > this.#struckBefore
      const passes = struck || (error instanceof StoreError && error.retriable)
      if (!stopped && !passes) throw error
    }
    if (step.kind === 'stop' || step.kind === 'fail' || step.kind === 'full') return
    await this.#recover()
    this.#stop = undefined
    await this.#inTime(this.#verify())
  }

  async end(): Promise<void> {
    await this.#recover()
    await this.#inTime(this.#reopen())
    await this.#inTime(this.#verify())
    await this.#inTime(this.#directory.close())
  }

  /** No more faults; what they have stopped is begun again. */
  async #recover(): Promise<void> {
    this.#disk.clearFaults()
    this.#disk.crashAt(0)
    if (this.#disk.stopped) await this.#inTime(this.#crash(this.#stop!.outcome))
    else if (!this.#isOpen || this.#directory.poisoned !== undefined) {
      requireSame('without a fault', this.#disk.struck > this.#struckBefore, true)
      await this.#inTime(this.#crash('keep-unsynced'))
    }
  }

  /** Lets time pass for what waits for it. */
  async #inTime<Result>(work: Promise<Result>): Promise<Result> {
    let pending = true
    const settled = () => {
      pending = false
    }
    work.then(settled, settled)
    for (let turns = 0; pending; turns++) {
      if (turns > 500) throw new Error('it hangs')
      if (turns > 50) this.#clock.advance(100)
      await new Promise((resolve) => setImmediate(resolve))
    }
    return work
  }

  async #try(step: Step): Promise<void> {
    switch (step.kind) {
      case 'append':
        return this.#appendAll(step)
      case 'end':
        return this.#endTransaction(step)
      case 'full':
        return this.#disk.inject({
          ...{ operation: 'write', path: '.log', at: 1, error: 'ENOSPC' },
          ...(step.share > 0 && { partialWrite: step.share }),
        })
      case 'roll':
        return this.#log.roll()
      case 'flush':
        return this.#log.flush()
      case 'checkpoint':
        return this.#directory.checkpoint()
      case 'retain':
        await this.#directory.applyRetention()
        return
      case 'reopen':
        return this.#reopen()
      case 'cut':
        return this.#cut(step.share)
      case 'forget':
        return this.#forget(step.share)
      case 'crash':
        return this.#crash(step.outcome)
      case 'stop':
        this.#stop = step
        return this.#disk.crashAt(step.at)
      case 'fail': {
        const { operation, at } = step
        const error = operation === 'sync' ? 'EIO' : 'EMFILE'
        return this.#disk.inject({ operation, at, error, times: operation === 'open' ? 2 : 1 })
      }
      case 'damage':
        return this.#damage(step)
    }
  }

  #appendAll({ batches, write }: Of<'append'>): void {
    const contents: BatchContent[] = []
    for (const batch of batches) contents.push(this.#contentOf(batch, contents))
    const { baseOffset } = this.#log.append(Buffer.concat(contents.map((c) => encodeBatch(c))), {
      leaderEpoch: 0,
    })
    requireSame('first offset', baseOffset, this.#expected.end)
    for (const content of contents) this.#expected.append(content)
    if (write) this.#log.flushNow()
  }

  #contentOf(batch: NewBatch, before: readonly BatchContent[] = []): BatchContent {
    const { producer, transactional, records, raise } = batch
    const state = this.#expected.stateOf(producer)
    let { epoch, nextSequence, open } = state
    for (const content of before) {
      if (content.producer !== producer) continue
      epoch = content.epoch
      nextSequence = content.sequence + content.records.length
      open ||= content.transactional
    }
    // Only a marker may come between a transaction and a new epoch.
    const raised = raise && !open
    return {
      ...{ producer, epoch: epoch + (raised ? 1 : 0), sequence: raised ? 0 : nextSequence },
      ...{ transactional: transactional || open, timestamp: this.#clock.wallMs },
      records: Array.from({ length: records }, (_, delta) => ({ delta, key: 'k', value: 'v' })),
    }
  }

  #endTransaction({ producer, control, raise }: Of<'end'>): void {
    const { epoch, open } = this.#expected.stateOf(producer)
    if (!open) return
    const content: BatchContent = {
      ...{ producer, epoch: epoch + (raise ? 1 : 0), sequence: -1, transactional: true, control },
      ...{ timestamp: this.#clock.wallMs, records: [{ delta: 0, key: control, value: '' }] },
    }
    this.#log.append(encodeBatch(content), { leaderEpoch: 0 })
    this.#expected.append(content)
  }

  async #cut(share: number): Promise<void> {
    const { logStartOffset: start, logEndOffset: end } = this.#log
    // Sometimes below the start.
    const from = share === 0 ? Math.max(0, start - 2) : start
    const offset = from + Math.floor(share * (end - from))
    this.#base = await this.#firstBase()
    this.#uncut = this.#expected.copy()
    await this.#log.truncateTo(offset)
    this.#uncut = undefined
  }

  async #forget(share: number): Promise<void> {
    const { logStartOffset: start, logEndOffset: end } = this.#log
    await this.#log.advanceLogStart(start + Math.floor(share * (end - start)))
  }

  async #reopen(): Promise<void> {
    this.#isOpen = false
    await this.#directory.close()
    this.#clock = this.#clock.sameTime()
    await this.open()
    this.#restored()
  }

  async #crash(outcome: Of<'crash'>['outcome']): Promise<void> {
    const durable = this.#log.recoveryPoint
    this.#clock = this.#clock.sameTime()
    await halt(this.#disk)
    this.#disk.crash(outcome)
    await this.open()
    const { logEndOffset } = this.#log
    if (logEndOffset < Math.min(durable, this.#expected.end) && this.#stop === undefined)
      throw new Error(`log ends at ${logEndOffset}, but ${durable} had been synced`)
    // A cut that had not ended may not have happened.
    if (logEndOffset > this.#expected.end && this.#uncut !== undefined) this.#expected = this.#uncut
    this.#uncut = undefined
    if (logEndOffset > this.#expected.end) throw new Error(`ends at ${logEndOffset}`)
    this.#expected.cut(logEndOffset)
    this.#restored()
  }

  async #damage({ suffix, garble, nth }: Of<'damage'>): Promise<void> {
    // What was deleted is told by these files alone.
    if ((await this.#firstBase()) > 0) return
    this.#isOpen = false
    await this.#directory.close()
    const names = (await this.#disk.list('/data/a-0')).map(({ name }) => name)
    const found = names.filter((name) => name.endsWith(suffix)).sort()
    const name = found[nth % found.length]
    if (name !== undefined) {
      const path = `/data/a-0/${name}`
      if (garble) {
        const handle = this.#disk.open(path, 'write')
        const at = handle.size() >> 1
        const byte = Buffer.alloc(1)
        handle.readSync(byte, at)
        handle.writevSync([Buffer.of(byte[0]! ^ 1)], at)
        handle.close()
      } else await this.#disk.remove(path)
    }
    this.#clock = this.#clock.sameTime()
    await this.open()
    this.#restored()
  }

  #restored(): void {
    this.#restoredAt = this.#expected.end
  }

  async #firstBase(): Promise<number> {
    const names = (await this.#disk.list('/data/a-0')).map(({ name }) => name)
    return Math.min(...names.filter((name) => name.endsWith('.log')).map((name) => parseInt(name)))
  }

  async #verify(): Promise<void> {
    const log = this.#log
    log.flushNow()
    requireSame('end', log.logEndOffset, this.#expected.end)
    const found = [...producersOf(log).entries()].map((entry) => {
      return { ...entry, producerId: Number(entry.producerId) }
    })
    found.sort((one, other) => one.producerId - other.producerId)
    const base = await this.#firstBase()
    // Of segments that were deleted a snapshot may tell, or none.
    if (!isDeepStrictEqual(found, this.#expected.tell().producers)) {
      this.#expected.forget(base)
      this.#forgotten = true
    }
    const { producers, aborted, ended } = this.#expected.tell()
    requireSame('producers', found, producers)
    const { logStartOffset: start, logEndOffset: end } = log
    for (const [from, to] of [
      [start, end],
      [start, (start + end) >> 1],
      [(start + end) >> 1, end],
    ]) {
      const wanted = aborted.filter((one) => one.lastOffset >= from! && one.firstOffset < to!)
      const shown = (list: readonly AbortedTransaction[]) =>
        list.map(({ producerId, firstOffset, lastOffset, lastStableOffset }) => ({
          ...{ producerId: Number(producerId), lastOffset },
          firstOffset: Math.max(firstOffset, base),
          ...(!this.#forgotten && { lastStableOffset }),
        }))
      const now = log.abortedTransactionsNow(from!, to!)
      if (now !== undefined) requireSame(`aborted now ${from} ${to}`, shown(now), shown(wanted))
      requireSame('aborted', shown(await log.abortedTransactions(from!, to!)), shown(wanted))
    }
    const open = producers.map((one) => one.transactionFirstOffset).filter((first) => first >= 0)
    this.#highWatermark = Math.min(end, Math.max(this.#highWatermark, end - 4))
    for (const highWatermark of [this.#highWatermark, end - 1, end]) {
      if (highWatermark < this.#highWatermark) continue
      const undecided = ended.filter(({ marker }) => marker >= highWatermark)
      const atMost = Math.min(highWatermark, Math.max(start, Math.min(...open)))
      const known = undecided.filter(({ marker }) => marker >= this.#restoredAt)
      const least = Math.min(atMost, Math.max(start, Math.min(...undecided.map((e) => e.first))))
      const most = Math.min(atMost, Math.max(start, Math.min(...known.map((e) => e.first))))
      const stable = log.lastStableOffset(highWatermark)
      if (stable < least || stable > most)
        throw new Error(`stable ${stable} below ${highWatermark}, not ${least} to ${most}`)
      this.#highWatermark = highWatermark
    }
  }
}
