import { ClientError } from '@kfk/client'
import { EffectQueue } from './effect-queue.js'
import { describeRefusal } from './group-errors.js'
import type { GroupDriverOptions } from './group-driver.js'
import type { GroupMembership } from './group-membership.js'
import { EpochMember, type EpochEffect, type EpochEvent } from './epoch-member.js'
import { EpochRequests } from './epoch-requests.js'

export interface EpochDriverOptions extends GroupDriverOptions {
  /** The broker does not serve this protocol, or the group is of the other one. */
  readonly declined: (error: unknown) => void
}

/** Runs an {@link EpochMember} over the network and the clock. */
export class EpochDriver implements GroupMembership {
  readonly #options: EpochDriverOptions
  readonly #member = new EpochMember()
  readonly #requests: EpochRequests
  readonly #abort = new AbortController()
  readonly #effects = new EffectQueue<EpochEffect>({
    perform: (effect, tenure) => this.#perform(effect, tenure),
    failed: (error) => this.#fail(error),
  })
  #timer: { cancel(): void } | undefined
  #beating = false
  #beatAgain = false

  constructor(options: EpochDriverOptions) {
    this.#options = options
    const { client, lane, group, topics, settings } = options
    const { signal } = this.#abort
    this.#requests = new EpochRequests({
      ...{ client, group, topics, settings, signal },
      lane: `group:${lane}`,
    })
  }

  get memberId(): string {
    return this.#requests.memberId
  }

  get generation(): number {
    return this.#member.epoch > 0 ? this.#member.epoch : -1
  }

  /** Epochs change while partitions are held: a commit in the one before is sent again. */
  get joining(): boolean {
    return this.#beating
  }

  start(): void {
    void this.#requests.lookUpTopics().then(() => this.#dispatch({ type: 'start' }))
  }

  committed(errorCode: number, generation: number): void {
    this.#dispatch({ type: 'heard', errorCode, epoch: generation })
  }

  /**
   * Leaves the group, in bounded time; the consumer has drained and committed before. Never
   * rejects.
   */
  async leave(): Promise<void> {
    const effects = this.#end('the consumer is closed')
    if (effects.some(({ type }) => type === 'sendLeave')) await this.#requests.leave()
  }

  /** Stops as a process that died would: the group finds out by itself. */
  destroy(): void {
    this.#end('the consumer was destroyed')
  }

  #end(reason: string): EpochEffect[] {
    this.#rest()
    this.#abort.abort(new Error(reason))
    return this.#member.step({ type: 'leave' })
  }

  #dispatch(event: EpochEvent): void {
    const hadEpoch = this.#member.epoch > 0
    const effects = this.#member.step(event)
    for (const effect of effects) {
      if (effect.type === 'lose') this.#options.hooks.fence(effect.partitions)
    }
    if (hadEpoch && this.#member.epoch === 0) this.#effects.endTenure()
    // Heartbeats wait for nothing: what is owned has changed already.
    if (effects.some(({ type }) => type === 'beat')) this.#beatNow()
    this.#effects.add(effects)
  }

  async #perform(effect: EpochEffect, tenure: AbortSignal): Promise<void> {
    const { hooks, group, settings } = this.#options
    switch (effect.type) {
      case 'assign':
        return hooks.assigned(effect.partitions, tenure)
      case 'lose':
        return hooks.lost()
      case 'release':
        await hooks.release(effect.partitions, tenure)
        this.#dispatch({ type: 'released', number: effect.number })
        return
      case 'fail':
        this.#fail(describeRefusal(effect.errorCode, { ...settings, group }, effect.message))
        return
      case 'decline':
        this.#decline(describeRefusal(effect.errorCode, { ...settings, group }))
        return
      case 'beat':
      case 'sendLeave':
    }
  }

  #fail(error: unknown): void {
    this.#effects.stop()
    this.#rest()
    this.#options.hooks.failed(error)
  }

  #decline(error: unknown): void {
    this.#end('the group does not follow this protocol')
    this.#options.declined(error)
  }

  #rest(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #beatNow(): void {
    if (this.#abort.signal.aborted || this.#effects.stopped) return
    if (this.#beating) {
      this.#beatAgain = true
      return
    }
    this.#rest()
    this.#beating = true
    void this.#beat().then((nextMs) => {
      this.#beating = false
      if (this.#beatAgain) nextMs = 0
      this.#beatAgain = false
      if (nextMs !== undefined) this.#beatLater(nextMs)
    })
  }

  #beatLater(delayMs: number): void {
    if (this.#abort.signal.aborted || this.#effects.stopped) return
    this.#rest()
    this.#timer = this.#options.client.clock.setTimer(delayMs, () => this.#beatNow())
  }

  /** Resolves with the time to the next one; undefined when there is none. */
  async #beat(): Promise<number | undefined> {
    const { client, group } = this.#options
    const { epoch: sentEpoch, owned } = this.#member
    try {
      const answer = await this.#requests.heartbeat(sentEpoch, owned)
      this.#dispatch({ type: 'answered', sentEpoch, ...answer })
      return answer.heartbeatIntervalMs
    } catch (error) {
      if (this.#abort.signal.aborted) return undefined
      if (error instanceof ClientError && error.code === 'KFK_CLIENT_UNSUPPORTED_VERSION') {
        this.#decline(error)
        return undefined
      }
      const isFinal = sentEpoch === 0 && error instanceof ClientError && !error.retriable
      if (isFinal) {
        this.#fail(error)
        return undefined
      }
      client.logger.debug('heartbeat failed', { group, error })
      return client.retryPolicy.maxMs
    }
  }
}
