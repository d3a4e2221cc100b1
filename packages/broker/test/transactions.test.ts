// Transactions through the wire: what is committed is read, what is aborted is not, and who is
// fenced stays out; over restarts of the broker too.
import { apis, batches, errorCodes } from '@kfk/protocol'
import type { Broker } from '../src/index.js'
import { batchOf, Harness, type RawClient } from './harness.js'
import { add, end, initialised, send } from './transaction-client.js'

const harness = new Harness()
afterEach(() => harness.close())

const config = { 'transaction.state.log.num.partitions': '3', 'offsets.topic.num.partitions': '3' }

async function started(
  options: { dataDir?: string; config?: Record<string, string> } = {},
): Promise<{ broker: Broker; client: RawClient }> {
  const broker = await harness.broker({ ...options, config: { ...config, ...options.config } })
  const client = await harness.client(broker)
  const { coordinators } = await client.request(apis.findCoordinator, 4, {
    keyType: 1,
    coordinatorKeys: ['t'],
  })
  expect(coordinators[0]).toMatchObject({ errorCode: 0, port: broker.port })
  return { broker, client }
}

/** Offsets of data batches that a reader of committed records is given, and the stable end. */
async function committed(client: RawClient, topic: string) {
  const read = await client.fetch(topic, 0, { isolationLevel: 1 })
  const aborted = new Set(read.abortedTransactions!.map(({ producerId }) => producerId))
  const offsets = [...batches(read.records ?? new Uint8Array())]
    .filter(({ header }) => !header.isControl && !aborted.has(header.producerId))
    .map(({ header }) => header.baseOffset)
  return { offsets, lastStableOffset: read.lastStableOffset }
}

/** Waits for the markers: the end of a transaction is told before they are written. */
async function settled(client: RawClient, transactionalId: string): Promise<string> {
  for (;;) {
    const { transactionStates } = await client.request(apis.describeTransactions, 0, {
      transactionalIds: [transactionalId],
    })
    const { transactionState } = transactionStates[0]!
    if (!transactionState.startsWith('Prepare')) return transactionState
  }
}

test('a new client: partitions are added by writing, each transaction has its epoch', async () => {
  const { client } = await started()
  await client.topic('events')
  const producer = await initialised(client, 't')
  expect(producer.producerEpoch).toBe(0)
  expect(await send(client, producer, { topic: 'events', sequence: 0 })).toMatchObject({
    ...{ errorCode: 0, baseOffset: 0 },
  })
  expect(await committed(client, 'events')).toEqual({ offsets: [], lastStableOffset: 0 })
  const before = { ...producer }
  expect(await end(client, producer, true)).toBe(0)
  expect(producer).toEqual({ ...before, producerEpoch: 1 })
  expect(await settled(client, 't')).toBe('CompleteCommit')
  expect(await committed(client, 'events')).toEqual({ offsets: [0], lastStableOffset: 2 })
  // The answer was lost: asked again, it is the same.
  expect(await end(client, before, true)).toBe(0)
  expect(before).toEqual(producer)
  // What is late has an old epoch.
  const late = await send(
    client,
    { ...producer, producerEpoch: 0 },
    { topic: 'events', sequence: 1 },
  )
  expect(late.errorCode).toBe(errorCodes.INVALID_PRODUCER_EPOCH)
  expect((await send(client, producer, { topic: 'events', sequence: 0 })).errorCode).toBe(0)
  expect(await end(client, producer, false)).toBe(0)
  expect(await settled(client, 't')).toBe('CompleteAbort')
  const read = await client.fetch('events', 0, { isolationLevel: 1 })
  expect(read).toMatchObject({ lastStableOffset: 4 })
  expect(read.abortedTransactions).toEqual([{ producerId: producer.producerId, firstOffset: 2 }])
})

test('an old client: partitions are added first, and only then written to', async () => {
  const { client } = await started()
  await client.topic('events')
  const producer = await initialised(client, 't')
  const early = await send(client, producer, { topic: 'events', sequence: 0, version: 9 })
  expect(early.errorCode).toBe(errorCodes.INVALID_TXN_STATE)
  const abortable = await send(client, producer, { topic: 'events', sequence: 0, version: 11 })
  expect(abortable.errorCode).toBe(errorCodes.TRANSACTION_ABORTABLE)
  expect(await add(client, producer, 'events')).toBe(0)
  expect(
    (await send(client, producer, { topic: 'events', sequence: 0, version: 9 })).errorCode,
  ).toBe(0)
  expect(await end(client, producer, true, 4)).toBe(0)
  expect([0, errorCodes.CONCURRENT_TRANSACTIONS]).toContain(await end(client, producer, true, 4))
  expect(await settled(client, 't')).toBe('CompleteCommit')
  expect(await end(client, producer, false, 4)).toBe(errorCodes.INVALID_TXN_STATE)
  expect(await committed(client, 'events')).toEqual({ offsets: [0], lastStableOffset: 2 })
  expect(await add(client, producer, 'missing')).toBe(errorCodes.UNKNOWN_TOPIC_OR_PARTITION)
})

