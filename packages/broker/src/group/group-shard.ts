import { errorCodes } from '@kfk/protocol'
import type { Partition } from '../context.js'
import type { Clock } from '../runtime/clock.js'
import { CommittedOffsets } from './committed-offsets.js'
import { LiveConsumerGroup } from './consumer/live-consumer-group.js'
import type { ConsumerEnvironment } from './consumer/targets.js'
import type { DeadlineQueue, Sleeper } from './deadline-queue.js'
import type { JoinResult, SyncResult } from './group-api.js'
import { type GroupEffect, joinRefusal, syncRefusal } from './group-effects.js'
import { Group, type GroupLimits, type GroupResume } from './group.js'
import type { GroupFloor, OffsetsRecord } from './group-records.js'
import { encodeGroupSnapshot } from './group-snapshot.js'
import { OffsetsLog } from './offsets-log.js'
import { TransactionalOffsets } from './transactional-offsets.js'

export interface ShardOptions {
  readonly partition: Partition
  readonly clock: Clock
  readonly limits: () => GroupLimits
  /** Members or assignment of the group are others now, or gone: coordination is to learn of it. */
  readonly onMembership: (groupId: string) => void
  readonly deadlines: DeadlineQueue<GroupSleeper>
  /** What groups of the consumer protocol need to know. */
  readonly environment: (groupId: string) => ConsumerEnvironment
  /** How long a write may take to be committed, ms. */
  readonly commitTimeoutMs: number
}

/** Something of a group that wants to be woken at its deadlines. */
export interface GroupSleeper extends Sleeper {
  wake(now: number): void
}

/** A request to a machine that names it by `ticket` when it answers. */
export type ParkedInput = (machine: Group, ticket: number, now: number) => void

/**
 * A group that has, or may soon have, members. Groups without any are in the durable state alone.
 */
export class LiveGroup implements GroupSleeper {
  wakesAt = Infinity
  /** The last floor that was written, committed or not. */
  floor: GroupFloor | undefined
  /** Floors that are not committed yet: until then nothing of the group may become visible. */
  uncommittedFloors = 0
  readonly joins = new Map<number, (result: JoinResult) => void>()
  readonly syncs = new Map<number, (result: SyncResult) => void>()

  constructor(
    readonly shard: GroupShard,
    readonly machine: Group,
  ) {}

  wake(): void {
    this.shard.step(this, (machine, now) => machine.tick(now))
  }
}

/**
 * The groups of one partition of `__consumer_offsets`: runs their machines over the partition's
 * log. A generation is in the log, committed, before anybody is told of it; members and assignments
 * go to coordination and nobody waits for that.
 */
export class GroupShard {
  readonly durable = new CommittedOffsets()
  readonly transactional = new TransactionalOffsets()
  readonly log: OffsetsLog
  /** Requests that wait for a rebalance. */
  parked = 0
  readonly #options: ShardOptions
  readonly #live = new Map<string, LiveGroup>()
  readonly #consumers = new Map<string, LiveConsumerGroup>()
  #nextTicket = 1

  constructor(options: ShardOptions) {
    this.#options = options
    const { partition, clock, commitTimeoutMs } = options
    this.log = new OffsetsLog({
      ...{ partition, clock, commitTimeoutMs },
      replay: (record, producerId) => this.#replay(record, producerId),
      replayEnd: (end) => {
        for (const record of this.transactional.end(end)) this.durable.replay(record)
      },
    })
  }

  get partition(): Partition {
    return this.#options.partition
  }

  get clock(): Clock {
    return this.#options.clock
  }

  live(groupId: string): LiveGroup | undefined {
    return this.#live.get(groupId)
  }

  liveGroups(): IterableIterator<LiveGroup> {
    return this.#live.values()
  }

  /** A group of the consumer protocol; undefined when it is of the classic one, or unknown. */
  consumer(groupId: string): LiveConsumerGroup | undefined {
    return this.#consumers.get(groupId)
  }

  consumerGroups(): IterableIterator<LiveConsumerGroup> {
    return this.#consumers.values()
  }

