import type { FileSystem, LogDirectory } from '@kfk/log-store'
import type { BrokerConfig, Clock, ClusterView, Logger, TimerHandle } from '../context.js'
import type { LogPartitionRegistry } from './partition-registry.js'

/**
 * Producers are looked through this often for silent ones (Kafka's
 * producer.id.expiration.check.interval.ms).
 */
const expirationCheckMs = 600_000

/**
 * What happens to partitions by and by: retention, checkpoints, forgotten producers.
 */
export class PartitionMaintenance {
  readonly #registry: LogPartitionRegistry
  readonly #directory: LogDirectory
  readonly #fileSystem: FileSystem
  readonly #config: BrokerConfig
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #cluster: ClusterView
  readonly #timers = new Map<string, TimerHandle>()
  readonly #running = new Set<Promise<void>>()
  /** Strays of the last look, `name topicId`. */
  #strays = new Set<string>()
  #stopped = false

  constructor(options: {
    registry: LogPartitionRegistry
    directory: LogDirectory
    fileSystem: FileSystem
    config: BrokerConfig
    clock: Clock
    logger: Logger
    cluster: ClusterView
  }) {
    this.#registry = options.registry
    this.#directory = options.directory
    this.#fileSystem = options.fileSystem
    this.#config = options.config
    this.#clock = options.clock
    this.#logger = options.logger
    this.#cluster = options.cluster
  }

  start(): void {
    const config = this.#config
    this.#every('retention', config.long('log.retention.check.interval.ms'), () => this.#retain())
    const checkpointMs = config.number('log.flush.offset.checkpoint.interval.ms')
    this.#every('checkpoint', checkpointMs, () => this.#checkpoint())
    this.#every('producers', expirationCheckMs, () => this.#expireProducers())
  }

  /** Ends the ticks and waits for what runs. */
  async stop(): Promise<void> {
    this.#stopped = true
    for (const timer of this.#timers.values()) timer.cancel()
    await Promise.all(this.#running)
  }

  #every(name: string, intervalMs: number, task: () => Promise<void> | void): void {
    if (this.#stopped) return
    const timer = this.#clock.setTimer(intervalMs, () => {
      const run = Promise.resolve()
        .then(task)
        .catch((error: unknown) =>
          this.#logger.error(`${name} failed: ${String(error)}`, { error }),
        )
        .then(() => {
          this.#running.delete(run)
          this.#every(name, intervalMs, task)
        })
      this.#running.add(run)
    })
    this.#timers.set(name, timer)
  }

  async #retain(): Promise<void> {
    await this.#openForRetention()
    const report = await this.#directory.applyRetention(this.#clock.now())
    if (report.deletedSegments > 0) {
      this.#logger.info(
        `retention deleted ${report.deletedSegments} segments, ${report.deletedBytes} bytes`,
      )
    }
    if (report.clockJumped) this.#logger.warn('the clock jumped ahead: retention by time waits')
    await this.#removeStrays()
  }

  /**
   * Logs of topics that were deleted while this broker could not see it. Found twice, because a
   * broker that has just started may not have caught up with the metadata log; and never by a
   * broker that has no metadata at all.
   */
  async #removeStrays(): Promise<void> {
    const before = this.#strays
    this.#strays = new Set()
    if (this.#cluster.metadataOffset === 0) return
    for (const stray of await this.#registry.strays()) {
      const id = `${stray.name} ${stray.topicId}`
      if (before.has(id)) {
        this.#logger.info(`deleting ${stray.name}: its topic does not exist any more`)
        await this.#registry.deleteStray(stray)
      } else {
        this.#strays.add(id)
      }
    }
  }

  /** Logs open at first use; one that nobody uses must shrink all the same, or be compacted. */
  async #openForRetention(): Promise<void> {
    const onDisk = new Set(this.#directory.names())
    for (const topic of [...this.#cluster.topics()]) {
      const values = this.#config.topicConfig(topic.name)
      const policy = values.string('cleanup.policy')
      const bounded = values.long('retention.ms') >= 0 || values.long('retention.bytes') >= 0
      const shrinks = policy.includes('compact') || (policy.includes('delete') && bounded)
      if (!shrinks) continue
      for (const { index } of topic.partitions) {
        if (this.#stopped) return
        if (onDisk.has(`${topic.name}-${index}`)) await this.#registry.open(topic.name, index)
      }
    }
  }

  async #checkpoint(): Promise<void> {
    await this.#directory.checkpoint()
  }

  #expireProducers(): void {
    const expirationMs = this.#config.number('producer.id.expiration.ms')
    const now = this.#clock.now()
    for (const partition of this.#registry.hosted()) partition.producers.expire(now, expirationMs)
  }
}