test('who begins anew fences the one before, and its open transaction is aborted', async () => {
  const { client } = await started()
  await client.topic('events')
  const zombie = await initialised(client, 't')
  await send(client, zombie, { topic: 'events', sequence: 0 })
  const heir = await initialised(client, 't')
  expect(heir).toEqual({ ...zombie, producerEpoch: 2 })
  expect(await committed(client, 'events')).toEqual({ offsets: [], lastStableOffset: 2 })
  expect((await send(client, zombie, { topic: 'events', sequence: 1 })).errorCode).toBe(
    errorCodes.INVALID_PRODUCER_EPOCH,
  )
  expect(await end(client, zombie, true)).toBe(errorCodes.PRODUCER_FENCED)
  expect(await end(client, zombie, true, 1)).toBe(errorCodes.INVALID_PRODUCER_EPOCH)
  expect((await send(client, heir, { topic: 'events', sequence: 0 })).errorCode).toBe(0)
  expect(await end(client, heir, true)).toBe(0)
})

test('transactional offsets count once their transaction is committed', async () => {
  const { client } = await started()
  await client.topic('events')
  await client.request(apis.findCoordinator, 4, { keyType: 0, coordinatorKeys: ['g'] })
  const producer = await initialised(client, 't')
  const commit = async (offset: number) => {
    const response = await client.request(apis.txnOffsetCommit, 5, {
      ...producer,
      groupId: 'g',
      topics: [
        {
          name: 'events',
          partitions: [{ partitionIndex: 0, committedOffset: offset, committedMetadata: '' }],
        },
      ],
    })
    return response.topics[0]!.partitions[0]!.errorCode
  }
  const fetched = async (requireStable: boolean) => {
    const topics = [{ name: 'events', partitionIndexes: [0] }]
    const groups = [{ groupId: 'g', topics }]
    const response = await client.request(apis.offsetFetch, 8, { groups, requireStable })
    const { errorCode, committedOffset } = response.groups[0]!.topics[0]!.partitions[0]!
    return [errorCode, committedOffset]
  }
  expect(await commit(5)).toBe(0)
  expect(await fetched(false)).toEqual([0, -1])
  expect(await fetched(true)).toEqual([errorCodes.UNSTABLE_OFFSET_COMMIT, -1])
  expect(await end(client, producer, true)).toBe(0)
  await settled(client, 't')
  expect(await fetched(true)).toEqual([0, 5])
  expect(await commit(9)).toBe(0)
  expect(await end(client, producer, false)).toBe(0)
  await settled(client, 't')
  expect(await fetched(true)).toEqual([0, 5])
})

test('a decided transaction is finished after a crash, an open one stays open', async () => {
  const dataDir = await harness.directory()
  const { client } = await started({ dataDir })
  await client.topic('events')
  await client.topic('others')
  const producer = await initialised(client, 't')
  await send(client, producer, { topic: 'events', sequence: 0 })
  const open = await initialised(client, 'open')
  await send(client, open, { topic: 'others', sequence: 0 })
  const before = await end(client, producer, true)
  expect(before).toBe(0)
  const again = await started({ dataDir: await harness.crashed(dataDir) })
  expect(await settled(again.client, 't')).toBe('CompleteCommit')
  expect((await committed(again.client, 'events')).offsets).toEqual([0])
  const [state] = (
    await again.client.request(apis.describeTransactions, 0, { transactionalIds: ['open'] })
  ).transactionStates
  expect(state).toMatchObject({
    ...{ errorCode: 0, transactionState: 'Ongoing', producerId: open.producerId },
    topics: [{ topic: 'others', partitions: [0] }],
  })
  expect((await send(again.client, open, { topic: 'others', sequence: 1 })).errorCode).toBe(0)
  expect(await end(again.client, open, true)).toBe(0)
})

test('offsets of an open transaction outlive a crash', async () => {
  const dataDir = await harness.directory()
  const { client } = await started({ dataDir })
  await client.topic('events')
  const group = { keyType: 0, coordinatorKeys: ['g'] }
  await client.request(apis.findCoordinator, 4, group)
  const producer = await initialised(client, 't')
  const partition = { partitionIndex: 0, committedOffset: 7, committedMetadata: '' }
  const topics = [{ name: 'events', partitions: [partition] }]
  await client.request(apis.txnOffsetCommit, 5, { ...producer, groupId: 'g', topics })
  const again = await started({ dataDir: await harness.crashed(dataDir) })
  const fetched = async () => {
    const groups = [{ groupId: 'g', topics: [{ name: 'events', partitionIndexes: [0] }] }]
    const asked = { groups, requireStable: true }
    for (;;) {
      const response = await again.client.request(apis.offsetFetch, 8, asked)
      if (response.groups[0]!.errorCode === 0) return response.groups[0]!.topics[0]!.partitions[0]
    }
  }
  await again.client.request(apis.findCoordinator, 4, group)
  expect(await fetched()).toMatchObject({ errorCode: errorCodes.UNSTABLE_OFFSET_COMMIT })
  expect(await end(again.client, producer, true)).toBe(0)
  await settled(again.client, 't')
  expect(await fetched()).toMatchObject({ errorCode: 0, committedOffset: 7 })
})

