import { delay } from '@kfk/client'
import { errorByCode, errorCodes } from '@kfk/protocol'
import type { Clock, Logger } from '../context.js'
import { BrokerError } from '../errors.js'
import type { ControllerPeer } from './controller-peer.js'
import type { MetadataLog } from './metadata-log.js'
import { Condition } from './waiting.js'

/** How long a fetch waits for news (`replica.fetch.wait.max.ms`). */
const WAIT_MS = 500
const FETCH_BYTES = 1024 * 1024
/** Bound of an answer beyond that wait; a controller that is stuck is as good as gone. */
const TIMEOUT_MS = 5000
const FIRST_RETRY_MS = 50
const LAST_RETRY_MS = 1000

/** Keeps the copy of the metadata log of a broker that is not the controller. */
export class MetadataFollower {
  readonly #peer: ControllerPeer
  readonly #log: MetadataLog
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #stopped = new AbortController()
  readonly #progress = new Condition()
  #failures = 0
  #hasCaughtUp = false
  #lastTrouble = ''
  #running: Promise<void> | undefined
  #wake: AbortController | undefined

  constructor(parts: { peer: ControllerPeer; log: MetadataLog; clock: Clock; logger: Logger }) {
    this.#peer = parts.peer
    this.#log = parts.log
    this.#clock = parts.clock
    this.#logger = parts.logger
  }

  start(): void {
    this.#running ??= this.#run()
  }

  async stop(): Promise<void> {
    this.#stopped.abort(new BrokerError('KFK_BROKER_CLOSED', 'the broker stops'))
    await this.#running
  }

  /** The controller may be elsewhere, or back: what waits for a retry tries at once. */
  lookAgain(): void {
    this.#wake?.abort()
  }

  /**
   * Resolves when the copy has once been complete; with `orFailed` also after the first attempt
   * that failed.
   */
  async caughtUpOnce(signal: AbortSignal, options: { orFailed: boolean }): Promise<void> {
    await this.#progress.until(
      () => this.#hasCaughtUp || (options.orFailed && this.#failures > 0),
      signal,
    )
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped
    while (!signal.aborted) {
      try {
        await this.#fetchOnce(signal)
        this.#failures = 0
        this.#lastTrouble = ''
      } catch (error) {
        if (this.#stopped.signal.aborted) return
        this.#failures++
        this.#report(error)
        await this.#backOff()
      }
      this.#progress.notify()
    }
  }

  async #fetchOnce(signal: AbortSignal): Promise<void> {
    const peer = await this.#peer.connect({ signal, timeoutMs: TIMEOUT_MS })
    const answer = await this.#peer.fetch(peer, {
      fetchOffset: this.#log.endOffset,
      lastFetchedEpoch: this.#log.lastEpoch,
      maxWaitMs: this.#hasCaughtUp ? WAIT_MS : 0,
      maxBytes: FETCH_BYTES,
      signal,
      timeoutMs: TIMEOUT_MS,
      lane: 'metadata-log',
    })
    if (answer.errorCode !== errorCodes.NONE || answer.divergingEpoch.endOffset >= 0) {
      this.#peer.forget()
      throw refusal(answer.errorCode, this.#log.endOffset)
    }
    if (answer.records !== null && answer.records.length > 0) {
      await this.#log.appendReplicated(answer.records, peer.entry.epoch)
    }
    if (this.#log.image.nextOffset >= answer.highWatermark) this.#hasCaughtUp = true
  }

  async #backOff(): Promise<void> {
    const delayMs = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(this.#failures, 10))
    this.#progress.notify()
    this.#wake = new AbortController()
    const signal = AbortSignal.any([this.#wake.signal, this.#stopped.signal])
    await delay(this.#clock, delayMs, signal).catch(() => undefined)
    this.#wake = undefined
  }

  /** Once per kind of trouble: a controller may be away for days. */
  #report(error: unknown): void {
    const trouble = error instanceof Error ? error.message : String(error)
    const isRefusal = error instanceof BrokerError && error.code === 'KFK_BROKER_CLUSTER'
    if (trouble === this.#lastTrouble) return
    this.#lastTrouble = trouble
    if (isRefusal) this.#logger.error(`metadata refused: ${trouble}`, { error })
    else this.#logger.warn(`the metadata log cannot be fetched: ${trouble}`, { error })
  }
}

function refusal(errorCode: number, endOffset: number): BrokerError {
  if (errorCode === errorCodes.NONE || errorCode === errorCodes.OFFSET_OUT_OF_RANGE) {
    return new BrokerError(
      'KFK_BROKER_CLUSTER',
      `the controller's metadata log is not a continuation of the copy here, which ends ` +
        `at ${endOffset}: the controller has lost records`,
    )
  }
  const { name } = errorByCode(errorCode)
  return new BrokerError('KFK_BROKER_UNAVAILABLE', `the controller answered a fetch with ${name}`)
}
