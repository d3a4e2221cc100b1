// The calls of a history, each with what must be true when it resolves.
import { EmbeddedLog } from '../../src/embedded-log'
import { type FaultyFileSystem, frameFormat, type Log, type LogDirectory } from '../../src/index'
import { Follower } from '../model/follower'
import { decodeBatches } from '../model/model-log'
import type { ManualClock } from '../support/manual-clock'
import type { Call } from './history'
import type { OpenedLogs } from './opened-logs'
import type { TrackedLog } from './tracked-log'

type Of<Kind extends Call['kind']> = Extract<Call, { kind: Kind }>
type OfDirectory = Of<'tick' | 'fail' | 'checkpoint' | 'retain' | 'close' | 'open' | 'delete'>

/** What the calls are made on. */
export interface Called {
  readonly disk: FaultyFileSystem
  readonly clock: ManualClock
  readonly directory: LogDirectory
  readonly opened: OpenedLogs
}

export class Calls {
  readonly followers: { readonly follower: Follower; readonly tracked: TrackedLog }[] = []
  /** Undefined: nobody has begun to close. */
  closing: Promise<void> | undefined
  readonly #called: Called
  #records = 0
  #epoch = 1

  constructor(called: Called) {
    this.#called = called
  }

  /** `tracked`: its log; undefined: it is not there. */
  async make(call: Call, tracked: TrackedLog | undefined): Promise<void> {
    const { clock, disk, directory, opened } = this.#called
    switch (call.kind) {
      case 'tick':
        return clock.advance(call.ms)
      case 'fail':
        return disk.inject(call)
      case 'checkpoint':
        return directory.checkpoint()
      case 'retain':
        return this.#retain()
      case 'close':
        return this.close()
      case 'open':
        opened.track(await directory.open(opened.names[call.log]!))
        return
      case 'delete':
        return this.#delete(opened.names[call.log]!, tracked)
      default:
        if (tracked !== undefined) await this.#use(call, tracked)
    }
  }

  close(): Promise<void> {
    this.closing ??= this.#called.directory.close()
    return this.closing
  }

  /** Answers the end of what was appended. */
  append(tracked: TrackedLog, records: number): number {
    const made = Array.from({ length: records }, () => {
      const n = this.#records++
      return { timestamp: 1000 + n, key: 'abcde'[n % 5]!, value: `${n} `.padEnd(20, 'x') }
    })
    const one = records === 1
    const bytes = one ? frameFormat.encode(made[0]!.value, made[0]) : frameFormat.encodeAll(made, 0)
    const before = tracked.log.logEndOffset
    try {
      tracked.log.append(bytes, { leaderEpoch: this.#epoch++ })
    } catch (error) {
      const { logEndOffset } = tracked.log
      if (logEndOffset > before) throw new Error(`refused, but it ends at ${logEndOffset}`)
      throw error
    }
    tracked.append(decodeBatches(bytes))
    return tracked.log.logEndOffset
  }

  async #use(call: Exclude<Call, OfDirectory>, tracked: TrackedLog): Promise<void> {
    const { log } = tracked
    switch (call.kind) {
      case 'append':
        return this.#wait(tracked, this.append(tracked, call.records), call.wait)
      case 'wait':
        return this.#wait(tracked, log.logEndOffset + call.beyond, call.wait)
      case 'truncate':
        return this.#truncate(tracked, offsetAt(call.share, 0, log.logEndOffset))
      case 'advance':
        return this.#advance(tracked, offsetAt(call.share, log.logStartOffset, log.logEndOffset))
      case 'read':
        return this.#read(tracked, offsetAt(call.share, log.logStartOffset, log.logEndOffset))
      case 'follow':
        return this.#follow(call, tracked)
      case 'roll':
        return log.roll()
      case 'flush':
        return this.#flush(tracked)
      case 'compact':
        await this.#called.directory.compact(log.name)
        return
      default:
        return this.#scrub(log.name)
    }
  }

  async #wait(tracked: TrackedLog, end: number, wait: Of<'wait'>['wait']): Promise<void> {
    const { log } = tracked
    if (wait === 'durable') await log.whenDurable(end)
    else if (wait === 'written') await log.whenWritten(end)
    else await log.whenAcknowledged(end)
    if (tracked.model.end < end && tracked.cuts === 0) {
      throw new Error(`${wait} up to ${end}, but it ends at ${tracked.model.end}`)
    }
    const asSynced = wait === 'acknowledged' && log.options.flushMessages === 1
    tracked.promise(wait === 'durable' || asSynced ? 'durable' : 'written', end)
  }

