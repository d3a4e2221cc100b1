import { delay } from '@kfk/client'
import { type Coordination, CoordinationError, type Session } from '@kfk/coordination'
import type { Clock, Logger } from '../context.js'
import { BrokerError } from '../errors.js'
import { BROKERS_PREFIX, type MemberEntry, parseMember } from './coordination-entries.js'
import { abortReason } from './waiting.js'

const RETRY_MS = 200

export interface RegistrationOptions {
  readonly coordination: Coordination
  readonly member: MemberEntry
  readonly ttlMs: number
  readonly clock: Clock
  readonly logger: Logger
  /**
   * Somebody else has taken this node id and keeps it for longer than a session, so it is not for
   * us to take it back. Called once.
   */
  readonly onTaken: (error: BrokerError) => void
}

/**
 * This broker's session at `brokers/<node id>`. When it is lost (coordination was away for too
 * long, or emptied) it is opened again, until `close`.
 */
export class Registration {
  readonly #options: RegistrationOptions
  readonly #key: string
  readonly #stopped = new AbortController()
  #session: Session | undefined
  #registering: Promise<void> | undefined

  constructor(options: RegistrationOptions) {
    this.#options = options
    this.#key = `${BROKERS_PREFIX}${options.member.nodeId}`
  }

  /**
   * Opens the session. An earlier run of this very broker is replaced; another broker of the same
   * number may have died, so its session is given the time to end.
   *
   * @throws {BrokerError} KFK_BROKER_CLUSTER when another broker keeps the node id;
   *   KFK_BROKER_UNAVAILABLE after `timeoutMs`
   */
  async open(timeoutMs: number): Promise<void> {
    const { clock, ttlMs } = this.#options
    const startMs = clock.monotonicMs()
    for (;;) {
      const error = await this.#tryOpen()
      if (error === undefined) return
      const isTaken = error.code === 'KFK_BROKER_CLUSTER'
      const waitedMs = clock.monotonicMs() - startMs
      if (waitedMs > (isTaken ? ttlMs + RETRY_MS : timeoutMs)) throw error
      await delay(clock, RETRY_MS, this.#stopped.signal)
    }
  }

  /**
   * Gives the node id back at once, so that others do not wait for the session to expire. Never
   * rejects.
   */
  async close(): Promise<void> {
    this.#stopped.abort(new BrokerError('KFK_BROKER_CLOSED', 'the broker stops'))
    await this.#registering
    await this.#session?.close()
  }

  async #tryOpen(): Promise<BrokerError | undefined> {
    const { coordination, member, ttlMs } = this.#options
    const value = JSON.stringify(member)
    const onLost = (reason: CoordinationError): void => this.#lost(reason)
    try {
      const holder = await this.#holder()
      const replace = holder !== undefined && isEarlierRun(holder, member)
      const session = await coordination.openSession({
        key: this.#key,
        value,
        ttlMs,
        replace,
        onLost,
      })
      if (this.#stopped.signal.aborted) {
        await session.close()
        throw abortReason(this.#stopped.signal)
      }
      this.#session = session
      return undefined
    } catch (error) {
      if (!(error instanceof CoordinationError)) throw error
      if (error.code === 'KFK_COORDINATION_EXISTS') return this.#taken(await this.#holder())
      if (error.retriable) return this.#unavailable(error)
      throw new BrokerError('KFK_BROKER_CLUSTER', `cannot register: ${error.message}`, {
        cause: error,
      })
    }
  }

  async #holder(): Promise<MemberEntry | undefined> {
    const entry = await this.#options.coordination.get(this.#key)
    return entry && parseMember(entry.value)
  }

  #lost(reason: CoordinationError): void {
    const { logger, member } = this.#options
    if (this.#stopped.signal.aborted) return
    // Fenced, too, says little: a server that was rolled back names an earlier run of this broker.
    logger.warn(`broker ${member.nodeId} lost its session, registering again: ${reason.message}`)
    this.#registering ??= this.#reopen().finally(() => (this.#registering = undefined))
  }

  async #reopen(): Promise<void> {
    const { clock, logger, onTaken, member, ttlMs } = this.#options
    const { signal } = this.#stopped
    let takenSinceMs: number | undefined
    let reported = ''
    while (!signal.aborted) {
      try {
        const error = await this.#tryOpen()
        if (error === undefined) {
          logger.info(`broker ${member.nodeId} is registered again`)
          return
        }
        logger.debug(error.message)
        if (error.code !== 'KFK_BROKER_CLUSTER') {
          takenSinceMs = undefined
        } else {
          // What a server that was rolled back still holds ends with its time; who stays lives.
          takenSinceMs ??= clock.monotonicMs()
          if (clock.monotonicMs() - takenSinceMs > ttlMs + RETRY_MS) {
            onTaken(error)
            return
          }
        }
      } catch (error) {
        if (this.#stopped.signal.aborted) return
        // Data is served all the same, and what is wrong with coordination may be put right.
        if (String(error) !== reported) logger.error(String(error), { error })
        reported = String(error)
      }
      await delay(clock, RETRY_MS, signal).catch(() => undefined)
    }
  }

  #taken(holder: MemberEntry | undefined): BrokerError {
    const { nodeId } = this.#options.member
    const where = holder === undefined ? 'elsewhere' : `at ${holder.host}:${holder.port}`
    return new BrokerError(
      'KFK_BROKER_CLUSTER',
      `node id ${nodeId} belongs to a live broker ${where}: give each broker a node id ` +
        'and a data directory of its own',
      { details: { nodeId } },
    )
  }

  #unavailable(cause: CoordinationError): BrokerError {
    const { coordination } = this.#options
    return new BrokerError(
      'KFK_BROKER_UNAVAILABLE',
      `coordination (${coordination.name}) did not answer while registering: ${cause.message}`,
      { cause },
    )
  }
}

/**
 * Only one process holds a data directory, so an entry of the same directory with a lower counter
 * is of a process that is gone.
 */
function isEarlierRun(holder: MemberEntry, member: MemberEntry): boolean {
  return (
    holder.incarnation === member.incarnation ||
    (holder.directoryId === member.directoryId && holder.epochCounter < member.epochCounter)
  )
}
