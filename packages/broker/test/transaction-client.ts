// A transactional producer that sends exactly what a test says.
import { apis, encodeRecordBatch } from '@kfk/protocol'
import type { RawClient } from './harness.js'

export interface Identity {
  readonly transactionalId: string
  producerId: bigint
  producerEpoch: number
}

/** Begins, again and again while an older transaction is being ended. */
export async function initialised(
  client: RawClient,
  transactionalId: string,
  timeoutMs = 60_000,
): Promise<Identity> {
  for (;;) {
    const response = await client.request(apis.initProducerId, 5, {
      transactionalId,
      transactionTimeoutMs: timeoutMs,
    })
    if (response.errorCode === 51) continue
    if (response.errorCode !== 0) throw new Error(`InitProducerId: ${response.errorCode}`)
    const { producerId, producerEpoch } = response
    return { transactionalId, producerId, producerEpoch }
  }
}

/** One transactional record to partition 0; answers the error code. */
export async function send(
  client: RawClient,
  of: Identity,
  to: { topic: string; sequence: number; version?: number },
): Promise<{ errorCode: number; baseOffset: number }> {
  const { transactionalId, producerId, producerEpoch } = of
  const records = encodeRecordBatch(
    [{ key: null, value: `${to.topic} ${to.sequence}`, timestamp: Date.now() }],
    { producerId, producerEpoch, baseSequence: to.sequence, transactional: true },
  )
  const response = await client.request(apis.produce, to.version ?? 12, {
    transactionalId,
    acks: -1,
    timeoutMs: 30_000,
    topicData: [{ name: to.topic, partitionData: [{ index: 0, records }] }],
  })
  return response.responses[0]!.partitionResponses[0]!
}

/** EndTxn; takes over the next epoch when the version has one. */
export async function end(
  client: RawClient,
  of: Identity,
  committed: boolean,
  version = 5,
): Promise<number> {
  const { transactionalId, producerId, producerEpoch } = of
  const response = await client.request(apis.endTxn, version, {
    ...{ transactionalId, producerId, producerEpoch, committed },
  })
  if (version >= 5 && response.errorCode === 0) {
    of.producerId = response.producerId
    of.producerEpoch = response.producerEpoch
  }
  return response.errorCode
}

/** AddPartitionsToTxn of partition 0, as old clients do it. */
export async function add(client: RawClient, of: Identity, topic: string): Promise<number> {
  const response = await client.request(apis.addPartitionsToTxn, 3, {
    v3AndBelowTransactionalId: of.transactionalId,
    v3AndBelowProducerId: of.producerId,
    v3AndBelowProducerEpoch: of.producerEpoch,
    v3AndBelowTopics: [{ name: topic, partitions: [0] }],
  })
  return response.resultsByTopicV3AndBelow[0]!.resultsByPartition[0]!.partitionErrorCode
}
