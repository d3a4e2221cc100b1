import { randomBytes } from 'node:crypto'
import type { Coordination } from '@kfk/coordination'
import type { FileSystem } from '@kfk/log-store'
import type { StaticBrokerConfig } from '../config/broker-config.js'
import type {
  Clock,
  ClusterView,
  ControllerGateway,
  Logger,
  PartitionRegistry,
  ProducerIds,
} from '../context.js'
import { BrokerError } from '../errors.js'
import { configuredVoter } from '../options.js'
import { Controller } from './controller.js'
import { Gateway } from './controller-gateway.js'
import { ControllerPeer, type PeerClientFactory } from './controller-peer.js'
import { ControllerRuntime } from './controller-runtime.js'
import { CoordinationDirectory } from './coordination-directory.js'
import { CoordinationPublisher } from './coordination-publisher.js'
import type { MemberEntry } from './coordination-entries.js'
import { type ClusterIdentity, finishFounding, settleIdentity } from './identity.js'
import { LiveCluster } from './live-cluster.js'
import { MetadataFollower } from './metadata-follower.js'
import { MetadataLog } from './metadata-log.js'
import { METADATA_LEVEL } from './metadata-records.js'
import { BlockProducerIds } from './producer-ids.js'
import { Registration } from './registration.js'
import { METADATA_TOPIC } from './topic-name.js'
import { within } from './waiting.js'

/**
 * How long a start waits for the controller to write the new registration down, so that topics are
 * placed here at once.
 */
const RECORDED_TIMEOUT_MS = 2000

/** The edges of a member: everything outside of it. */
export interface ClusterMemberOptions {
  readonly nodeId: number
  readonly rack: string | null
  readonly config: StaticBrokerConfig
  readonly coordination: Coordination
  readonly partitions: Pick<PartitionRegistry, 'openInternal'>
  readonly fileSystem: FileSystem
  readonly dataDir: string
  /** This start's promise, durable before it comes here: epochs below it are history. */
  readonly promise: { readonly counter: number; readonly leaderEpoch: number }
  readonly clock: Clock
  readonly logger: Logger
  /**
   * Makes clients to other brokers. Metadata must never be created by them: `autoCreateTopics:
   * false`.
   */
  readonly createPeerClient: PeerClientFactory
  /**
   * This broker cannot stay in the cluster: another has taken its place. Default: it is reported.
   */
  readonly onFatal?: (error: BrokerError) => void
  /** Default: the machine's. */
  readonly randomBytes?: (count: number) => Uint8Array
}

/**
 * A broker as a part of its cluster: opened before it serves (identity and local copy of the
 * metadata), joined once it can be reached, left before it goes.
 */
export class ClusterMember {
  readonly view: ClusterView
  readonly controller: ControllerGateway
  readonly producerIds: ProducerIds
  readonly #blocks: BlockProducerIds
  readonly #options: ClusterMemberOptions
  readonly #identity: ClusterIdentity
  readonly #log: MetadataLog
  readonly #cluster: LiveCluster
  readonly #peer: ControllerPeer
  readonly #directory: CoordinationDirectory
  readonly #publisher: CoordinationPublisher
  readonly #runtime: ControllerRuntime | undefined
  readonly #follower: MetadataFollower | undefined
  readonly #stopped: AbortController
  #self: MemberEntry | undefined
  #registration: Registration | undefined

