import { ClientError } from '@kfk/client'
import {
  type Api,
  apis,
  errorCodes,
  kafkaCodec,
  type RequestInput,
  type RequestOf,
  type ResponseOf,
} from '@kfk/protocol'
import type { StaticBrokerConfig } from '../config/broker-config.js'
import type { Clock, ControllerGateway, Logger } from '../context.js'
import { BrokerError } from '../errors.js'
import type { ControllerPeer } from './controller-peer.js'
import type { ControllerRuntime } from './controller-runtime.js'
import type { ControllerApis, ControllerCommand } from './controller.js'
import type { LiveCluster } from './live-cluster.js'
import { MetadataAppendError } from './metadata-log.js'
import {
  CONSUMER_OFFSETS_TOPIC,
  isInternalTopic,
  topicNameProblem,
  TRANSACTION_STATE_TOPIC,
} from './topic-name.js'
import { within } from './waiting.js'

/** Creations on demand under way at once: one per name, and clients choose the names. */
const MAX_CREATIONS = 1000
/** What the configs begin with that say how a coordinator's topic is made. */
const coordinatorTopics = new Map([
  [CONSUMER_OFFSETS_TOPIC, 'offsets.topic'],
  [TRANSACTION_STATE_TOPIC, 'transaction.state.log'],
])

export interface GatewayOptions {
  readonly cluster: LiveCluster
  readonly config: StaticBrokerConfig
  readonly clock: Clock
  readonly logger: Logger
  readonly peer: ControllerPeer
  /** Set where this broker is the controller. */
  readonly runtime: () => ControllerRuntime | undefined
  /** Aborted when the broker stops. */
  readonly stopped: AbortSignal
}

/** Takes changes of metadata to the controller, here or elsewhere. */
export class Gateway implements ControllerGateway {
  readonly #options: GatewayOptions
  readonly #creations = new Map<string, Promise<number>>()

  constructor(options: GatewayOptions) {
    this.#options = options
  }

  /**
   * @throws {BrokerError} KFK_BROKER_UNAVAILABLE with `details.kafkaCode`, the retriable error to
   *   answer with, when the controller could not be asked or did not answer in time. Whether the
   *   change was made is unknown then
   */
  async forward<A extends Api>(
    api: A,
    request: RequestInput<A>,
    options: { signal: AbortSignal; timeoutMs: number },
  ): Promise<ResponseOf<A>> {
    const { clock, config, stopped } = this.#options
    const limitMs = config.number('request.timeout.ms')
    // A client's timeout of 0 or less means "do not wait" in Kafka; here it would only make the
    // outcome unknown.
    const timeoutMs = options.timeoutMs > 0 ? Math.min(options.timeoutMs, limitMs) : limitMs
    const signal = AbortSignal.any([options.signal, stopped])
    try {
      return await within(
        clock,
        { timeoutMs, signal, what: `${api.name} at the controller` },
        (inner) => this.#carryOut(api, request, { signal: inner, timeoutMs }),
      )
    } catch (error) {
      throw this.#asUnavailable(error, api)
    }
  }

  async ensureTopic(name: string, options: { partitions?: number } = {}): Promise<number> {
    const { cluster, config } = this.#options
    if (cluster.topic(name) !== undefined) return errorCodes.NONE
    if (topicNameProblem(name) !== undefined) return errorCodes.INVALID_TOPIC_EXCEPTION
    if (!isInternalTopic(name) && !config.boolean('auto.create.topics.enable')) {
      return errorCodes.UNKNOWN_TOPIC_OR_PARTITION
    }
    let creation = this.#creations.get(name)
    if (creation === undefined) {
      if (this.#creations.size >= MAX_CREATIONS) return errorCodes.LEADER_NOT_AVAILABLE
      creation = this.#create(name, options).finally(() => this.#creations.delete(name))
      this.#creations.set(name, creation)
    }
    return creation
  }

  async #create(name: string, options: { partitions?: number }): Promise<number> {
    const { config, cluster, clock, logger, stopped } = this.#options
    const prefix = coordinatorTopics.get(name)
    const internal = prefix !== undefined
    const numPartitions = internal ? config.number(`${prefix}.num.partitions`) : options.partitions
    const segmentBytes = internal ? config.number(`${prefix}.segment.bytes`) : 0
    const topic = {
      name,
      numPartitions: numPartitions ?? -1,
      replicationFactor: -1,
      assignments: [],
      configs: internal ? [{ name: 'segment.bytes', value: String(segmentBytes) }] : [],
    }
    const timeoutMs = config.number('request.timeout.ms')
    try {
      const request = { topics: [topic], timeoutMs, validateOnly: false }
      const response = await this.forward(apis.createTopics, request, {
        signal: stopped,
        timeoutMs,
      })
      const errorCode = response.topics[0]?.errorCode ?? errorCodes.UNKNOWN_SERVER_ERROR
      if (errorCode !== errorCodes.NONE && errorCode !== errorCodes.TOPIC_ALREADY_EXISTS) {
        logger.warn(`cannot create ${name}: ${String(response.topics[0]?.errorMessage)}`)
        return errorCode
      }
      const bound = { timeoutMs, signal: stopped, what: `waiting for ${name}` }
      await within(clock, bound, (signal) =>
        cluster.changed.until(() => cluster.topic(name) !== undefined, signal),
      )
      return errorCodes.NONE
    } catch (error) {
      logger.warn(`cannot create ${name} on demand: ${String(error)}`)
      // What clients expect of a topic that is about to come: they ask again.
      return errorCodes.LEADER_NOT_AVAILABLE
    }
  }