  async #truncate(tracked: TrackedLog, offset: number): Promise<void> {
    const { log, model, age } = tracked
    let made: number | undefined
    const stop = log.onTruncated(() => {
      made ??= tracked.age
    })
    const takeBack = tracked.beginCut(offset)
    try {
      const cutTo = await this.#embedded(log).truncateTo(offset)
      const stays = model.batches.find(
        (batch) => batch.last >= offset && tracked.model.batches.includes(batch),
      )
      if (stays !== undefined) throw new Error(`cut at ${offset}, but ${stays.base} is there`)
      if (cutTo > log.logEndOffset) throw new Error(`cut to ${cutTo} of ${log.logEndOffset}`)
      tracked.settleCut(offset, made ?? age)
    } finally {
      stop()
      takeBack()
    }
  }

  async #advance(tracked: TrackedLog, offset: number): Promise<void> {
    const { log } = tracked
    tracked.startMost = Math.max(tracked.startMost, offset)
    await log.advanceLogStart(offset)
    // Who cuts below it takes it back.
    if (tracked.cuts > 0) return
    if (log.logStartOffset < offset) {
      throw new Error(`advanced to ${offset}, but it starts at ${log.logStartOffset}`)
    }
    tracked.promiseStart(offset)
  }

  async #read(tracked: TrackedLog, from: number): Promise<void> {
    const { log, age } = tracked
    const { bytes } = await log.read({ from, maxBytes: 300 })
    if (tracked.age !== age || tracked.compacts) return
    for (const batch of decodeBatches(bytes)) {
      const known = tracked.model.batches.find(({ base }) => base === batch.base)
      const [read, expected] = [batch, known].map((one) => JSON.stringify(one))
      if (read !== expected) throw new Error(`read ${read} instead of ${expected}`)
    }
  }

  #follow({ share, durability }: Of<'follow'>, tracked: TrackedLog): void {
    const { log } = tracked
    const from = offsetAt(share, log.logStartOffset, log.logEndOffset)
    const options = { from, durability: durability ?? undefined }
    const follower = new Follower(log, this.#embedded(log), options)
    this.followers.push({ follower, tracked })
  }

  async #flush(tracked: TrackedLog): Promise<void> {
    const { model } = tracked
    await tracked.log.flush()
    tracked.promise('durable', model.end, model)
  }

  async #scrub(name: string): Promise<void> {
    const { damaged } = await this.#called.directory.scrub(name)
    if (damaged.length > 0) throw new Error(`damage: ${JSON.stringify(damaged)}`)
  }

  async #retain(): Promise<void> {
    const { directory, opened } = this.#called
    for (const name of opened.names) {
      const tracked = opened.current(name)
      if (tracked !== undefined) tracked.startMost = Infinity
    }
    await directory.applyRetention()
  }

  async #delete(name: string, tracked: TrackedLog | undefined): Promise<void> {
    const { directory, opened } = this.#called
    await opened.delete(name, tracked)
    if (directory.names().includes(name) && opened.current(name) === tracked) {
      throw new Error(`${name} was deleted, and is listed`)
    }
  }

  #embedded(log: Log): EmbeddedLog {
    return new EmbeddedLog(this.#called.directory, log, { ownsDirectory: false })
  }
}

function offsetAt(share: number, from: number, to: number): number {
  return from + Math.round((to - from) * share)
}