  private constructor(parts: OpenedParts) {
    const { options, identity, log, cluster, stopped } = parts
    const { config, clock, logger, nodeId, coordination, fileSystem, dataDir } = options
    this.#options = options
    this.#identity = identity
    this.#log = log
    this.#cluster = cluster
    this.#stopped = stopped
    this.view = cluster
    this.#directory = new CoordinationDirectory({
      coordination,
      clock,
      logger,
      sessionTimeoutMs: config.number('broker.session.timeout.ms'),
      onChange: () => this.#onDirectoryChange(),
    })
    this.#peer = new ControllerPeer({
      createClient: options.createPeerClient,
      identity: () => identity,
      directory: () => this.#directory.controller(),
      lowestEpoch: () => log.lastEpoch,
    })
    this.#publisher = new CoordinationPublisher({ coordination, clock, logger, identity })
    if (identity.controllerNodeId === nodeId) {
      const controller = new Controller({
        image: log.image,
        config,
        randomBytes: options.randomBytes ?? randomBytes,
      })
      this.#runtime = new ControllerRuntime({ controller, log, cluster, clock, logger })
    } else {
      this.#follower = new MetadataFollower({ peer: this.#peer, log, clock, logger })
    }
    const gateway = new Gateway({
      cluster,
      config,
      clock,
      logger,
      peer: this.#peer,
      runtime: () => this.#runtime,
      stopped: stopped.signal,
    })
    this.controller = gateway
    this.#blocks = new BlockProducerIds({
      nodeId,
      clusterId: identity.clusterId,
      fileSystem,
      dataDir,
      gateway,
      logger,
      timeoutMs: config.number('request.timeout.ms'),
      stopped: stopped.signal,
    })
    this.producerIds = this.#blocks
  }

  /**
   * Replays the local copy of the metadata log and finds out, or founds, the cluster. Afterwards
   * `view` is as of the last stop, and nobody knows of this broker yet.
   *
   * @throws {BrokerError} KFK_BROKER_CLUSTER or KFK_BROKER_DATA_DIR when disk and coordination
   *   contradict each other; KFK_BROKER_UNAVAILABLE when coordination does not answer within
   *   `coordination.timeout.ms`
   */
  static async open(options: ClusterMemberOptions): Promise<ClusterMember> {
    const { config, logger, nodeId, promise, fileSystem, dataDir } = options
    const stopped = new AbortController()
    const partition = await options.partitions.openInternal(METADATA_TOPIC, 0)
    const configure = (): void => {
      const { image } = log
      config.useDynamic({ own: image.brokerConfigs(nodeId), cluster: image.brokerConfigs(null) })
    }
    const log: MetadataLog = new MetadataLog(partition, (change) => {
      if (change.configsChanged === true) configure()
      cluster.applied(change)
    })
    const cluster: LiveCluster = new LiveCluster(
      log.image,
      { nodeId, epochCounter: promise.counter },
      logger,
    )
    await log.load()
    const { clusterId, controllerNodeId } = log.image
    const identity = await settleIdentity({
      ...options,
      recorded:
        clusterId === undefined || controllerNodeId === undefined
          ? undefined
          : { clusterId, controllerNodeId },
      voter: configuredVoter(config)?.nodeId,
      timeoutMs: config.number('coordination.timeout.ms'),
    })
    cluster.settle(identity)
    config.useTopicOverrides((topic) => log.image.topics.get(topic)?.configs)
    const member = new ClusterMember({ options, identity, log, cluster, stopped })
    if (identity.isFounding) {
      await member.#runtime!.write([
        {
          type: 'cluster-founded',
          clusterId: identity.clusterId,
          controllerNodeId: identity.controllerNodeId,
          features: { 'kfk.metadata': METADATA_LEVEL },
        },
      ])
      await finishFounding(fileSystem, dataDir)
    }
    await member.#blocks.load()
    return member
  }

  get clusterId(): string {
    return this.#identity.clusterId
  }

  /** Names the data directory (`meta.properties`). */
  get directoryId(): string {
    return this.#identity.directoryId
  }

  /** Whether this broker writes the metadata log. */
  get isController(): boolean {
    return this.#runtime !== undefined
  }

  /**
   * Becomes a live member under `address`, where clients and brokers must be able to reach this
   * broker by now. Before that it catches up with the metadata log, for as long as a controller
   * answers; while that is away, the copy of the last stop has to do.
   *
   * @throws {BrokerError} KFK_BROKER_CLUSTER when the node id is taken; KFK_BROKER_UNAVAILABLE
   *   when coordination does not answer
   */
  async join(address: { readonly host: string; readonly port: number }): Promise<void> {
    const { config, clock, logger, nodeId, rack, promise, coordination } = this.#options
    const timeoutMs = config.number('coordination.timeout.ms')
    const self: MemberEntry = {
      nodeId,
      ...address,
      rack,
      incarnation: Buffer.from(randomBytes(16)).toString('base64url'),
      epochCounter: promise.counter,
      clusterId: this.#identity.clusterId,
      directoryId: this.#identity.directoryId,
    }
    await this.#directory.start(timeoutMs)
    if (this.isController) {
      this.#publisher.announce({ nodeId, epoch: promise.leaderEpoch, ...address })
    }
    await this.#bounded('publishing the cluster', timeoutMs, () =>
      this.#publisher.reconcile(this.#directory),
    )
    await this.#catchUp(timeoutMs)
    this.#registration = new Registration({
      coordination,
      member: self,
      ttlMs: config.number('broker.session.timeout.ms'),
      clock,
      logger,
      onTaken: (error) => this.#onTaken(error),
    })
    await this.#registration.open(timeoutMs)
    this.#self = self
    this.#onDirectoryChange()
    await this.#recorded(self)
  }

  /**
   * Tells the others, and stops everything that runs here. Never rejects; idempotent. The
   * coordination adapter stays open.
   */
  async leave(): Promise<void> {
    if (this.#stopped.signal.aborted) return
    await this.#registration?.close()
    this.#stopped.abort(new BrokerError('KFK_BROKER_CLOSED', 'the broker stops'))
    this.#directory.stop()
    this.#publisher.stop()
    await this.#blocks.settle()
    await this.#follower?.stop()
    await this.#runtime?.stop()
    this.#peer.forget()
  }

  async #catchUp(timeoutMs: number): Promise<void> {
    if (this.#follower === undefined) return
    this.#follower.start()
    // Without any copy there is nothing to serve, so a controller that is about to start is waited
    // for.
    const orFailed = this.#log.image.clusterId !== undefined
    try {
      await this.#bounded('fetching the metadata log', timeoutMs, (signal) =>
        this.#follower!.caughtUpOnce(signal, { orFailed }),
      )
    } catch (error) {
      if (this.#stopped.signal.aborted) throw error
      this.#options.logger.warn(`starting without the controller: ${String(error)}`)
    }
  }

  /** Waits for the controller to have written `self` down, if it is there. */
  async #recorded(self: MemberEntry): Promise<void> {
    // The controller cannot write while it is away.
    if (this.#cluster.member(this.#identity.controllerNodeId) === undefined) return
    const isRecorded = (): boolean =>
      this.#log.image.brokers.get(self.nodeId)?.incarnation === self.incarnation
    try {
      await this.#bounded('being recorded by the controller', RECORDED_TIMEOUT_MS, (signal) =>
        this.#cluster.changed.until(isRecorded, signal),
      )
    } catch (error) {
      if (this.#stopped.signal.aborted) throw error
      this.#options.logger.warn(`the controller has not recorded this broker yet: ${String(error)}`)
    }
  }

  #onDirectoryChange(): void {
    if (this.#stopped.signal.aborted) return
    const { clusterId } = this.#identity
    const members = this.#directory
      .members()
      .filter((member) => member.clusterId === clusterId && member.nodeId !== this.#self?.nodeId)
    // This broker knows best that it is alive, whatever coordination has lost.
    if (this.#self !== undefined) members.push(this.#self)
    this.#cluster.setMembers(members)
    if (this.#runtime !== undefined) {
      for (const { nodeId, host, port, rack, incarnation, epochCounter } of members) {
        void this.#runtime.register({ nodeId, host, port, rack, incarnation, epochCounter })
      }
    }
    this.#follower?.lookAgain()
    if (this.#self !== undefined) {
      this.#publisher.reconcile(this.#directory).catch((error: unknown) => {
        this.#options.logger.warn(`cannot publish the cluster: ${String(error)}`)
      })
    }
  }

  #onTaken(error: BrokerError): void {
    const { logger, onFatal } = this.#options
    if (onFatal === undefined) logger.error(error.message)
    else onFatal(error)
  }

  #bounded<T>(
    what: string,
    timeoutMs: number,
    operation: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { clock } = this.#options
    return within(clock, { timeoutMs, signal: this.#stopped.signal, what }, operation)
  }
}

interface OpenedParts {
  readonly options: ClusterMemberOptions
  readonly identity: ClusterIdentity
  readonly log: MetadataLog
  readonly cluster: LiveCluster
  readonly stopped: AbortController
}
