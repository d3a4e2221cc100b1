import type { Client } from '@kfk/client'
import { apis, errorByCode, errorCodes, type RequestInput, type ResponseOf } from '@kfk/protocol'
import { BrokerError } from '../errors.js'
import type { ControllerEntry } from './coordination-entries.js'
import { METADATA_TOPIC } from './topic-name.js'

/** What brokers need of a client to each other. */
export type PeerClient = Pick<Client, 'request' | 'close'>

/** Makes a client that knows exactly one broker. Nothing is contacted yet. */
export type PeerClientFactory = (address: { host: string; port: number }) => PeerClient

/** Fetch by topic name: the metadata log is in no image, so it has no id to fetch it by. */
const FETCH_VERSION = 12

export interface FetchOptions {
  readonly fetchOffset: number
  readonly lastFetchedEpoch: number
  /** How long the controller may wait for news. */
  readonly maxWaitMs: number
  readonly maxBytes: number
  readonly signal: AbortSignal
  /** Requests of one lane wait for each other. */
  readonly lane: string
  readonly timeoutMs: number
}

/**
 * The controller as another broker sees it: one client, to where coordination says that it is, once
 * it has proved itself.
 */
export class ControllerPeer {
  readonly #createClient: PeerClientFactory
  readonly #identity: () => { readonly clusterId: string; readonly controllerNodeId: number }
  readonly #directory: () => ControllerEntry | undefined
  /** The least epoch that is not refused: that of the local copy of the metadata log. */
  readonly #lowestEpoch: () => number
  #current: { entry: ControllerEntry; client: PeerClient; isTrusted: boolean } | undefined

  constructor(options: {
    createClient: PeerClientFactory
    identity: () => { readonly clusterId: string; readonly controllerNodeId: number }
    directory: () => ControllerEntry | undefined
    lowestEpoch: () => number
  }) {
    this.#createClient = options.createClient
    this.#identity = options.identity
    this.#directory = options.directory
    this.#lowestEpoch = options.lowestEpoch
  }

  /**
   * Where the controller should be; undefined while nobody knows, or what is known cannot be true.
   */
  get entry(): ControllerEntry | undefined {
    const entry = this.#directory()
    return entry?.nodeId === this.#identity().controllerNodeId && entry.epoch >= this.#lowestEpoch()
      ? entry
      : undefined
  }

  /**
   * A client to the controller that has shown to be of this cluster and of the epoch that it
   * claims.
   *
   * @throws {BrokerError} KFK_BROKER_UNAVAILABLE; ClientError
   */
  async connect(bound: {
    signal: AbortSignal
    timeoutMs: number
  }): Promise<{ client: PeerClient; entry: ControllerEntry }> {
    const { entry } = this
    if (entry === undefined) throw this.#unknown()
    if (this.#current === undefined || !isSame(this.#current.entry, entry)) {
      this.forget()
      this.#current = { entry, client: this.#createClient(entry), isTrusted: false }
    }
    const current = this.#current
    if (!current.isTrusted) {
      await this.#verify(current, bound)
      current.isTrusted = true
    }
    return current
  }

  /**
   * Fetches the metadata log from where `fetchOffset` is. Error codes of the partition are the
   * caller's.
   */
  async fetch(
    peer: { client: PeerClient; entry: ControllerEntry },
    options: FetchOptions,
  ): Promise<ResponseOf<typeof apis.fetch>['responses'][number]['partitions'][number]> {
    const { signal, lane, timeoutMs } = options
    const response = await peer.client.request(apis.fetch, fetchBody(peer.entry, options), 'any', {
      signal,
      lane,
      timeoutMs: timeoutMs + options.maxWaitMs,
      minVersion: FETCH_VERSION,
      maxVersion: FETCH_VERSION,
    })
    const partition = response.responses[0]?.partitions[0]
    if (response.errorCode !== errorCodes.NONE || partition === undefined) {
      const { name } = errorByCode(response.errorCode)
      throw new BrokerError(
        'KFK_BROKER_UNAVAILABLE',
        `the controller answered a fetch with ${name}`,
      )
    }
    return partition
  }

  /** Drops the client: the next call connects again and has the controller prove itself again. */
  forget(): void {
    void this.#current?.client.close({ timeoutMs: 0 })
    this.#current = undefined
  }

  async #verify(
    peer: { client: PeerClient; entry: ControllerEntry },
    { signal, timeoutMs }: { signal: AbortSignal; timeoutMs: number },
  ): Promise<void> {
    const { clusterId } = this.#identity()
    const { entry, client } = peer
    const address = `${entry.host}:${entry.port}`
    const metadata = await client.request(apis.metadata, { topics: [] }, 'any', {
      signal,
      timeoutMs,
      lane: 'forward',
    })
    if (metadata.clusterId !== clusterId) {
      throw new BrokerError(
        'KFK_BROKER_UNAVAILABLE',
        `${address} is of cluster ${String(metadata.clusterId)}, not of cluster ` +
          `${clusterId}: its metadata is refused`,
      )
    }
    // Epochs are unique per broker and start: who serves the log under this one is who published
    // it.
    const partition = await this.fetch(peer, {
      fetchOffset: 0,
      lastFetchedEpoch: -1,
      maxWaitMs: 0,
      maxBytes: 1,
      signal,
      timeoutMs,
      lane: 'forward',
    })
    if (partition.errorCode === errorCodes.NONE) return
    const { name } = errorByCode(partition.errorCode)
    const message = `${address} does not serve the metadata log under epoch ${entry.epoch}: ${name}`
    throw new BrokerError('KFK_BROKER_UNAVAILABLE', message)
  }

  #unknown(): BrokerError {
    const { controllerNodeId } = this.#identity()
    return new BrokerError(
      'KFK_BROKER_UNAVAILABLE',
      `the controller, node ${controllerNodeId}, is not known to be anywhere: metadata ` +
        'cannot be changed until it is back',
    )
  }
}

function fetchBody(entry: ControllerEntry, options: FetchOptions): RequestInput<typeof apis.fetch> {
  const { fetchOffset, lastFetchedEpoch, maxWaitMs, maxBytes } = options
  const partition = {
    partition: 0,
    currentLeaderEpoch: entry.epoch,
    fetchOffset,
    lastFetchedEpoch,
    logStartOffset: -1,
    partitionMaxBytes: maxBytes,
  }
  return {
    maxWaitMs,
    minBytes: 1,
    maxBytes,
    isolationLevel: 0,
    sessionId: 0,
    sessionEpoch: -1,
    topics: [{ topic: METADATA_TOPIC, partitions: [partition] }],
    forgottenTopicsData: [],
    rackId: '',
  }
}

function isSame(a: ControllerEntry, b: ControllerEntry): boolean {
  return a.nodeId === b.nodeId && a.epoch === b.epoch && a.host === b.host && a.port === b.port
}