test('a transactional id that nobody uses is forgotten', async () => {
  const { client } = await started({
    config: {
      'transaction.remove.expired.transaction.cleanup.interval.ms': '20',
      'transactional.id.expiration.ms': '1',
    },
  })
  const request = { transactionalIds: ['t'] }
  await initialised(client, 't')
  for (;;) {
    const { transactionStates } = await client.request(apis.describeTransactions, 0, request)
    if (transactionStates[0]!.errorCode === errorCodes.TRANSACTIONAL_ID_NOT_FOUND) break
  }
  expect(await initialised(client, 't')).toMatchObject({ producerEpoch: 0 })
})

test('a transaction that takes too long is aborted', async () => {
  const { client } = await started({
    config: { 'transaction.abort.timed.out.transaction.cleanup.interval.ms': '20' },
  })
  await client.topic('events')
  const producer = await initialised(client, 't', 1)
  await send(client, producer, { topic: 'events', sequence: 0 })
  const response = await client.fetch('events', 0, { isolationLevel: 0, maxWaitMs: 0 })
  expect(response.highWatermark).toBeGreaterThan(0)
  while ((await committed(client, 'events')).lastStableOffset < 2);
  expect(await settled(client, 't')).toBe('CompleteAbort')
  expect(await end(client, producer, true)).toBe(errorCodes.INVALID_TXN_STATE)
})

test('what is asked wrongly is refused', async () => {
  const { client } = await started()
  const init = async (transactionalId: string, transactionTimeoutMs: number, producerId = -1n) => {
    const request = { transactionalId, transactionTimeoutMs, producerId }
    return (await client.request(apis.initProducerId, 5, request)).errorCode
  }
  expect(await init('', 1000)).toBe(errorCodes.INVALID_REQUEST)
  expect(await init('t', 900_001)).toBe(errorCodes.INVALID_TRANSACTION_TIMEOUT)
  expect(await init('t', 0)).toBe(errorCodes.INVALID_TRANSACTION_TIMEOUT)
  expect(await init('t', 1000, 7n)).toBe(errorCodes.INVALID_REQUEST)
  const nobody = { transactionalId: 't', producerId: 7n, producerEpoch: 0 }
  expect(await end(client, nobody, true)).toBe(errorCodes.INVALID_PRODUCER_ID_MAPPING)
  await client.topic('events')
  expect(await add(client, nobody, 'events')).toBe(errorCodes.INVALID_PRODUCER_ID_MAPPING)
  const records = batchOf(['x'], {
    ...{ producerId: 7n, producerEpoch: 0, baseSequence: 0, transactional: true },
  })
  expect((await client.produce('events', records)).errorCode).toBe(errorCodes.INVALID_TXN_STATE)
})

test('administrators see producers and transactional ids', async () => {
  const { client } = await started()
  await client.topic('events')
  const producer = await initialised(client, 't')
  await send(client, producer, { topic: 'events', sequence: 0 })
  const described = await client.request(apis.describeProducers, 0, {
    topics: [{ name: 'events', partitionIndexes: [0, 1] }],
  })
  const [found, missing] = described.topics[0]!.partitions
  expect(found).toMatchObject({
    activeProducers: [
      {
        ...{ producerId: producer.producerId, producerEpoch: 0, lastSequence: 0 },
        ...{ coordinatorEpoch: -1, currentTxnStartOffset: 0 },
      },
    ],
  })
  expect(missing).toMatchObject({ errorCode: errorCodes.UNKNOWN_TOPIC_OR_PARTITION })
  const listed = await client.request(apis.listTransactions, 1, {
    stateFilters: ['Ongoing', 'Nonsense'],
    producerIdFilters: [],
  })
  expect(listed).toMatchObject({
    unknownStateFilters: ['Nonsense'],
    transactionStates: [{ transactionalId: 't', transactionState: 'Ongoing' }],
  })
  const matching = async (transactionalIdPattern: string) =>
    client.request(apis.listTransactions, 2, {
      stateFilters: [],
      producerIdFilters: [],
      transactionalIdPattern,
    })
  expect((await matching('t|u')).transactionStates).toHaveLength(1)
  expect((await matching('tt')).transactionStates).toEqual([])
  expect((await matching('(')).errorCode).toBe(errorCodes.INVALID_REGULAR_EXPRESSION)
})
