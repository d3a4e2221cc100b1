import { EventEmitter } from 'node:events'
import { KafkaJSNonRetriableError } from './errors.js'
import type { Logger } from './logger.js'

/** Something that a producer, consumer or admin tells of. */
export interface InstrumentationEvent<T> {
  id: string
  type: string
  timestamp: number
  payload: T
}

export type RemoveInstrumentationEventListener<_T> = () => void

export type ConnectEvent = InstrumentationEvent<null>
export type DisconnectEvent = InstrumentationEvent<null>

/** A request that was answered. */
export type RequestEvent = InstrumentationEvent<{
  apiKey: number
  apiName: string
  apiVersion: number
  broker: string
  clientId: string
  /** A number of its own, not the one on the wire. */
  correlationId: number
  createdAt: number
  duration: number
  pendingDuration: number
  sentAt: number
  /** Always 0: the size of the answer is not known here. */
  size: number
}>

/** A request that was not answered in time. */
export type RequestTimeoutEvent = InstrumentationEvent<{
  apiKey: number
  apiName: string
  apiVersion: number
  broker: string
  clientId: string
  correlationId: number
  createdAt: number
  pendingDuration: number
  sentAt: number
}>

/** Requests wait in the client itself, without an event; there are listeners, and no events. */
export type RequestQueueSizeEvent = InstrumentationEvent<{
  broker: string
  clientId: string
  queueSize: number
}>

let nextId = 0

/** Who listens to one producer, consumer or admin. */
export class Instrumentation<Events extends Readonly<Record<string, string>>> {
  readonly events: Events
  readonly #emitter = new EventEmitter()
  readonly #owner: string
  readonly #logger: Logger

  constructor(owner: string, events: Events, logger: Logger) {
    this.#owner = owner
    this.#logger = logger
    this.events = events
    this.#emitter.setMaxListeners(0)
  }

  /** Costs next to nothing while nobody listens. */
  emit(type: Events[keyof Events], payload?: unknown): void {
    if (!this.hasListeners(type)) return
    const id = nextId++
    this.#emitter.emit(type, { id, type, timestamp: Date.now(), payload })
  }

  hasListeners(type: Events[keyof Events]): boolean {
    return this.#emitter.listenerCount(type) > 0
  }

  /** What a listener throws is logged and goes no further. Returns what removes the listener. */
  on(type: string, listener: (event: never) => unknown): () => void {
    if (!Object.values(this.events).includes(type)) {
      const names = Object.keys(this.events).map((key) => `${this.#owner}.events.${key}`)
      throw new KafkaJSNonRetriableError(`Event name should be one of ${names.join(', ')}`)
    }
    const call = async (event: unknown): Promise<void> => {
      try {
        await listener(event as never)
      } catch (error) {
        const { message, stack } = error as Error
        this.#logger.error(`Failed to execute listener: ${message}`, { eventName: type, stack })
      }
    }
    const onEvent = (event: unknown): void => void call(event)
    this.#emitter.on(type, onEvent)
    return () => void this.#emitter.off(type, onEvent)
  }
}
