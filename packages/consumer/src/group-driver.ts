import type { Client } from '@kfk/client'
import { EffectQueue } from './effect-queue.js'
import { describeRefusal } from './group-errors.js'
import { GroupMember, type MemberEffect, type MemberEvent } from './group-member.js'
import { GroupRequests } from './group-requests.js'
import type { GroupMembership } from './group-membership.js'
import type { ResolvedSettings } from './options.js'
import type { TopicPartition } from './topic-partition.js'
import { TopicWatch } from './topic-watch.js'

/**
 * What the consumer does when its share changes; each is waited for, one after the other, except
 * `fence`. `tenure` fires when the membership in whose name it is done is lost.
 */
export interface GroupHooks {
  assigned(partitions: readonly TopicPartition[], tenure: AbortSignal): Promise<void>
  /** Let handlers end and commit; the partitions go to others afterwards. */
  release(partitions: readonly TopicPartition[], tenure: AbortSignal): Promise<void>
  /** Stop at once: called in the moment in which it is known. */
  fence(partitions: readonly TopicPartition[]): void
  /** Tell the listener of what was fenced. */
  lost(): Promise<void>
  failed(error: unknown): void
}

export interface GroupDriverOptions {
  readonly client: Client
  /** Of this consumer's connections, see `lane-numbers.ts`. */
  readonly lane: number
  readonly group: string
  readonly topics: readonly string[]
  readonly settings: ResolvedSettings
  readonly hooks: GroupHooks
}

/** Runs a {@link GroupMember} over the network and the clock. */
export class GroupDriver implements GroupMembership {
  readonly #options: GroupDriverOptions
  readonly #member: GroupMember
  readonly #requests: GroupRequests
  readonly #topicWatch: TopicWatch
  readonly #abort = new AbortController()
  readonly #effects = new EffectQueue<MemberEffect>({
    perform: (effect, tenure) => this.#perform(effect, tenure),
    failed: (error) => this.#fail(error),
  })
  #heartbeat: { cancel(): void } | undefined

  constructor(options: GroupDriverOptions) {
    this.#options = options
    const { client, lane, group, topics, settings } = options
    const { signal } = this.#abort
    const { protocol } = settings.assignors[0]!
    this.#member = new GroupMember({ protocol, groupInstanceId: settings.groupInstanceId })
    this.#topicWatch = new TopicWatch({
      client,
      refreshMs: settings.topicRefreshMs,
      signal,
      onChange: () =>
        this.#dispatch({ type: 'rejoin', reason: 'partitions of a topic have changed' }),
    })
    this.#requests = new GroupRequests({
      client,
      group,
      topics,
      settings,
      lane: `group:${lane}`,
      signal,
      countPartitions: (wanted) => this.#topicWatch.count(wanted),
    })
  }

  get memberId(): string {
    return this.#member.memberId
  }

  get generation(): number {
    return this.#member.generation
  }

  get joining(): boolean {
    return this.#member.phase === 'joining' || this.#member.phase === 'syncing'
  }

  start(): void {
    this.#dispatch({ type: 'start' })
  }

  committed(errorCode: number, generation: number): void {
    this.#dispatch({ type: 'heard', errorCode, generation })
  }

  /**
   * Leaves the group, in bounded time; the consumer has drained and committed before. Never
   * rejects.
   */
  async leave(): Promise<void> {
    const effects = this.#end('the consumer is closed')
    const farewell = effects.find((effect) => effect.type === 'sendLeave')
    if (farewell) await this.#requests.leave(farewell.memberId)
  }

  /** Stops as a process that died would: the group finds out by itself. */
  destroy(): void {
    this.#end('the consumer was destroyed')
  }

  #end(reason: string): MemberEffect[] {
    this.#rest()
    this.#abort.abort(new Error(reason))
    return this.#member.step({ type: 'leave' })
  }

  #dispatch(event: MemberEvent): void {
    const hadGeneration = this.#member.generation >= 0
    const effects = this.#member.step(event)
    for (const effect of effects) {
      if (effect.type === 'lose') this.#options.hooks.fence(effect.partitions)
    }
    if (hadGeneration && this.#member.generation < 0) this.#effects.endTenure()
    this.#effects.add(effects)
  }

  async #perform(effect: MemberEffect, tenure: AbortSignal): Promise<void> {
    const { hooks, group, settings } = this.#options
    switch (effect.type) {
      case 'join':
        this.#topicWatch.stop()
        this.#launch(this.#requests.join(effect.memberId, effect.reason, this.#member))
        return
      case 'sync':
        this.#launch(this.#requests.sync(this.#member))
        return
      case 'assign':
        return hooks.assigned(effect.partitions, tenure)
      case 'lose':
        return hooks.lost()
      case 'release':
        await hooks.release(effect.partitions, tenure)
        this.#dispatch({ type: 'released' })
        return
      case 'startHeartbeats':
        this.#beatLater(settings.heartbeatIntervalMs)
        return
      case 'stopHeartbeats':
        this.#heartbeat?.cancel()
        this.#heartbeat = undefined
        return
      case 'fail':
        this.#fail(describeRefusal(effect.errorCode, { ...settings, group }))
        return
      case 'sendLeave':
        return this.#requests.leave(effect.memberId)
    }
  }

  /** Requests are not part of the chain of effects: their answers are events. */
  #launch(request: Promise<MemberEvent>): void {
    request.then(
      (event) => this.#dispatch(event),
      (error: unknown) => {
        if (!this.#abort.signal.aborted) this.#fail(error)
      },
    )
  }

  /** The consumer reads no more, so it lets its session run out, unless it is closed before. */
  #fail(error: unknown): void {
    this.#effects.stop()
    this.#rest()
    this.#options.hooks.failed(error)
  }

  #rest(): void {
    this.#topicWatch.stop()
    this.#heartbeat?.cancel()
    this.#heartbeat = undefined
  }

  #beatLater(delayMs: number): void {
    if (this.#abort.signal.aborted) return
    this.#heartbeat?.cancel()
    const timer = this.#options.client.clock.setTimer(delayMs, () => void this.#beat(timer))
    this.#heartbeat = timer
  }

  /** Goes on until a join is sent: handlers and listeners may take their time until then. */
  async #beat(timer: { cancel(): void }): Promise<void> {
    const { client, group, settings } = this.#options
    let nextMs = settings.heartbeatIntervalMs
    try {
      if (this.#member.generation >= 0) {
        this.#dispatch(await this.#requests.heartbeat(this.#member))
      }
    } catch (error) {
      // Sooner than usual: the session is running out meanwhile.
      nextMs = Math.min(nextMs, client.retryPolicy.maxMs)
      client.logger.debug('heartbeat failed', { group, error })
    }
    // Unless they were stopped or another series has begun meanwhile.
    if (timer === this.#heartbeat) this.#beatLater(nextMs)
  }
}
