import { type Api, errorCodes, type ResponseOf } from '@kfk/protocol'
import type { Clock, Logger } from '../context.js'
import { BrokerError } from '../errors.js'
import type { Controller, ControllerApis, ControllerCommand } from './controller.js'
import type { LiveCluster } from './live-cluster.js'
import type { MetadataLog } from './metadata-log.js'
import type { BrokerRegistered, MetadataRecord } from './metadata-records.js'

/** Commands that may wait for their turn: each is a few KB, and the one in front takes an fsync. */
const MAX_WAITING = 1000

/**
 * Runs the controller's decisions, one after the other: the next is taken when the records of the
 * one before are on disk and replayed. Responses are released at that point.
 */
export class ControllerRuntime {
  readonly #controller: Controller
  readonly #log: MetadataLog
  readonly #cluster: LiveCluster
  readonly #clock: Clock
  readonly #logger: Logger
  #last: Promise<unknown> = Promise.resolve()
  #waiting = 0
  #stopped = false

  constructor(parts: {
    readonly controller: Controller
    readonly log: MetadataLog
    readonly cluster: LiveCluster
    readonly clock: Clock
    readonly logger: Logger
  }) {
    this.#controller = parts.controller
    this.#log = parts.log
    this.#cluster = parts.cluster
    this.#clock = parts.clock
    this.#logger = parts.logger
  }

  /**
   * Takes a command's turn and carries it out.
   *
   * @throws {BrokerError} KFK_BROKER_UNAVAILABLE when too many wait; MetadataAppendError when the
   *   log cannot be written
   */
  execute<K extends keyof ControllerApis>(
    command: Extract<ControllerCommand, { api: K }>,
  ): Promise<ResponseOf<ControllerApis[K] & Api>> {
    return this.#inTurn(async () => {
      const liveBrokers = this.#cluster.brokers().map(({ nodeId }) => nodeId)
      const { records, response } = this.#controller.handle(command, { liveBrokers })
      await this.#log.append(records, this.#clock.now())
      return response as ResponseOf<ControllerApis[K] & Api>
    })
  }

  /** Writes down a broker that has been seen alive, if that is news. Never rejects. */
  async register(broker: Omit<BrokerRegistered, 'type'>): Promise<void> {
    try {
      await this.#inTurn(() =>
        this.#log.append(this.#controller.register(broker), this.#clock.now()),
      )
    } catch (error) {
      // It is seen again at the next change of coordination, and until then only its last epoch is
      // missing from the log.
      this.#logger.warn(`cannot record broker ${broker.nodeId}: ${String(error)}`)
    }
  }

  /** Writes records that need no decision: the founding of the cluster. */
  write(records: readonly MetadataRecord[]): Promise<void> {
    return this.#inTurn(() => this.#log.append(records, this.#clock.now()))
  }

  /** Refuses further commands, and resolves when the running one is through. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#last
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    if (this.#stopped) {
      return Promise.reject(new BrokerError('KFK_BROKER_CLOSED', 'the controller has stopped'))
    }
    if (this.#waiting >= MAX_WAITING) {
      const message = `${MAX_WAITING} changes wait for the metadata log`
      const details = { kafkaCode: errorCodes.REQUEST_TIMED_OUT }
      return Promise.reject(new BrokerError('KFK_BROKER_UNAVAILABLE', message, { details }))
    }
    this.#waiting++
    const turn = this.#last.then(run).finally(() => this.#waiting--)
    this.#last = turn.catch(() => undefined)
    return turn
  }
}
