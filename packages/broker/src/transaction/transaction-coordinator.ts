import { errorCodes } from '@kfk/protocol'
import type {
  AdmissionInput,
  AdmissionVerdict,
  BrokerConfig,
  ClusterView,
  ControllerGateway,
  PartitionRegistry,
  ProducerIds,
  TransactionCoordinators,
  TransactionMarker,
} from '../context.js'
import type { CoordinatorAddress } from '../group/group-api.js'
import { CoordinatorPlaces } from '../group/coordinator-places.js'
import { ShardTable } from '../group/shard-table.js'
import type { PeerRequests } from '../network/broker-peers.js'
import type { Clock, TimerHandle } from '../runtime/clock.js'
import type { Logger } from '../runtime/logger.js'
import { Admissions } from './admissions.js'
import { MarkerSender } from './marker-sender.js'
import type { MarkerWriter } from './marker-writer.js'
import { type TopicPartition } from './partition-set.js'
import type {
  AddPartitionsInput,
  EndTransactionInput,
  InitProducerIdInput,
  ProducerIdResult,
  TransactionDescription,
  TransactionInput,
  TransactionListing,
} from './transaction-api.js'
import { isEnding } from './transaction-image.js'
import {
  isTransactionalId,
  partitionOfTransactionalId,
  TRANSACTIONS_TOPIC,
} from './transaction-partition.js'
import { TransactionShard } from './transaction-shard.js'
import {
  addPartitions,
  completed,
  type Decision,
  endTransaction,
  fencing,
  hasExpired,
  hasTimedOut,
  identityAfter,
  initProducerId,
  type Standing,
  verifyPartitions,
} from './transaction.js'

const COMMIT_TIMEOUT_MS = 5000
/**
 * How long whoever begins a transaction waits for the end of the one before, ms: Kafka sends
 * CONCURRENT_TRANSACTIONS, after which clients wait for 20 ms at least.
 */
const ENDING_GRACE_MS = 100
/** Between two tries to write that a transaction is complete, ms. */
const COMPLETION_BACKOFF_MS = 500

export interface TransactionCoordinatorOptions {
  readonly nodeId: number
  readonly config: BrokerConfig
  readonly clock: Clock
  readonly logger: Logger
  readonly cluster: ClusterView
  readonly controller: Pick<ControllerGateway, 'ensureTopic'>
  readonly partitions: PartitionRegistry
  readonly producerIds: ProducerIds
  /** Closed when the coordinator stops. */
  readonly peers: PeerRequests
  readonly writeMarker: MarkerWriter
}

/** Coordinates the transactional ids whose partition of `__transaction_state` this broker leads. */
export class TransactionCoordinator implements TransactionCoordinators {
  readonly #options: TransactionCoordinatorOptions
  readonly #places: CoordinatorPlaces
  readonly #shards: ShardTable<TransactionShard>
  readonly #markers: MarkerSender
  readonly #admissions: Admissions
  readonly #stopping = new AbortController()
  /** Markers that are being sent, by shard. */
  readonly #sending = new WeakMap<TransactionShard, Set<string>>()
  readonly #timers = new Set<TimerHandle>()
  #unsubscribe: () => void = () => undefined

