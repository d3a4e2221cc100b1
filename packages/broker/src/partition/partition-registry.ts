import { join } from 'node:path'
import type { FileSystem, Log, LogDirectory } from '@kfk/log-store'
import { errorCodes } from '@kfk/protocol'
import type {
  BrokerConfig,
  Clock,
  ClusterChange,
  ClusterView,
  Logger,
  Partition,
  PartitionRegistry,
  TopicImage,
} from '../context.js'
import { toErrorCode } from '../error-mapping.js'
import { appendRules } from './append-rules.js'
import { logOptions, metadataLogOptions } from './log-options.js'
import { readTopicId, writeTopicId } from './partition-files.js'
import { LeaderPartition, type PartitionParts } from './partition.js'

/** Kafka's own id of its metadata topic: the one topic that is in no metadata. */
const metadataTopicId = 'AAAAAAAAAAAAAAAAAAAAAQ'

/** Partitions that take up changed defaults in one turn of the loop: some 2 us each. */
const configuredAtOnce = 200

/** What the registry is given. */
export interface RegistryOptions {
  readonly nodeId: number
  readonly leaderEpoch: number
  readonly directory: LogDirectory
  readonly fileSystem: FileSystem
  readonly config: BrokerConfig
  readonly clock: Clock
  readonly logger: Logger
  /** The high watermark of the partition with this key has advanced. */
  readonly onAdvance: (key: string) => void
}

/** The partitions whose logs are in this broker's data directory. */
export class LogPartitionRegistry implements PartitionRegistry {
  readonly #options: RegistryOptions
  /** Open partitions by topic, then by index. */
  readonly #byTopic = new Map<string, Map<number, LeaderPartition>>()
  readonly #byId = new Map<string, Map<number, LeaderPartition>>()
  readonly #opening = new Map<string, Promise<Partition | number>>()
  /** Logs of deleted topics that are being removed; a new topic of the same name waits. */
  readonly #deleting = new Map<string, Promise<void>>()
  #cluster: ClusterView | undefined
  #onHosted: (partition: Partition) => void = () => undefined
  #closed = false

  constructor(options: RegistryOptions) {
    this.#options = options
  }

  /**
   * Connects the registry with the metadata, which itself lies in a log opened through {@link
   * openInternal}.
   */
  useCluster(cluster: ClusterView, onHosted: (partition: Partition) => void): void {
    this.#cluster = cluster
    this.#onHosted = onHosted
  }

  local(topic: string, index: number): Partition | number | undefined {
    return this.#byTopic.get(topic)?.get(index) ?? this.#absent(topic, index)
  }

  localById(topicId: string, index: number): Partition | number | undefined {
    const partition = this.#byId.get(topicId)?.get(index)
    if (partition !== undefined) return partition
    const image = this.#cluster?.topicById(topicId)
    return image === undefined ? errorCodes.UNKNOWN_TOPIC_ID : this.#absent(image.name, index)
  }

  open(topic: string, index: number): Promise<Partition | number> {
    const found = this.local(topic, index)
    if (found !== undefined) return Promise.resolve(found)
    const name = `${topic}-${index}`
    let opening = this.#opening.get(name)
    if (opening === undefined) {
      opening = this.#open(topic, index).finally(() => this.#opening.delete(name))
      this.#opening.set(name, opening)
    }
    return opening
  }

