import { apis, errorCodes } from '@kfk/protocol'
import type { RequestOf } from '@kfk/protocol'
import { defineHandler, type Handler, type RequestContext } from '../context.js'
import { OFFSETS_TOPIC, partitionOfGroup } from '../group/group-partition.js'
import { type PartitionSet, partitionSet, partitionsOf } from '../transaction/partition-set.js'
import { EPOCH_BUMPING_CLIENT, OLD_CLIENT } from '../transaction/transaction-image.js'

/*
 * What transactional producers say to their coordinator: partitions and groups that become a part
 * of a transaction, and its end.
 *
 * Versions that differ in more than fields: AddPartitionsToTxn is for brokers from 4 on, batched,
 * and a question only where they say so; all know PRODUCER_FENCED from 2 on (KIP-588); EndTxn moves
 * the epoch on from 5 on (KIP-890).
 */

const FENCED_SINCE = 2
const BATCHED_SINCE = 4
const BUMPING_SINCE = 5

type AddRequest = RequestOf<typeof apis.addPartitionsToTxn>
type Transaction = AddRequest['transactions'][number]

function known(code: number, apiVersion: number): number {
  const isNew = code === errorCodes.PRODUCER_FENCED && apiVersion < FENCED_SINCE
  return isNew ? errorCodes.INVALID_PRODUCER_EPOCH : code
}

function setOf(topics: Transaction['topics']): PartitionSet {
  return partitionSet(
    topics.flatMap(({ name: topic, partitions }) =>
      partitions.map((partition) => ({ topic, partition })),
    ),
  )
}

/** One unknown partition, and nothing is added: the others are told so. */
function unknownPartitions(
  { cluster }: RequestContext['services'],
  set: PartitionSet,
): ((topic: string, partition: number) => number) | undefined {
  const exists = (topic: string, partition: number) =>
    cluster.leaderOf(topic, partition) !== undefined
  if ([...partitionsOf(set)].every((one) => exists(one.topic, one.partition))) return undefined
  return (topic, partition) =>
    exists(topic, partition)
      ? errorCodes.OPERATION_NOT_ATTEMPTED
      : errorCodes.UNKNOWN_TOPIC_OR_PARTITION
}

/** The error code of each partition. */
async function add(
  { apiVersion, services }: RequestContext,
  transaction: Transaction,
): Promise<(topic: string, partition: number) => number> {
  const { transactionalId, producerId, producerEpoch, verifyOnly } = transaction
  const partitions = setOf(transaction.topics)
  if (transactionalId === '') return () => errorCodes.INVALID_REQUEST
  const unknown = unknownPartitions(services, partitions)
  if (unknown !== undefined) return unknown
  const input = { transactionalId, producerId, producerEpoch, partitions }
  if (verifyOnly) {
    const codes = await services.transactions.verifyPartitions(input)
    const found = new Map(codes.map((one) => [`${one.topic}-${one.partition}`, one.errorCode]))
    return (topic, partition) => found.get(`${topic}-${partition}`) ?? errorCodes.NONE
  }
  // Version 5 came with clients that leave it to the brokers.
  const clientVersion = apiVersion >= BUMPING_SINCE ? EPOCH_BUMPING_CLIENT : OLD_CLIENT
  const code = await services.transactions.addPartitions({ ...input, clientVersion })
  return () => known(code, apiVersion)
}

function results(
  topics: Transaction['topics'],
  codeOf: (topic: string, partition: number) => number,
) {
  return topics.map(({ name, partitions }) => ({
    name,
    resultsByPartition: partitions.map((partitionIndex) => ({
      partitionIndex,
      partitionErrorCode: codeOf(name, partitionIndex),
    })),
  }))
}

const addPartitionsToTxn = defineHandler<typeof apis.addPartitionsToTxn>({
  api: apis.addPartitionsToTxn,
  versions: [0, 5],
  async handle(context, request) {
    if (context.apiVersion >= BATCHED_SINCE) {
      const outcomes = request.transactions.map(async (transaction) => ({
        transactionalId: transaction.transactionalId,
        topicResults: results(transaction.topics, await add(context, transaction)),
      }))
      return { throttleTimeMs: 0, resultsByTransaction: await Promise.all(outcomes) }
    }
    const transaction = {
      transactionalId: request.v3AndBelowTransactionalId,
      producerId: request.v3AndBelowProducerId,
      producerEpoch: request.v3AndBelowProducerEpoch,
      topics: request.v3AndBelowTopics,
      verifyOnly: false,
    }
    const codeOf = await add(context, transaction)
    return { throttleTimeMs: 0, resultsByTopicV3AndBelow: results(transaction.topics, codeOf) }
  },
})

const addOffsetsToTxn = defineHandler<typeof apis.addOffsetsToTxn>({
  api: apis.addOffsetsToTxn,
  versions: [0, 4],
  async handle({ apiVersion, services }, request) {
    const { cluster, groups, transactions } = services
    const { groupId, ...transaction } = request
    // Makes the topic, if nobody has committed yet.
    const coordinator = await groups.coordinatorFor(groupId)
    if (typeof coordinator === 'number') return { throttleTimeMs: 0, errorCode: coordinator }
    const count = cluster.topic(OFFSETS_TOPIC)!.partitions.length
    const partition = partitionOfGroup(groupId, count)
    const errorCode = await transactions.addPartitions({
      ...transaction,
      partitions: partitionSet([{ topic: OFFSETS_TOPIC, partition }]),
      clientVersion: OLD_CLIENT,
    })
    return { throttleTimeMs: 0, errorCode: known(errorCode, apiVersion) }
  },
})

const endTxn = defineHandler<typeof apis.endTxn>({
  api: apis.endTxn,
  versions: [0, 5],
  async handle({ apiVersion, services }, request) {
    const clientVersion = apiVersion >= BUMPING_SINCE ? EPOCH_BUMPING_CLIENT : OLD_CLIENT
    const result = await services.transactions.endTransaction({ ...request, clientVersion })
    const errorCode = known(result.errorCode, apiVersion)
    if (apiVersion < BUMPING_SINCE) return { throttleTimeMs: 0, errorCode }
    return { throttleTimeMs: 0, ...result, errorCode }
  },
})

/** AddPartitionsToTxn, AddOffsetsToTxn, EndTxn. */
export const transactionHandlers: readonly Handler[] = [addPartitionsToTxn, addOffsetsToTxn, endTxn]
