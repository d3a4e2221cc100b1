import { apis, errorCodes } from '@kfk/protocol'
import type { AdmissionInput, AdmissionVerdict, Partition, Verification } from '../context.js'
import type { PeerRequests } from '../network/broker-peers.js'
import { partitionSet, type TopicPartition } from './partition-set.js'
import type { TransactionRequests } from './transaction-api.js'
import { EPOCH_BUMPING_CLIENT } from './transaction-image.js'

/** How long the coordinator may take, ms: the client's own patience is 30 s by default. */
const PEER_TIMEOUT_MS = 10_000

export interface AdmissionsOptions {
  readonly nodeId: number
  readonly coordinator: Pick<
    TransactionRequests,
    'coordinatorFor' | 'addPartitions' | 'verifyPartitions'
  >
  readonly peers: PeerRequests
  /** Aborted when the broker stops. */
  readonly stopped: AbortSignal
}

const admitted: AdmissionVerdict = {
  errorCode: () => errorCodes.NONE,
  verification: () => undefined,
}

/**
 * Lets transactional batches into partitions that are led here, once the coordinator of their
 * transaction knows of the partitions (KIP-890). Batches of one producer keep their order, whatever
 * some of them have to wait for.
 */
export class Admissions {
  readonly #options: AdmissionsOptions
  /** The last append of a producer that has to wait. */
  readonly #last = new Map<bigint, Promise<void>>()

  constructor(options: AdmissionsOptions) {
    this.#options = options
  }

  admit(
    input: AdmissionInput,
    append: (verdict: AdmissionVerdict) => void,
  ): Promise<void> | undefined {
    const { producerId } = input
    const before = this.#last.get(producerId)
    if (before === undefined) {
      const partitions = input.partitions()
      if (!(partitions instanceof Promise) && missing(input, partitions).length === 0) {
        append(admitted)
        return undefined
      }
    }
    const turn = this.#after(before, input, append).finally(() => {
      if (this.#last.get(producerId) === turn) this.#last.delete(producerId)
    })
    this.#last.set(producerId, turn)
    return turn
  }

  async #after(
    before: Promise<void> | undefined,
    input: AdmissionInput,
    append: (verdict: AdmissionVerdict) => void,
  ): Promise<void> {
    await before?.catch(() => undefined)
    const asked = missing(input, await input.partitions())
    if (asked.length === 0) {
      append(admitted)
      return
    }
    const { producerId } = input
    const verifications = new Map<Partition, Verification>()
    for (const partition of asked) {
      verifications.set(partition, partition.beginVerification(producerId))
    }
    const codes = await this.#ask(input, asked)
    append({
      errorCode: (partition) => codes.get(partition) ?? errorCodes.NONE,
      verification: (partition) => verifications.get(partition),
    })
    for (const [partition, verification] of verifications) {
      partition.dropVerification(producerId, verification)
    }
  }

  /** What the coordinator says, as error codes for the client. */
  async #ask(
    input: AdmissionInput,
    partitions: readonly Partition[],
  ): Promise<ReadonlyMap<Partition, number>> {
    const { coordinator, nodeId } = this.#options
    const { adds, knowsAbortable } = input
    const found = await coordinator.coordinatorFor(input.transactionalId)
    let codes: readonly (TopicPartition & { readonly errorCode: number })[] = []
    let failure: number = errorCodes.NONE
    const set = partitionSet(partitions.map(placeOf))
    if (typeof found === 'number') {
      failure = found
    } else if (found.nodeId !== nodeId) {
      ;({ codes, failure } = await this.#askPeer(found.nodeId, input, set))
    } else if (adds) {
      const clientVersion = EPOCH_BUMPING_CLIENT
      failure = await coordinator.addPartitions({ ...input, partitions: set, clientVersion })
    } else {
      codes = await coordinator.verifyPartitions({ ...input, partitions: set })
    }
    return new Map(
      partitions.map((partition) => {
        const { topic, index } = partition
        const own = codes.find((one) => one.topic === topic && one.partition === index)
        const code = failure === errorCodes.NONE ? (own?.errorCode ?? failure) : failure
        return [partition, forProducer(code, { adds, knowsAbortable })]
      }),
    )
  }

  async #askPeer(
    nodeId: number,
    { transactionalId, producerId, producerEpoch, adds }: AdmissionInput,
    partitions: ReturnType<typeof partitionSet>,
  ): Promise<{ codes: (TopicPartition & { errorCode: number })[]; failure: number }> {
    const topics = [...partitions].map(([name, indexes]) => ({ name, partitions: [...indexes] }))
    const transaction = {
      ...{ transactionalId, producerId, producerEpoch, topics },
      verifyOnly: !adds,
    }
    try {
      const response = await this.#options.peers.request(
        nodeId,
        apis.addPartitionsToTxn,
        { transactions: [transaction] },
        { signal: this.#options.stopped, timeoutMs: PEER_TIMEOUT_MS },
      )
      const results = response.resultsByTransaction[0]?.topicResults ?? []
      const codes = results.flatMap(({ name: topic, resultsByPartition }) =>
        resultsByPartition.map(({ partitionIndex: partition, partitionErrorCode: errorCode }) => ({
          ...{ topic, partition, errorCode },
        })),
      )
      return { codes, failure: response.errorCode }
    } catch {
      return { codes: [], failure: errorCodes.NETWORK_EXCEPTION }
    }
  }
}

function placeOf({ topic, index }: Partition): TopicPartition {
  return { topic, partition: index }
}

function missing(
  { producerId, producerEpoch }: AdmissionInput,
  partitions: readonly Partition[],
): Partition[] {
  return partitions.filter((one) => !one.hasOpenTransaction(producerId, producerEpoch))
}

/** Errors that a producer cannot know become those after which it asks again, as in Kafka. */
function forProducer(
  code: number,
  { adds, knowsAbortable }: { readonly adds: boolean; readonly knowsAbortable: boolean },
): number {
  switch (code) {
    case errorCodes.PRODUCER_FENCED:
      return errorCodes.INVALID_PRODUCER_EPOCH
    case errorCodes.TRANSACTION_ABORTABLE:
      return knowsAbortable ? code : errorCodes.INVALID_TXN_STATE
    case errorCodes.CONCURRENT_TRANSACTIONS:
      return adds ? code : errorCodes.NOT_ENOUGH_REPLICAS
    case errorCodes.NETWORK_EXCEPTION:
    case errorCodes.COORDINATOR_LOAD_IN_PROGRESS:
    case errorCodes.COORDINATOR_NOT_AVAILABLE:
    case errorCodes.NOT_COORDINATOR:
      return errorCodes.NOT_ENOUGH_REPLICAS
    default:
      return code
  }
}