  *hosted(): IterableIterator<LeaderPartition> {
    for (const partitions of this.#byTopic.values()) yield* partitions.values()
  }

  async apply(change: ClusterChange): Promise<void> {
    const deletions = change.removed.flatMap((image) => this.#remove(image))
    for (const image of change.changed) this.#configure(image)
    // The defaults of topics are among the configs of brokers.
    if (change.configsChanged === true) await this.#configureAll()
    await Promise.all(deletions)
  }

  #configure(image: TopicImage): void {
    const config = this.#options.config.topicConfig(image.name)
    for (const partition of this.#byId.get(image.id)?.values() ?? []) {
      partition.rules = appendRules(config)
      partition.log.configure(logOptions(config, image.internal))
    }
  }

  /** In portions, because there may be thousands and requests must not wait for all of them. */
  async #configureAll(): Promise<void> {
    let portion = 0
    for (const id of [...this.#byId.keys()]) {
      const image = this.#cluster?.topicById(id)
      if (image === undefined) continue
      this.#configure(image)
      portion += image.partitions.length
      if (portion < configuredAtOnce) continue
      portion = 0
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  async openInternal(name: string, index: number): Promise<Partition> {
    const found = this.#byTopic.get(name)?.get(index)
    if (found !== undefined) return found
    const log = await this.#options.directory.open(`${name}-${index}`, metadataLogOptions)
    await this.#claim(log, metadataTopicId)
    return this.#host(log, {
      topic: name,
      topicId: metadataTopicId,
      index,
      internal: true,
    })
  }

  /**
   * Logs on disk whose topic the metadata does not know: it was deleted while this broker was away,
   * or during a crash.
   */
  async strays(): Promise<{ name: string; topicId: string }[]> {
    const { directory, fileSystem } = this.#options
    const strays: { name: string; topicId: string }[] = []
    for (const name of directory.names()) {
      const topicId = await readTopicId(fileSystem, join(directory.path, name))
      // Without an id it is not ours to judge.
      if (topicId === undefined || topicId === metadataTopicId) continue
      if (this.#cluster!.topicById(topicId) === undefined) strays.push({ name, topicId })
    }
    return strays
  }

  /** Deletes the log, if it still belongs to that topic. Never rejects. */
  async deleteStray(stray: { name: string; topicId: string }): Promise<void> {
    if (this.#cluster!.topicById(stray.topicId) === undefined) {
      await this.#deleteLog(stray.name, stray.topicId)
    }
  }

  /** Serves nothing any more. The logs stay open, for {@link LogDirectory.close}. */
  close(): void {
    this.#closed = true
    for (const partition of this.hosted()) partition.close()
  }

  /**
   * Why a partition that is not open is not: an error code, or undefined when it only has to be
   * opened.
   */
  #absent(topic: string, index: number): number | undefined {
    const leader = this.#cluster?.leaderOf(topic, index)
    if (leader === undefined) return errorCodes.UNKNOWN_TOPIC_OR_PARTITION
    const image = this.#cluster!.topic(topic)!.partitions[index]
    const { nodeId, directory } = this.#options
    if (image?.replicas[0] !== nodeId || this.#closed) return errorCodes.NOT_LEADER_OR_FOLLOWER
    return directory.poisoned === undefined ? undefined : errorCodes.KAFKA_STORAGE_ERROR
  }

  async #open(topic: string, index: number): Promise<Partition | number> {
    const { config, directory, logger } = this.#options
    const name = `${topic}-${index}`
    try {
      await this.#deleting.get(name)
      const image = this.#cluster!.topic(topic)
      if (image === undefined) return errorCodes.UNKNOWN_TOPIC_OR_PARTITION
      const values = config.topicConfig(topic)
      const options = logOptions(values, image.internal)
      let log = await directory.open(name, options)
      if (!(await this.#claim(log, image.id))) {
        // The topic was deleted and created again while this broker was away.
        logger.info(`deleting ${name}: it belongs to a topic that was deleted`)
        await directory.delete(name)
        log = await directory.open(name, options)
        await this.#claim(log, image.id)
      }
      if (this.#cluster!.topicById(image.id) === undefined || this.#closed) {
        // Deleted while it was being opened: the deletion waits for us.
        return errorCodes.UNKNOWN_TOPIC_OR_PARTITION
      }
      const partition = this.#host(log, {
        topic,
        topicId: image.id,
        index,
        internal: image.internal,
      })
      this.#onHosted(partition)
      return partition
    } catch (error) {
      logger.error(`cannot open ${name}: ${String(error)}`, { error })
      const code = toErrorCode(error)
      // Nothing is wrong with what the client sent: the fault is in the stored log.
      return code === errorCodes.CORRUPT_MESSAGE ? errorCodes.KAFKA_STORAGE_ERROR : code
    }
  }

  /** Ties a log to a topic id, the first time; false when it belongs to another one. */
  async #claim(log: Log, topicId: string): Promise<boolean> {
    const { fileSystem } = this.#options
    const found = await readTopicId(fileSystem, log.path)
    if (found === undefined) await writeTopicId(fileSystem, log.path, topicId)
    return found === undefined || found === topicId
  }

  #host(
    log: Log,
    parts: Pick<PartitionParts, 'topic' | 'topicId' | 'index' | 'internal'>,
  ): LeaderPartition {
    const { config, leaderEpoch, clock, onAdvance } = this.#options
    const rules = appendRules(config.topicConfig(parts.topic))
    const partition = new LeaderPartition({ ...parts, log, leaderEpoch, rules, clock, onAdvance })
    nested(this.#byTopic, parts.topic).set(parts.index, partition)
    if (parts.topicId !== metadataTopicId) {
      nested(this.#byId, parts.topicId).set(parts.index, partition)
    }
    return partition
  }

  /** Stops serving a deleted topic at once, and removes its logs behind the scenes. */
  #remove(image: TopicImage): Promise<void>[] {
    const partitions = this.#byId.get(image.id)
    this.#byId.delete(image.id)
    const hosted = this.#byTopic.get(image.name)
    for (const [index, partition] of partitions ?? []) {
      if (hosted?.get(index) === partition) hosted.delete(index)
      partition.close()
    }
    if (hosted?.size === 0) this.#byTopic.delete(image.name)
    return image.partitions.map(({ index }) => {
      const name = `${image.name}-${index}`
      const before = Promise.all([this.#opening.get(name), this.#deleting.get(name)])
      const deletion = before
        .then(() => this.#deleteLog(name, image.id))
        .finally(() => {
          if (this.#deleting.get(name) === deletion) this.#deleting.delete(name)
        })
      this.#deleting.set(name, deletion)
      return deletion
    })
  }

  async #deleteLog(name: string, topicId: string): Promise<void> {
    const { directory, fileSystem, logger } = this.#options
    try {
      if (!directory.names().includes(name)) return
      if ((await readTopicId(fileSystem, join(directory.path, name))) !== topicId) return
      await directory.delete(name)
    } catch (error) {
      logger.error(`cannot delete ${name}: ${String(error)}`, { error })
    }
  }
}

function nested<K>(
  map: Map<K, Map<number, LeaderPartition>>,
  key: K,
): Map<number, LeaderPartition> {
  let inner = map.get(key)
  if (inner === undefined) map.set(key, (inner = new Map<number, LeaderPartition>()))
  return inner
}