  constructor(options: TransactionCoordinatorOptions) {
    const { clock, cluster, controller, logger, nodeId, partitions, peers, writeMarker } = options
    this.#options = options
    this.#places = new CoordinatorPlaces({
      ...{ nodeId, cluster, controller, topic: TRANSACTIONS_TOPIC },
      partitionOf: partitionOfTransactionalId,
    })
    const stopped = this.#stopping.signal
    this.#markers = new MarkerSender({
      ...{ nodeId, cluster, clock, logger, peers, stopped },
      write: writeMarker,
    })
    this.#admissions = new Admissions({ coordinator: this, peers, stopped, nodeId })
    this.#shards = new ShardTable({
      ...{ topic: TRANSACTIONS_TOPIC, partitions, clock, logger },
      create: (partition) =>
        new TransactionShard({
          ...{ partition, clock, commitTimeoutMs: COMMIT_TIMEOUT_MS },
          onDecided: (shard, transactionalId) => void this.#finish(shard, transactionalId),
        }),
      load: (shard, signal) => shard.load(signal),
    })
  }

  start(): void {
    const { cluster, config } = this.#options
    this.#unsubscribe = cluster.onChange(() => this.#shards.refresh())
    // Transactions go on, or time out, whether somebody asks for them or not.
    for (const index of this.#places.own()) void this.#shards.open(index)
    const every = (name: string, step: () => void) =>
      this.#repeat(() => Math.min(config.number(name), 2 ** 31 - 1), step)
    every('transaction.abort.timed.out.transaction.cleanup.interval.ms', () =>
      this.#abortTimedOut(),
    )
    every('transaction.remove.expired.transaction.cleanup.interval.ms', () => this.#expire())
  }

  stop(): void {
    if (this.#stopping.signal.aborted) return
    this.#stopping.abort(new Error('the broker stops'))
    this.#unsubscribe()
    for (const timer of this.#timers) timer.cancel()
    this.#shards.close()
    this.#options.peers.close()
  }

  async coordinatorFor(transactionalId: string): Promise<CoordinatorAddress | number> {
    if (!isTransactionalId(transactionalId)) return errorCodes.INVALID_REQUEST
    return this.#places.addressOf(transactionalId)
  }

  async initProducerId(input: InitProducerIdInput): Promise<ProducerIdResult> {
    const { transactionalId, timeoutMs, producerId, producerEpoch } = input
    if (!isTransactionalId(transactionalId)) return refused(errorCodes.INVALID_REQUEST)
    const maxMs = this.#options.config.number('transaction.max.timeout.ms')
    if (timeoutMs <= 0 || timeoutMs > maxMs) return refused(errorCodes.INVALID_TRANSACTION_TIMEOUT)
    const shard = await this.#shardOf(transactionalId)
    if (typeof shard === 'number') return refused(shard)
    const expected = producerId < 0n ? undefined : { producerId, producerEpoch }
    const { decision, code } = await this.#run(shard, transactionalId, (standing, freshId, now) =>
      initProducerId(standing, { timeoutMs, expected, freshId, now }),
    )
    if (code !== errorCodes.NONE || decision.kind !== 'write') return refused(code)
    const { next } = decision
    return { errorCode: code, producerId: next.producerId, producerEpoch: next.producerEpoch }
  }

  async addPartitions(input: AddPartitionsInput): Promise<number> {
    const { transactionalId } = input
    if (!isTransactionalId(transactionalId)) return errorCodes.INVALID_REQUEST
    const shard = await this.#shardOf(transactionalId)
    if (typeof shard === 'number') return shard
    const { clock } = this.#options
    const deadline = clock.monotonicMs() + ENDING_GRACE_MS
    for (;;) {
      const standing = shard.standing(transactionalId)
      const decision = addPartitions(standing, { ...input, now: clock.now() })
      const busy =
        decision.kind === 'refuse' && decision.errorCode === errorCodes.CONCURRENT_TRANSACTIONS
      if (!busy || shard.closed || clock.monotonicMs() >= deadline) {
        return shard.carryOut(transactionalId, decision)
      }
      await this.#changed(shard, transactionalId, deadline)
    }
  }

  async verifyPartitions(
    input: TransactionInput & Pick<AddPartitionsInput, 'partitions'>,
  ): Promise<readonly (TopicPartition & { readonly errorCode: number })[]> {
    const { transactionalId } = input
    const shard = isTransactionalId(transactionalId)
      ? await this.#shardOf(transactionalId)
      : errorCodes.INVALID_REQUEST
    if (typeof shard !== 'number') return verifyPartitions(shard.standing(transactionalId), input)
    const nobody: Standing = { image: undefined, pending: false }
    return verifyPartitions(nobody, input).map((one) => ({ ...one, errorCode: shard }))
  }

  async endTransaction(input: EndTransactionInput): Promise<ProducerIdResult> {
    const { transactionalId } = input
    if (!isTransactionalId(transactionalId)) return refused(errorCodes.INVALID_REQUEST)
    const shard = await this.#shardOf(transactionalId)
    if (typeof shard === 'number') return refused(shard)
    const { decision, code } = await this.#run(shard, transactionalId, (standing, freshId, now) =>
      endTransaction(standing, { ...input, freshId, now }),
    )
    if (code !== errorCodes.NONE) return refused(code)
    if (decision.kind === 'agree') return { errorCode: code, ...identityAfter(decision.image) }
    return decision.kind === 'write'
      ? { errorCode: code, ...identityAfter(decision.next) }
      : refused(errorCodes.COORDINATOR_NOT_AVAILABLE)
  }

  async describe(transactionalId: string): Promise<TransactionDescription> {
    const failed = (errorCode: number): TransactionDescription => ({
      ...{ errorCode, transactionalId, status: '', timeoutMs: 0, startTimestamp: 0 },
      ...{ producerId: 0n, producerEpoch: 0, partitions: [] },
    })
    if (!isTransactionalId(transactionalId)) return failed(errorCodes.INVALID_REQUEST)
    const shard = await this.#shardOf(transactionalId)
    if (typeof shard === 'number') return failed(shard)
    const { image } = shard.standing(transactionalId)
    if (image === undefined) return failed(errorCodes.TRANSACTIONAL_ID_NOT_FOUND)
    const partitions = shard.unmarked(transactionalId)
    return { ...image, transactionalId, errorCode: errorCodes.NONE, partitions }
  }

  async list(): Promise<{ errorCode: number; transactions: readonly TransactionListing[] }> {
    const shards = await this.#shards.openForList(this.#places.own())
    if (typeof shards === 'number') return { errorCode: shards, transactions: [] }
    const transactions: TransactionListing[] = []
    for (const shard of shards) {
      for (const [transactionalId, { image }] of shard.standings()) {
        if (image !== undefined) transactions.push({ ...image, transactionalId })
      }
    }
    return { errorCode: errorCodes.NONE, transactions }
  }

  writeMarker(place: TopicPartition, marker: TransactionMarker): Promise<number> {
    return this.#options.writeMarker(place, marker)
  }

  admit(
    input: AdmissionInput,
    append: (verdict: AdmissionVerdict) => void,
  ): Promise<void> | undefined {
    return this.#admissions.admit(input, append)
  }

  /**
   * Asks the rules, with a new producer id when they need one, and carries out what they say:
   * nothing comes between the two.
   */
  async #run(
    shard: TransactionShard,
    transactionalId: string,
    rule: (standing: Standing, freshId: bigint | undefined, now: number) => Decision,
  ): Promise<{ decision: Decision; code: number }> {
    const { clock, producerIds } = this.#options
    let decision = rule(shard.standing(transactionalId), undefined, clock.now())
    if (decision.kind === 'needs-producer-id') {
      const freshId = await producerIds.next().catch(() => undefined)
      if (freshId !== undefined) {
        decision = rule(shard.standing(transactionalId), freshId, clock.now())
      }
    }
    return { decision, code: await shard.carryOut(transactionalId, decision) }
  }

  /** Sends the markers of a decided transaction, and notes that it is complete. */
  async #finish(shard: TransactionShard, transactionalId: string): Promise<void> {
    let sending = this.#sending.get(shard)
    if (sending === undefined) this.#sending.set(shard, (sending = new Set()))
    if (sending.has(transactionalId)) return
    sending.add(transactionalId)
    try {
      const { image } = shard.standing(transactionalId)
      if (image === undefined || !isEnding(image)) return
      const progress = shard.beginMarkers(transactionalId)
      if (await this.#markers.send(image, progress)) await this.#complete(shard, transactionalId)
    } catch (error) {
      this.#options.logger.error('the markers of a transaction cannot be written', {
        ...{ transactionalId, error: String(error) },
      })
    } finally {
      sending.delete(transactionalId)
    }
  }

  async #complete(shard: TransactionShard, transactionalId: string): Promise<void> {
    const { clock } = this.#options
    while (!shard.closed) {
      const { image, pending } = shard.standing(transactionalId)
      if (image === undefined || !isEnding(image)) return
      if (!pending) {
        const next = completed(image, clock.now())
        const code = await shard.write({ transactionalId, image: next })
        if (code === errorCodes.NONE) return
      }
      await new Promise<void>((resolve) => clock.setTimer(COMPLETION_BACKOFF_MS, resolve))
    }
  }

  #abortTimedOut(): void {
    const now = this.#options.clock.now()
    for (const shard of this.#shards.loaded()) {
      for (const [transactionalId, standing] of shard.standings()) {
        if (!hasTimedOut(standing, now)) continue
        this.#options.logger.info('a transaction has timed out and is aborted', { transactionalId })
        void shard.write({ transactionalId, image: fencing(standing.image!, now) })
      }
    }
  }

  #expire(): void {
    const { clock, config } = this.#options
    const at = { now: clock.now(), expirationMs: config.number('transactional.id.expiration.ms') }
    for (const shard of this.#shards.loaded()) {
      for (const [transactionalId, standing] of shard.standings()) {
        if (hasExpired(standing, at)) void shard.write({ transactionalId, image: null })
      }
    }
  }

  async #shardOf(transactionalId: string): Promise<TransactionShard | number> {
    const stopped = this.#stopping.signal.aborted
    const own = stopped ? undefined : this.#places.ownPartitionOf(transactionalId)
    return own === undefined ? errorCodes.NOT_COORDINATOR : this.#shards.openSoon(own)
  }

  /** Resolves when the transactional id may stand otherwise, or at the deadline. */
  #changed(shard: TransactionShard, transactionalId: string, deadline: number): Promise<void> {
    const { clock } = this.#options
    return new Promise((resolve) => {
      const timer = clock.setTimer(Math.max(0, deadline - clock.monotonicMs()), resolve)
      shard.onceChanged(transactionalId, () => {
        timer.cancel()
        resolve()
      })
    })
  }

  #repeat(intervalMs: () => number, step: () => void): void {
    const timer = this.#options.clock.setTimer(intervalMs(), () => {
      this.#timers.delete(timer)
      step()
      if (!this.#stopping.signal.aborted) this.#repeat(intervalMs, step)
    })
    this.#timers.add(timer)
  }
}

function refused(errorCode: number): ProducerIdResult {
  return { errorCode, producerId: -1n, producerEpoch: -1 }
}