  async #carryOut<A extends Api>(
    api: A,
    request: RequestInput<A>,
    bound: { signal: AbortSignal; timeoutMs: number },
  ): Promise<ResponseOf<A>> {
    const runtime = this.#options.runtime()
    if (runtime !== undefined) return runtime.execute(localCommand(api, request)) as never
    const { peer } = this.#options
    const connected = await peer.connect(bound)
    const response = await connected.client.request(api, request, 'any', {
      ...bound,
      lane: 'forward',
    })
    try {
      await this.#catchUp(connected, bound)
    } catch (error) {
      // The change is made; that this broker does not show it yet is no reason to report a failure.
      this.#options.logger.debug(`metadata may be behind after ${api.name}: ${String(error)}`)
    }
    return response
  }

  /** Waits until what the controller has just written is visible here. */
  async #catchUp(
    peer: Awaited<ReturnType<ControllerPeer['connect']>>,
    bound: { signal: AbortSignal; timeoutMs: number },
  ): Promise<void> {
    const { cluster } = this.#options
    const { highWatermark } = await this.#options.peer.fetch(peer, {
      ...bound,
      fetchOffset: Math.max(0, cluster.metadataOffset - 1),
      lastFetchedEpoch: -1,
      maxWaitMs: 0,
      maxBytes: 1,
      lane: 'forward',
    })
    await cluster.changed.until(() => cluster.metadataOffset >= highWatermark, bound.signal)
  }

  #asUnavailable(error: unknown, api: Api): BrokerError {
    const { cluster } = this.#options
    const kafkaCode = retriableCode(error)
    const reason = error instanceof Error ? error.message : String(error)
    return new BrokerError(
      'KFK_BROKER_UNAVAILABLE',
      `${api.name} needs the controller, node ${cluster.controllerNodeId}: ${reason}`,
      { cause: error, details: { kafkaCode } },
    )
  }
}

/**
 * The code to answer with. NOT_CONTROLLER and REQUEST_TIMED_OUT make every client look for the
 * controller and ask again.
 */
function retriableCode(error: unknown): number {
  if (error instanceof MetadataAppendError) return error.kafkaCode
  const own = error instanceof BrokerError ? error.details?.['kafkaCode'] : undefined
  if (typeof own === 'number') return own
  const isTimeout = error instanceof ClientError && error.code === 'KFK_CLIENT_TIMEOUT'
  return isTimeout ? errorCodes.REQUEST_TIMED_OUT : errorCodes.NOT_CONTROLLER
}

const localApis = new Map<number, keyof ControllerApis>([
  [apis.createTopics.key, 'createTopics'],
  [apis.deleteTopics.key, 'deleteTopics'],
  [apis.createPartitions.key, 'createPartitions'],
  [apis.alterConfigs.key, 'alterConfigs'],
  [apis.incrementalAlterConfigs.key, 'incrementalAlterConfigs'],
  [apis.allocateProducerIds.key, 'allocateProducerIds'],
])

/** The request as it would arrive over the wire: with every default in place, whoever made it. */
function localCommand<A extends Api>(api: A, request: RequestInput<A>): ControllerCommand {
  const name = localApis.get(api.key)
  if (name === undefined) throw new TypeError(`${api.name} is not for the controller`)
  const apiVersion = api.versions[1]
  const header = { apiVersion, correlationId: 0, clientId: null }
  const frame = Buffer.concat(kafkaCodec.encodeRequest(api, header, request)).subarray(4)
  const { bodyPosition } = kafkaCodec.decodeRequestHeader(frame)
  const decoded: RequestOf<A> = kafkaCodec.decodeRequest(api, apiVersion, frame, bodyPosition)
  return { api: name, request: decoded } as ControllerCommand
}
