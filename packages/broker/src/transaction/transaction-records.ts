import {
  decodeVersioned,
  encodeVersioned,
  peekVersion,
  ProtocolError,
  transactionLogKey,
  transactionLogValue,
} from '@kfk/protocol'
import { noPartitions, partitionSet } from './partition-set.js'
import {
  statusNumbers,
  type TransactionImage,
  type TransactionStatus,
} from './transaction-image.js'

/** A record of `__transaction_state`; null: the transactional id has expired. */
export interface TransactionRecord {
  readonly transactionalId: string
  readonly image: TransactionImage | null
}

const KEY_VERSION = 0
const VALUE_VERSION = 1

const statuses = new Map<number, TransactionStatus>(
  Object.entries(statusNumbers).map(([name, number]) => [number, name as TransactionStatus]),
)

/** The record as Kafka writes it. */
export function encodeTransactionRecord({ transactionalId, image }: TransactionRecord): {
  key: Uint8Array
  value: Uint8Array | null
} {
  const key = encodeVersioned(transactionLogKey, KEY_VERSION, { transactionalId })
  return { key, value: image === null ? null : encodeImage(image) }
}

function encodeImage(image: TransactionImage): Uint8Array {
  const partitions = [...image.partitions].map(([topic, indexes]) => ({
    topic,
    partitionIds: [...indexes],
  }))
  return encodeVersioned(transactionLogValue, VALUE_VERSION, {
    producerId: image.producerId,
    previousProducerId: image.previousProducerId,
    nextProducerId: image.nextProducerId,
    producerEpoch: image.producerEpoch,
    transactionTimeoutMs: image.timeoutMs,
    transactionStatus: statusNumbers[image.status],
    transactionPartitions: image.status === 'Empty' ? null : partitions,
    transactionLastUpdateTimestampMs: image.updateTimestamp,
    transactionStartTimestampMs: image.startTimestamp,
    clientTransactionVersion: image.clientVersion,
  })
}

/**
 * Reads a record that this coordinator or a Kafka wrote, in any version. Undefined for what makes
 * no sense: one bad record must not make all transactions unavailable.
 */
export function decodeTransactionRecord(
  key: Uint8Array,
  value: Uint8Array | null,
): TransactionRecord | undefined {
  try {
    if (peekVersion(key) !== KEY_VERSION) return undefined
    const { transactionalId } = decodeVersioned(transactionLogKey, key)
    if (value === null) return { transactionalId, image: null }
    const image = decodeImage(value)
    return image === undefined ? undefined : { transactionalId, image }
  } catch (error) {
    if (error instanceof ProtocolError) return undefined
    throw error
  }
}

function decodeImage(value: Uint8Array): TransactionImage | undefined {
  const found = decodeVersioned(transactionLogValue, value)
  const status = statuses.get(found.transactionStatus)
  if (status === undefined || status === 'Dead' || status === 'PrepareEpochFence') return undefined
  const partitions = found.transactionPartitions?.flatMap(({ topic, partitionIds }) =>
    partitionIds.map((partition) => ({ topic, partition })),
  )
  return {
    producerId: found.producerId,
    previousProducerId: found.previousProducerId,
    nextProducerId: found.nextProducerId,
    producerEpoch: found.producerEpoch,
    lastProducerEpoch: -1,
    timeoutMs: found.transactionTimeoutMs,
    status,
    partitions: partitions === undefined ? noPartitions : partitionSet(partitions),
    startTimestamp: found.transactionStartTimestampMs,
    updateTimestamp: found.transactionLastUpdateTimestampMs,
    clientVersion: found.clientTransactionVersion,
  }
}
