import { apis } from '@kfk/protocol'
import type { Client } from '../client.js'
import { kafkaError } from '../errors.js'
import { defaultCallTimeoutMs } from './call-options.js'
import type { CallOptions } from './call-options.js'
import { atLeaders, type Place, throwPartitionError } from './leader-calls.js'

/** A producer that a partition remembers. */
export interface ActiveProducer extends Place {
  readonly producerId: bigint
  readonly producerEpoch: number
  /** Of its last record; -1 when none is known. */
  readonly lastSequence: number
  /** Of its last record, wall clock in ms; -1 when none is known. */
  readonly lastTimestamp: number
  readonly coordinatorEpoch: number
  /** Where its open transaction begins; undefined when none is open. */
  readonly transactionStart: bigint | undefined
}

export interface TransactionListing {
  readonly transactionalId: string
  readonly producerId: bigint
  /** Empty, Ongoing, PrepareCommit, PrepareAbort, CompleteCommit, CompleteAbort, ... */
  readonly state: string
}

export interface TransactionDescription extends TransactionListing {
  readonly producerEpoch: number
  readonly timeoutMs: number
  /** Wall clock in ms; undefined when no transaction is open. */
  readonly startedAt: number | undefined
  /** Partitions of the open transaction. */
  readonly partitions: readonly Place[]
}

export interface TransactionsAdmin {
  /** The producers that partitions remember, and their open transactions (KIP-664). */
  describeProducers(places: readonly Place[], options?: CallOptions): Promise<ActiveProducer[]>
  /** Transactional ids of all coordinators, by name; filtered by states or producer ids. */
  listTransactions(
    options?: CallOptions & {
      readonly states?: readonly string[]
      readonly producerIds?: readonly bigint[]
    },
  ): Promise<TransactionListing[]>
  /** In the order of the ids. Rejects with TRANSACTIONAL_ID_NOT_FOUND. */
  describeTransactions(
    transactionalIds: readonly string[],
    options?: CallOptions,
  ): Promise<TransactionDescription[]>
}

const transactionKey = 1
/** First version of FindCoordinator that takes several keys. */
const batchedVersion = 4

export function transactionsAdmin(client: Client): TransactionsAdmin {
  return {
    describeProducers: (places, options) => describeProducers(client, places, options),
    listTransactions: (options) => listTransactions(client, options),
    describeTransactions: (transactionalIds, options) =>
      Promise.all(transactionalIds.map((id) => describeTransaction(client, id, options))),
  }
}

function describeProducers(
  client: Client,
  places: readonly Place[],
  options: CallOptions = {},
): Promise<ActiveProducer[]> {
  const { signal, timeoutMs = defaultCallTimeoutMs } = options
  return atLeaders(
    client,
    places,
    async (nodeId, wanted) => {
      const topics = wanted.map(({ topic, places: some }) => ({
        name: topic,
        partitionIndexes: some.map(({ partition }) => partition),
      }))
      const bounds = { signal, timeoutMs }
      const response = await client.request(apis.describeProducers, { topics }, { nodeId }, bounds)
      return response.topics.flatMap(({ name, partitions }) =>
        partitions.flatMap((partition) => {
          const place = { topic: name, partition: partition.partitionIndex }
          throwPartitionError(place, partition)
          return partition.activeProducers.map((one): ActiveProducer => ({
            ...place,
            producerId: one.producerId,
            producerEpoch: one.producerEpoch,
            lastSequence: one.lastSequence,
            lastTimestamp: one.lastTimestamp,
            coordinatorEpoch: one.coordinatorEpoch,
            transactionStart:
              one.currentTxnStartOffset < 0 ? undefined : BigInt(one.currentTxnStartOffset),
          }))
        }),
      )
    },
    options,
  )
}

async function listTransactions(
  client: Client,
  options: Parameters<TransactionsAdmin['listTransactions']>[0] = {},
): Promise<TransactionListing[]> {
  const { signal, timeoutMs = defaultCallTimeoutMs, states = [], producerIds = [] } = options
  const bounds = { signal, timeoutMs }
  const body = { stateFilters: states, producerIdFilters: producerIds }
  const listed = await client.retrying(async () => {
    const { brokers } = await client.metadata.cluster({ signal, refresh: true })
    const answers = brokers.map(async ({ nodeId }) => {
      const response = await client.request(apis.listTransactions, body, { nodeId }, bounds)
      if (response.errorCode !== 0) throw kafkaError(response.errorCode, null, { nodeId })
      return response.transactionStates
    })
    return (await Promise.all(answers)).flat()
  }, bounds)
  return listed
    .map(({ transactionalId, producerId, transactionState }) => ({
      ...{ transactionalId, producerId },
      state: transactionState,
    }))
    .sort((left, right) => (left.transactionalId < right.transactionalId ? -1 : 1))
}

function describeTransaction(
  client: Client,
  transactionalId: string,
  options: CallOptions = {},
): Promise<TransactionDescription> {
  const bounds = { signal: options.signal, timeoutMs: options.timeoutMs ?? defaultCallTimeoutMs }
  return client.retrying(async () => {
    const nodeId = await coordinatorOf(client, transactionalId, bounds)
    const body = { transactionalIds: [transactionalId] }
    const response = await client.request(apis.describeTransactions, body, { nodeId }, bounds)
    const [found] = response.transactionStates
    if (found === undefined) throw kafkaError(-1, 'the answer lacks the transaction')
    if (found.errorCode !== 0) throw kafkaError(found.errorCode, null, { transactionalId })
    return {
      transactionalId,
      producerId: found.producerId,
      producerEpoch: found.producerEpoch,
      state: found.transactionState,
      timeoutMs: found.transactionTimeoutMs,
      startedAt: found.transactionStartTimeMs < 0 ? undefined : found.transactionStartTimeMs,
      partitions: found.topics.flatMap(({ topic, partitions }) =>
        partitions.map((partition) => ({ topic, partition })),
      ),
    }
  }, bounds)
}

/** Asked for each time: administrators ask rarely. */
async function coordinatorOf(client: Client, key: string, bounds: CallOptions): Promise<number> {
  const body = (apiVersion: number) =>
    apiVersion >= batchedVersion
      ? { keyType: transactionKey, coordinatorKeys: [key] }
      : { keyType: transactionKey, key }
  const options = { ...bounds, minVersion: 1 }
  const response = await client.request(apis.findCoordinator, body, 'any', options)
  const found = response.coordinators[0] ?? response
  if (found.errorCode !== 0) throw kafkaError(found.errorCode, found.errorMessage, { key })
  return found.nodeId
}
