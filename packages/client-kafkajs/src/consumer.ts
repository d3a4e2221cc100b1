import { describeGroup } from './admin-groups.js'
import type { KafkaConfig } from './config.js'
import type {
  Consumer,
  ConsumerConfig,
  ConsumerEvents,
  ConsumerRunConfig,
  ConsumerSubscribeTopic,
  ConsumerSubscribeTopics,
  TopicPartitionOffset,
  TopicPartitionOffsetAndMetadata,
} from './consumer-api.js'
import {
  checkPauses,
  numberOf,
  offsetsToCommit,
  seekTarget,
  subscribedTopics,
} from './consumer-arguments.js'
import { ConsumerRun } from './consumer-run.js'
import { KafkaJSNonRetriableError, KafkaJSNumberOfRetriesExceeded } from './errors.js'
import { GroupWatch } from './group-watch.js'
import { Instrumentation } from './instrumentation.js'
import { Link } from './link.js'
import type { Logger } from './logger.js'
import { PausedPartitions } from './paused-partitions.js'
import { asError } from './retry.js'

const events: ConsumerEvents = {
  HEARTBEAT: 'consumer.heartbeat',
  COMMIT_OFFSETS: 'consumer.commit_offsets',
  GROUP_JOIN: 'consumer.group_join',
  FETCH: 'consumer.fetch',
  FETCH_START: 'consumer.fetch_start',
  START_BATCH_PROCESS: 'consumer.start_batch_process',
  END_BATCH_PROCESS: 'consumer.end_batch_process',
  CONNECT: 'consumer.connect',
  DISCONNECT: 'consumer.disconnect',
  STOP: 'consumer.stop',
  CRASH: 'consumer.crash',
  REBALANCING: 'consumer.rebalancing',
  RECEIVED_UNSUBSCRIBED_TOPICS: 'consumer.received_unsubscribed_topics',
  REQUEST: 'consumer.network.request',
  REQUEST_TIMEOUT: 'consumer.network.request_timeout',
  REQUEST_QUEUE_SIZE: 'consumer.network.request_queue_size',
}

/**
 * Makes a kafkajs consumer.
 * @throws KafkaJSNonRetriableError for a configuration that cannot be right
 */
export function createConsumer(
  config: KafkaConfig,
  settings: ConsumerConfig,
  rootLogger: Logger,
): Consumer {
  const { groupId, sessionTimeout = 30_000, heartbeatInterval = 3000 } = settings
  if (!groupId) {
    throw new KafkaJSNonRetriableError('Consumer groupId must be a non-empty string.')
  }
  if (heartbeatInterval >= sessionTimeout) {
    throw new KafkaJSNonRetriableError(
      `Consumer heartbeatInterval (${heartbeatInterval}) must be lower than sessionTimeout (${sessionTimeout}). It is recommended to set heartbeatInterval to approximately a third of the sessionTimeout.`,
    )
  }
  const consumer = new GroupConsumer(config, settings, rootLogger)
  const { instrumentation } = consumer
  return {
    events,
    on: (name, listener) => instrumentation.on(name, listener),
    logger: () => consumer.logger,
    connect: () => consumer.connect(),
    disconnect: () => consumer.disconnect(),
    subscribe: (subscription) => consumer.subscribe(subscription),
    run: (runConfig) => consumer.run(runConfig),
    stop: () => consumer.stop(),
    commitOffsets: (offsets) => consumer.commitOffsets(offsets),
    seek: (to) => consumer.seek(to),
    describeGroup: () => consumer.describeGroup(),
    pause: (topics) => consumer.change('pause', topics),
    resume: (topics) => consumer.change('resume', topics),
    paused: () => consumer.paused(),
  }
}