  /** The group is known, if only by what it has committed, and not of the consumer protocol. */
  isClassic(groupId: string): boolean {
    if (this.#consumers.has(groupId)) return false
    return this.#live.has(groupId) || this.durable.group(groupId) !== undefined
  }

  /**
   * Forgets a classic group without members, in favour of one of the consumer protocol: returns the
   * records that have to be written with it. Undefined when the group has members.
   */
  replaceClassic(groupId: string): readonly OffsetsRecord[] | undefined {
    const live = this.#live.get(groupId)
    if (live !== undefined) {
      if (live.machine.state !== 'Empty') return undefined
      this.#live.delete(groupId)
      this.#options.onMembership(groupId)
    }
    const floor = live?.floor ?? this.durable.group(groupId)?.floor
    return floor === undefined ? [] : [{ kind: 'group', groupId, floor: null }]
  }

  /** Made from what is durable if there is none. Call its `step` afterwards. */
  consumerOrNew(groupId: string): LiveConsumerGroup {
    let live = this.#consumers.get(groupId)
    if (live === undefined) {
      live = new LiveConsumerGroup(this, groupId, this.#options.environment(groupId))
      this.#consumers.set(groupId, live)
    }
    return live
  }

  /** Removes a group without members, so that a classic one can begin. */
  dissolveConsumer(live: LiveConsumerGroup): void {
    // A refused append is one for the classic group, too.
    live.step(
      (machine) => machine.dissolve(),
      () => undefined,
    )
    this.#consumers.delete(live.id)
  }

  /** After a step of the group, or a write: wakes it in time, or forgets it if nothing is left. */
  settleConsumer(live: LiveConsumerGroup): void {
    const { machine, id } = live
    if (this.#consumers.get(id) !== live) return
    this.#options.deadlines.schedule(live, machine.nextDeadline())
    const isKnown = machine.state.epoch > 0 || live.uncommitted > 0
    if (!isKnown && this.durable.group(id)?.consumer === undefined) this.#consumers.delete(id)
  }

  /**
   * The group's machine, made from what is durable if there is none. Call `step` afterwards, which
   * also forgets idle ones.
   */
  liveOrNew(groupId: string): LiveGroup {
    let live = this.#live.get(groupId)
    if (live === undefined) {
      const floor = this.durable.group(groupId)?.floor
      const machine = new Group(groupId, this.#options.limits, floor?.generation ?? 0)
      machine.rememberProtocolType(floor?.protocolType ?? null)
      live = new LiveGroup(this, machine)
      live.floor = floor
      this.#live.set(groupId, live)
    }
    return live
  }

  /** Goes on with a generation that coordination has kept. */
  resume(groupId: string, from: GroupResume): void {
    const live = this.liveOrNew(groupId)
    this.step(live, (machine, now) => machine.resume(from, now))
  }

  /** Forgets a machine that nothing waits for. */
  remove(live: LiveGroup): void {
    if (this.#live.get(live.machine.id) === live) this.#live.delete(live.machine.id)
  }

  /**
   * Forgets machines without members whose last floor failed, but for those that the log has yet to
   * decide about: nobody was told a generation that is not durable.
   */
  forgetIdle(busy: ReadonlySet<string>): void {
    for (const [groupId, { machine }] of this.#live) {
      if (machine.idle && !busy.has(groupId)) this.#live.delete(groupId)
    }
  }

  /** Runs one input through a machine, and carries out what it asks for. */
  step<T>(live: LiveGroup, input: (machine: Group, now: number) => T): T {
    const result = input(live.machine, this.clock.monotonicMs())
    this.#carryOut(live)
    const { machine } = live
    this.#options.deadlines.schedule(live, machine.nextDeadline())
    const durableGeneration = this.durable.group(machine.id)?.floor?.generation ?? 0
    const forgettable =
      machine.idle && live.uncommittedFloors === 0 && machine.generation === durableGeneration
    if (forgettable) this.remove(live)
    return result
  }

  /** Like `step`, for a JoinGroup: answered when the join phase ends. */
  join(live: LiveGroup, input: ParkedInput): Promise<JoinResult> {
    return this.#park(live, live.joins, input)
  }

  /** Like `step`, for a SyncGroup: answered when the leader's assignment is there. */
  sync(live: LiveGroup, input: ParkedInput): Promise<SyncResult> {
    return this.#park(live, live.syncs, input)
  }

  /** Calls back when what the group has been told so far is durable; most often at once. */
  whenDurable(live: LiveGroup, callback: (errorCode: number) => void): void {
    if (live.uncommittedFloors === 0) callback(errorCodes.NONE)
    else this.log.afterAll(callback)
  }

  /**
   * What coordination is to hold for the group: its members and assignment when it is stable, null
   * when it has none, undefined while a rebalance goes on, whose end will tell.
   */
  membership(groupId: string): string | null | undefined {
    const live = this.#live.get(groupId)
    if (live === undefined) return null
    const { machine, floor } = live
    if (machine.state === 'Empty' || machine.state === 'Dead') return null
    if (machine.state !== 'Stable' || floor?.generation !== machine.generation) return undefined
    return encodeGroupSnapshot(machine, floor)
  }

  /** Stops serving: everybody who waits is told to look for the coordinator again. */
  close(): void {
    for (const live of this.#live.values()) {
      live.machine.abandon(errorCodes.NOT_COORDINATOR)
      this.#carryOut(live)
    }
    this.#live.clear()
    this.#consumers.clear()
    this.log.close(errorCodes.NOT_COORDINATOR)
  }

  #replay(record: OffsetsRecord, producerId: bigint | undefined): void {
    if (producerId !== undefined) {
      this.transactional.add(producerId, record)
      return
    }
    this.transactional.overtake(record)
    this.durable.replay(record)
  }

  #park<R>(
    live: LiveGroup,
    waiting: Map<number, (result: R) => void>,
    input: ParkedInput,
  ): Promise<R> {
    const ticket = this.#nextTicket++
    this.parked += 1
    return new Promise<R>((resolve) => {
      waiting.set(ticket, resolve)
      this.step(live, (machine, now) => input(machine, ticket, now))
    })
  }

  #carryOut(live: LiveGroup): void {
    for (let effects = live.machine.drain(); effects.length > 0; effects = live.machine.drain()) {
      let failure: number = errorCodes.NONE
      for (const effect of effects) {
        if (effect.kind === 'floor') failure = this.#writeFloor(live, effect.generation)
        else this.#tell(live, effect, failure)
      }
    }
  }

  #tell(live: LiveGroup, effect: Exclude<GroupEffect, { kind: 'floor' }>, failure: number): void {
    switch (effect.kind) {
      case 'joined':
        this.#answerWhenDurable(live, failure, (code) => {
          const result = code === errorCodes.NONE ? effect.result : joinRefusal(code, '')
          this.#answer(live.joins, effect.ticket, result)
        })
        break
      case 'synced':
        this.#answerWhenDurable(live, failure, (code) => {
          const result = code === errorCodes.NONE ? effect.result : syncRefusal(code)
          this.#answer(live.syncs, effect.ticket, result)
        })
        break
      case 'publish':
      case 'withdraw':
        this.#options.onMembership(live.machine.id)
    }
  }

  #answer<R>(waiting: Map<number, (result: R) => void>, ticket: number, result: R): void {
    const resolve = waiting.get(ticket)
    if (resolve === undefined) return
    waiting.delete(ticket)
    this.parked -= 1
    resolve(result)
  }

  #answerWhenDurable(live: LiveGroup, failure: number, answer: (code: number) => void): void {
    if (failure === errorCodes.NONE) this.whenDurable(live, answer)
    else answer(failure)
  }

  /**
   * Makes a generation durable. When that fails, the machine has to find another one: this one was
   * never told.
   */
  #writeFloor(live: LiveGroup, generation: number): number {
    const { machine } = live
    const floor: GroupFloor = {
      generation,
      protocolType: machine.protocolType ?? '',
      // Strictly growing, so that two writings of one generation differ even if the clock stands
      // still or goes back.
      timestamp: Math.max(this.clock.now(), (live.floor?.timestamp ?? 0) + 1),
    }
    live.floor = floor
    live.uncommittedFloors += 1
    const done = (code: number): void => {
      live.uncommittedFloors -= 1
      if (this.#live.get(machine.id) !== live) return
      this.step(live, (_, now) => {
        if (code !== errorCodes.NONE) machine.floorFailed(generation, now)
      })
    }
    const code = this.log.append([{ kind: 'group', groupId: machine.id, floor }], done)
    if (code !== errorCodes.NONE) {
      live.uncommittedFloors -= 1
      machine.floorFailed(generation, this.clock.monotonicMs())
    }
    return code
  }
}
