import { apis, errorCodes } from '@kfk/protocol'
import { RE2JS } from 're2js'
import { defineHandler, type Handler, type RequestContext } from '../context.js'
import { patternProblem } from '../group/consumer/topic-patterns.js'
import { partitionSet } from '../transaction/partition-set.js'
import type { TransactionListing } from '../transaction/transaction-api.js'
import { statusNumbers } from '../transaction/transaction-image.js'

/* Views of transactions for administrators (KIP-664). */

async function describeOne({ services }: RequestContext, topic: string, partitionIndex: number) {
  const partition = await services.partitions.open(topic, partitionIndex)
  if (typeof partition === 'number') {
    return { partitionIndex, errorCode: partition, errorMessage: null, activeProducers: [] }
  }
  const activeProducers = Array.from(partition.producerEntries(), (entry) => ({
    producerId: entry.producerId,
    producerEpoch: entry.epoch,
    lastSequence: entry.batches.at(-1)?.lastSequence ?? -1,
    lastTimestamp: entry.lastTimestamp,
    coordinatorEpoch: entry.coordinatorEpoch,
    currentTxnStartOffset: entry.transactionFirstOffset,
  }))
  return { partitionIndex, errorCode: errorCodes.NONE, errorMessage: null, activeProducers }
}

const describeProducers = defineHandler<typeof apis.describeProducers>({
  api: apis.describeProducers,
  versions: [0, 0],
  async handle(context, request) {
    const topics = request.topics.map(async ({ name, partitionIndexes }) => ({
      name,
      partitions: await Promise.all(
        partitionIndexes.map((index) => describeOne(context, name, index)),
      ),
    }))
    return { throttleTimeMs: 0, topics: await Promise.all(topics) }
  },
})

const describeTransactions = defineHandler<typeof apis.describeTransactions>({
  api: apis.describeTransactions,
  versions: [0, 0],
  async handle({ services }, request) {
    const ids = request.transactionalIds
    const found = await Promise.all(ids.map((id) => services.transactions.describe(id)))
    return {
      throttleTimeMs: 0,
      transactionStates: found.map((one) => ({
        errorCode: one.errorCode,
        transactionalId: one.transactionalId,
        transactionState: one.status,
        transactionTimeoutMs: one.timeoutMs,
        transactionStartTimeMs: one.startTimestamp,
        producerId: one.producerId,
        producerEpoch: one.producerEpoch,
        topics: [...partitionSet(one.partitions)].map(([topic, partitions]) => ({
          topic,
          partitions: [...partitions],
        })),
      })),
    }
  },
})

const listTransactions = defineHandler<typeof apis.listTransactions>({
  api: apis.listTransactions,
  versions: [0, 2],
  async handle({ services }, request) {
    const { clock, transactions } = services
    const { stateFilters, producerIdFilters, transactionalIdPattern } = request
    const source = transactionalIdPattern ?? ''
    if (patternProblem(source) !== undefined) {
      const errorCode = errorCodes.INVALID_REGULAR_EXPRESSION
      return { throttleTimeMs: 0, errorCode, unknownStateFilters: [], transactionStates: [] }
    }
    const pattern = source === '' ? undefined : RE2JS.compile(source)
    const unknownStateFilters = stateFilters.filter((name) => !Object.hasOwn(statusNumbers, name))
    const longerThanMs = Number(request.durationFilter)
    const passes = ({ transactionalId, producerId, status, startTimestamp }: TransactionListing) =>
      (producerIdFilters.length === 0 || producerIdFilters.includes(producerId)) &&
      (stateFilters.length === 0 || stateFilters.includes(status)) &&
      (longerThanMs < 0 || clock.now() - startTimestamp > longerThanMs) &&
      (pattern === undefined || pattern.matcher(transactionalId).matches())
    const { errorCode, transactions: listed } = await transactions.list()
    return {
      ...{ throttleTimeMs: 0, errorCode, unknownStateFilters },
      transactionStates: listed.filter(passes).map(({ transactionalId, producerId, status }) => ({
        ...{ transactionalId, producerId },
        transactionState: status,
      })),
    }
  },
})

/** DescribeProducers, DescribeTransactions, ListTransactions. */
export const transactionAdminHandlers: readonly Handler[] = [
  describeProducers,
  describeTransactions,
  listTransactions,
]