class GroupConsumer {
  readonly logger: Logger
  readonly instrumentation: Instrumentation<ConsumerEvents>
  readonly #settings: ConsumerConfig
  readonly #link: Link
  readonly #watch: GroupWatch
  readonly #topics = new Map<string, boolean>()
  readonly #paused = new PausedPartitions()
  readonly #pendingSeeks = new Map<string, number | 'earliest' | 'latest'>()
  /** From `run` on. */
  #isActive = false
  /** Grows with every start and stop: what began before is over. */
  #epoch = 0
  #run: ConsumerRun | undefined
  #stopping: Promise<void> | undefined
  #restart: NodeJS.Timeout | undefined

  constructor(config: KafkaConfig, settings: ConsumerConfig, rootLogger: Logger) {
    this.logger = rootLogger.namespace('Consumer')
    this.#settings = settings
    const instrumentation = new Instrumentation('consumer', events, this.logger)
    this.instrumentation = instrumentation
    this.#watch = this.#createWatch()
    this.#link = new Link({
      config,
      settings,
      logger: this.logger,
      observer: this.#watch,
      events: {
        wantsRequests: () => instrumentation.hasListeners(events.REQUEST),
        request: (payload) => instrumentation.emit(events.REQUEST, payload),
        requestTimeout: (payload) => instrumentation.emit(events.REQUEST_TIMEOUT, payload),
      },
    })
  }

  async connect(): Promise<void> {
    await this.#link.connect()
    this.instrumentation.emit(events.CONNECT)
  }

  async disconnect(): Promise<void> {
    await this.stop()
    await this.#link.disconnect()
    this.instrumentation.emit(events.DISCONNECT)
  }

  async subscribe(subscription: ConsumerSubscribeTopics | ConsumerSubscribeTopic): Promise<void> {
    if (this.#isActive) {
      throw new KafkaJSNonRetriableError('Cannot subscribe to topic while consumer is running')
    }
    const wanted = subscribedTopics(subscription)
    const { fromBeginning = false } = subscription
    const patterns = wanted.filter((each) => each instanceof RegExp)
    const names = wanted.filter((each) => typeof each === 'string')
    if (patterns.length > 0) {
      const all = await this.#link.call((client) => client.metadata.topics())
      for (const { name } of all) {
        if (patterns.some((pattern) => name.search(pattern) >= 0)) names.push(name)
      }
    }
    for (const name of names) this.#topics.set(name, fromBeginning)
    // Topics that are missing are made here, if the broker makes topics by itself.
    if (this.#link.isConnected && names.length > 0) {
      await this.#link.call((client) => client.metadata.topics(names, { refresh: true }))
    }
  }

  async run(config: ConsumerRunConfig = {}): Promise<void> {
    if (this.#isActive) {
      const { groupId } = this.#settings
      this.logger.warn('consumer#run was called, but the consumer is already running', { groupId })
      return
    }
    await this.#start(config)
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop().finally(() => (this.#stopping = undefined))
    return this.#stopping
  }

  async commitOffsets(offsets: readonly TopicPartitionOffsetAndMetadata[] = []): Promise<void> {
    const wanted = offsetsToCommit(offsets)
    this.#checkActive()
    await this.#run?.commits.commit(wanted)
  }

  seek(to: TopicPartitionOffset): void {
    const target = seekTarget(to)
    this.#checkActive()
    const partition = { topic: to.topic, partition: numberOf(to.partition) }
    if (this.#run !== undefined) this.#run.seek(partition, target)
    else this.#pendingSeeks.set(`${partition.topic}/${partition.partition}`, target)
  }

  describeGroup() {
    return this.#link.call((client) => describeGroup(client, this.#settings.groupId))
  }

  change(
    verb: 'pause' | 'resume',
    topics: readonly { topic: string; partitions?: number[] }[] = [],
  ): void {
    checkPauses(topics, verb)
    this.#checkActive()
    this.#paused[verb](topics)
    this.#run?.applyPauses()
  }

  paused() {
    return this.#run === undefined ? [] : this.#paused.among(this.#run.assignment)
  }

  #checkActive(): void {
    if (this.#isActive) return
    throw new KafkaJSNonRetriableError(
      'Consumer group was not initialized, consumer#run must be called first',
    )
  }

  /** Everything up to the first `await` happens at once: `seek` and `pause` may follow. */
  async #start(config: ConsumerRunConfig): Promise<void> {
    this.#isActive = true
    const epoch = ++this.#epoch
    const { groupId } = this.#settings
    this.logger.info('Starting', { groupId })
    const onCrash = (error: Error): void => void this.#crashed(error, config)
    try {
      await this.#link.connect()
      const client = await this.#link.client()
      if (this.#epoch !== epoch) return
      this.instrumentation.emit(events.CONNECT)
      this.#run = new ConsumerRun(client, {
        link: this.#link,
        config: this.#settings,
        run: config,
        topics: this.#topics,
        paused: this.#paused,
        pendingSeeks: this.#pendingSeeks,
        watch: this.#watch,
        instrumentation: this.instrumentation,
      })
    } catch (error) {
      onCrash(asError(error))
      return
    }
    await this.#run.start(onCrash)
  }

  async #stop(): Promise<void> {
    const run = this.#run
    clearTimeout(this.#restart)
    this.#epoch += 1
    if (this.#isActive) {
      await run?.stop()
      this.#run = undefined
      this.#isActive = false
      this.instrumentation.emit(events.STOP)
    }
    this.logger.info('Stopped', { groupId: this.#settings.groupId })
  }

  async #crashed(error: Error, config: ConsumerRunConfig): Promise<void> {
    const { groupId, retry } = this.#settings
    this.logger.error(`Crash: ${error.name}: ${error.message}`, { groupId, stack: error.stack })
    try {
      await this.disconnect()
    } catch (failure) {
      this.logger.error(`Could not disconnect: ${asError(failure).message}`, { groupId })
    }
    const restart = mayRestart(error) && (await this.#wantsRestart(error))
    this.instrumentation.emit(events.CRASH, { error, groupId, restart })
    if (!restart) return
    const { retryTime } = error as { retryTime?: number }
    const waitMs = retryTime ?? retry?.initialRetryTime ?? this.#link.bounds.initialRetryTime
    this.logger.error(`Restarting the consumer in ${waitMs}ms`, { groupId, retryTime: waitMs })
    this.#restart = setTimeout(() => void this.#start(config), waitMs)
  }

  async #wantsRestart(error: Error): Promise<boolean> {
    try {
      return (await this.#settings.retry?.restartOnFailure?.(error)) ?? true
    } catch (failure) {
      this.logger.error(
        'Caught error when invoking user-provided "restartOnFailure" callback. Defaulting to restarting.',
        { error: asError(failure).message, cause: error.message, groupId: this.#settings.groupId },
      )
      return true
    }
  }

  #createWatch(): GroupWatch {
    const { instrumentation } = this
    const identity = () => ({
      groupId: this.#settings.groupId,
      memberId: this.#run?.membership.memberId ?? '',
    })
    return new GroupWatch({
      heartbeat: () => {
        const groupGenerationId = this.#run?.membership.generation ?? -1
        instrumentation.emit(events.HEARTBEAT, { ...identity(), groupGenerationId })
      },
      rebalancing: () => instrumentation.emit(events.REBALANCING, identity()),
      fetchStart: (nodeId) => instrumentation.emit(events.FETCH_START, { nodeId }),
      fetch: (nodeId, duration) => {
        instrumentation.emit(events.FETCH, { numberOfBatches: 0, duration, nodeId })
      },
    })
  }
}

/** Not after mistakes in a program. */
function mayRestart(error: Error): boolean {
  let origin: { cause?: unknown; retriable?: boolean } = error
  while (typeof origin.cause === 'object' && origin.cause !== null) origin = origin.cause
  const { retriable } = origin
  return error instanceof KafkaJSNumberOfRetriesExceeded || retriable === true
}
