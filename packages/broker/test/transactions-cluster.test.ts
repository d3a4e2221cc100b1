// Transactions over several brokers: who leads a partition asks the coordinator elsewhere, and the
// coordinator has the markers written wherever the partitions are.
import { memoryCoordination } from '@kfk/coordination'
import { apis, batches, encodeRecordBatch } from '@kfk/protocol'
import type { Broker } from '../src/index.js'
import { Harness, type RawClient } from './harness.js'
import { add, end, type Identity, initialised } from './transaction-client.js'

const harness = new Harness()
afterEach(() => harness.close())

const config = { 'transaction.state.log.num.partitions': '4', 'offsets.topic.num.partitions': '4' }

interface Cluster {
  /** Starts a broker, again if need be. */
  start(nodeId: number): Promise<Broker>
  readonly clients: Map<number, RawClient>
}

async function cluster(): Promise<Cluster> {
  const coordination = memoryCoordination()
  const directories = new Map([
    [1, await harness.directory()],
    [2, await harness.directory()],
  ])
  const clients = new Map<number, RawClient>()
  const start = async (nodeId: number) => {
    const dataDir = directories.get(nodeId)!
    const options = { nodeId, dataDir, config, coordination: coordination.connect() }
    const broker = await harness.broker(options)
    clients.set(nodeId, await harness.client(broker))
    return broker
  }
  return { start, clients }
}

/** The partition of a topic of two that each broker leads. */
async function topicOfTwo(client: RawClient, name: string): Promise<Map<number, number>> {
  await client.request(apis.createTopics, 5, {
    topics: [{ name, numPartitions: 2, replicationFactor: 1, assignments: [], configs: [] }],
    timeoutMs: 5000,
  })
  const { topics } = await client.request(apis.metadata, 9, {
    topics: [{ name }],
    includeTopicAuthorizedOperations: false,
  })
  return new Map(topics[0]!.partitions.map((one) => [one.leaderId, one.partitionIndex]))
}

async function coordinatorOf(client: RawClient, transactionalId: string): Promise<number> {
  for (;;) {
    const { coordinators } = await client.request(apis.findCoordinator, 4, {
      keyType: 1,
      coordinatorKeys: [transactionalId],
    })
    if (coordinators[0]!.errorCode === 0) return coordinators[0]!.nodeId
  }
}

/** A transactional id that the broker coordinates. */
async function idAt(client: RawClient, nodeId: number): Promise<string> {
  for (let number = 0; ; number++) {
    if ((await coordinatorOf(client, `t${number}`)) === nodeId) return `t${number}`
  }
}

async function write(
  client: RawClient,
  of: Identity,
  to: { index: number; sequence: number; version: number },
): Promise<number> {
  const { transactionalId, producerId, producerEpoch } = of
  const records = encodeRecordBatch([{ key: null, value: 'x', timestamp: Date.now() }], {
    ...{ producerId, producerEpoch, baseSequence: to.sequence, transactional: true },
  })
  const response = await client.request(apis.produce, to.version, {
    ...{ transactionalId, acks: -1, timeoutMs: 30_000 },
    topicData: [{ name: 'events', partitionData: [{ index: to.index, records }] }],
  })
  return response.responses[0]!.partitionResponses[0]!.errorCode
}

/** Reads what is committed, once all that is written is decided. */
async function decided(client: RawClient, partition: number) {
  for (;;) {
    const response = await client.request(apis.fetch, 11, {
      ...{ maxWaitMs: 0, minBytes: 0, maxBytes: 1_000_000, isolationLevel: 1 },
      topics: [
        { topic: 'events', partitions: [{ partition, fetchOffset: 0, partitionMaxBytes: 1e6 }] },
      ],
      forgottenTopicsData: [],
    })
    const { highWatermark, lastStableOffset, records, abortedTransactions } =
      response.responses[0]!.partitions[0]!
    if (lastStableOffset < highWatermark) continue
    const control = [...batches(records ?? new Uint8Array())].map(({ header }) => header.isControl)
    return { control, aborted: abortedTransactions!.length }
  }
}

test('a transaction over partitions of two brokers is committed in both, or in none', async () => {
  const { start, clients } = await cluster()
  await start(1)
  await start(2)
  const [first, second] = [clients.get(1)!, clients.get(2)!]
  const led = await topicOfTwo(first, 'events')
  for (const nodeId of [1, 2]) {
    const transactionalId = await idAt(first, nodeId)
    const own = clients.get(nodeId)!
    const producer = await initialised(own, transactionalId)
    for (const committed of [true, false]) {
      const at = { sequence: 0, version: 12 }
      expect(await write(first, producer, { ...at, index: led.get(1)! })).toBe(0)
      expect(await write(second, producer, { ...at, index: led.get(2)! })).toBe(0)
      expect(await end(own, producer, committed)).toBe(0)
      const read = [await decided(first, led.get(1)!), await decided(second, led.get(2)!)]
      const aborted = nodeId - 1 + (committed ? 0 : 1)
      expect(read.map((one) => one.aborted)).toEqual([aborted, aborted])
      expect(read[0]!.control.at(-1)).toBe(true)
    }
  }
})

test('markers for a broker that is away wait until it is back', async () => {
  const { start, clients } = await cluster()
  await start(1)
  const away = await start(2)
  const first = clients.get(1)!
  const led = await topicOfTwo(first, 'events')
  const producer = await initialised(first, await idAt(first, 1))
  const index = led.get(2)!
  const records = { index, sequence: 0, version: 9 }
  // What the coordinator does not know of is refused, by a broker that asks it.
  expect(await write(clients.get(2)!, producer, records)).not.toBe(0)
  expect(await add(first, producer, 'events')).toBe(0)
  const asked = await first.request(apis.addPartitionsToTxn, 3, {
    v3AndBelowTransactionalId: producer.transactionalId,
    v3AndBelowProducerId: producer.producerId,
    v3AndBelowProducerEpoch: producer.producerEpoch,
    v3AndBelowTopics: [{ name: 'events', partitions: [index] }],
  })
  expect(asked.resultsByTopicV3AndBelow[0]!.resultsByPartition[0]!.partitionErrorCode).toBe(0)
  expect(await write(clients.get(2)!, producer, records)).toBe(0)
  await away.close()
  expect(await end(first, producer, false, 3)).toBe(0)
  const { transactionStates } = await first.request(apis.describeTransactions, 0, {
    transactionalIds: [producer.transactionalId],
  })
  expect(transactionStates[0]).toMatchObject({ transactionState: 'PrepareAbort' })
  await start(2)
  expect(await decided(clients.get(2)!, index)).toEqual({ control: [false, true], aborted: 1 })
})
