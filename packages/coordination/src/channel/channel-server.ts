import { CoordinationError } from '../coordination-error.js'
import type { Change } from '../coordination.js'
import type { EmbeddedCoordination } from '../embedded-coordination.js'
import type { EmbeddedHub, HubClient } from '../embedded-hub.js'
import {
  checkCompareAndSet,
  checkKey,
  checkPrefix,
  checkSessionOptions,
  checkValue,
} from '../limits.js'
import type { Channel } from './channel.js'
import {
  isCallMessage,
  toldMessage,
  type ArgsOf,
  type CallMessage,
  type CallName,
  type ResultOf,
} from './messages.js'

/**
 * Lets another process take part in the coordination of this one: it takes `channelCoordination` of
 * the other end. When the channel ends, so do the sessions of that process, at once.
 *
 * @param coordination - `memoryCoordination()` or `fileCoordination()`; to be closed last
 */
export function serveCoordination(coordination: EmbeddedCoordination, channel: Channel): void {
  const server = new ChannelServer(coordination, channel)
  channel.onMessage((message) => {
    if (isCallMessage(message)) void server.answer(message)
  })
  channel.onEnd(() => void server.leave())
}

type Handlers = { readonly [Name in CallName]: (args: ArgsOf<Name>) => ResultOf<Name> }

/** The part of one other process in the state of this one. */
class ChannelServer implements HubClient {
  readonly #hub: EmbeddedHub
  readonly #maxValueBytes: number
  readonly #channel: Channel
  /** Sessions of the other process. */
  readonly #sessions = new Set<string>()
  #left = false

  constructor(coordination: EmbeddedCoordination, channel: Channel) {
    this.#hub = coordination.hub
    this.#maxValueBytes = coordination.maxValueBytes
    this.#channel = channel
    this.#hub.add(this)
  }

  async answer({ id, call, args }: CallMessage): Promise<void> {
    try {
      const handle = this.#handlers[call] as (args: unknown) => unknown
      const result = handle(args)
      await this.#hub.settled()
      this.#channel.send(toldMessage({ id, result }))
    } catch (error) {
      if (!(error instanceof CoordinationError)) throw error
      const { code, message, details } = error
      const sent = { code, message, ...(details !== undefined && { details }) }
      this.#channel.send(toldMessage({ id, error: sent }))
    }
  }

  async leave(): Promise<void> {
    if (this.#left) return
    this.#left = true
    for (const id of this.#sessions) this.#hub.state.endSession(id)
    await this.#hub.remove(this)
  }

  /** {@inheritDoc HubClient.onChanges} */
  onChanges(changes: readonly Change[]): void {
    if (!this.#left) this.#channel.send(toldMessage({ changes }))
  }

  /** {@inheritDoc HubClient.onSessionEnded} */
  onSessionEnded(id: string, fenced: boolean): void {
    if (!this.#sessions.delete(id) || this.#left) return
    this.#channel.send(toldMessage({ ended: id, fenced }))
  }

  readonly #handlers: Handlers = {
    get: ({ key }) => {
      checkKey(key)
      return this.#hub.state.get(key) ?? null
    },
    list: ({ prefix }) => {
      checkPrefix(prefix)
      return this.#hub.state.list(prefix)
    },
    compareAndSet: ({ key, ...change }) => {
      checkCompareAndSet(
        key,
        change as Parameters<typeof checkCompareAndSet>[1],
        this.#maxValueBytes,
      )
      return this.#hub.state.compareAndSet(key, change as Parameters<typeof checkCompareAndSet>[1])
    },
    openSession: (request) => {
      checkSessionOptions(request, this.#maxValueBytes)
      const epoch = this.#hub.state.openSession(request, this.#hub.clock.monotonicMs())
      this.#sessions.add(request.id)
      this.#hub.expireLater(request.id)
      return epoch
    },
    renew: ({ id }) => this.#hub.state.renew(id, this.#hub.clock.monotonicMs()),
    endSession: ({ id }) => {
      this.#sessions.delete(id)
      this.#hub.state.endSession(id)
      return null
    },
    update: ({ holder, value }) => {
      checkValue(value, this.#maxValueBytes)
      this.#hub.state.update(holder, value)
      return null
    },
    acquireLease: ({ key, session, value }) => {
      checkKey(key)
      checkValue(value, this.#maxValueBytes)
      return this.#hub.state.acquireLease(key, session, value)
    },
    releaseLease: ({ holder }) => {
      this.#hub.state.releaseLease(holder)
      return null
    },
    leave: () => {
      void this.leave()
      return null
    },
  }
}
