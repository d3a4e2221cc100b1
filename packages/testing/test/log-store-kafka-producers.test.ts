/*
 * A producer that numbers its batches goes on, whoever has the directory: Kafka, the store, Kafka
 * again, and the store after a kill of Kafka. Each refuses what the other has seen.
 */
import path from 'node:path'
import { createClient, type Client } from '@kfk/client'
import { type Log, ProducerTracker, type StoreReport } from '@kfk/log-store'
import { apis, encodeRecordBatch, errorCodes, writeControlRecord } from '@kfk/protocol'
import { eventually, type JavaKafka, peers, startJavaKafka, withPeer } from '../src/index'
import { expectGoodStart, kafkaConfig } from './support/kafka-peer'
import { filesOf, openStore } from './support/kafka-store'

interface Sent {
  readonly producerId: bigint
  readonly sequence: number
  readonly transactional?: boolean
}

function batchOf({ producerId, sequence, transactional = false }: Sent): Uint8Array {
  const records = [{ key: null, value: `${producerId} ${sequence}`, timestamp: Date.now() }]
  return encodeRecordBatch(records, {
    ...{ producerId, producerEpoch: 0, baseSequence: sequence, transactional },
  })
}

function producersOf(log: Log): ProducerTracker {
  if (log.tracker instanceof ProducerTracker) return log.tracker
  throw new Error('not tracked')
}

withPeer(peers.kafka(), 'producers of a partition that changes hands', () => {
  let kafka: JavaKafka
  let client: Client
  const dir = () => path.join(kafka.logDir, 'numbered-0')

  async function produce(sent: Sent): Promise<{ errorCode: number; baseOffset: number }> {
    const body = {
      ...{ acks: -1, timeoutMs: 30_000 },
      topicData: [{ name: 'numbered', partitionData: [{ index: 0, records: batchOf(sent) }] }],
    }
    // Versions from 13 on name topics by id.
    const response = await client.request(apis.produce, body, { nodeId: 1 }, { maxVersion: 12 })
    return response.responses[0]!.partitionResponses[0]!
  }

  /** The partition may not have its leader yet. */
  function produceSoon(sent: Sent, baseOffset: number): Promise<true> {
    return eventually(`${sent.producerId} is taken`, async () => {
      const answer = await produce(sent)
      return answer.errorCode === 0 && answer.baseOffset === baseOffset ? true : undefined
    })
  }

  async function fetchCommitted() {
    const topic = {
      topic: 'numbered',
      partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000 }],
    }
    const body = {
      ...{ maxWaitMs: 0, minBytes: 0, maxBytes: 1_000_000, isolationLevel: 1 },
      ...{ topics: [topic], forgottenTopicsData: [] },
    }
    const response = await client.request(apis.fetch, body, { nodeId: 1 }, { maxVersion: 12 })
    return response.responses[0]!.partitions[0]!
  }

  async function connect(): Promise<void> {
    await client?.close()
    client = createClient({ brokers: kafka.bootstrap })
    await client.request(apis.metadata, { topics: [{ name: 'numbered' }] }, 'any')
  }

  beforeAll(async () => {
    kafka = await startJavaKafka({ ...kafkaConfig, 'num.partitions': '1' })
    await connect()
  })
  afterAll(async () => {
    await client?.close()
    await kafka?.stop()
  })

  test('the store goes on where Kafka stopped', async () => {
    await produceSoon({ producerId: 5n, sequence: 0 }, 0)
    for (const sequence of [1, 2]) await produce({ producerId: 5n, sequence })
    await kafka.halt('SIGTERM')
    const reports: StoreReport[] = []
    const directory = await openStore(kafka.logDir, reports)
    const log = await directory.open('numbered-0')
    expect(producersOf(log).get(5n)).toMatchObject({
      ...{ epoch: 0, coordinatorEpoch: -1, transactionFirstOffset: -1 },
      batches: [{ firstSequence: 2, lastSequence: 2, lastOffset: 2, offsetDelta: 0 }],
    })
    expect(reports).toEqual([])
    const append = (batch: Uint8Array) => log.append(batch, { leaderEpoch: log.latestEpoch! })
    for (const sequence of [3, 4, 5, 6]) append(batchOf({ producerId: 5n, sequence }))
    append(batchOf({ producerId: 7n, sequence: 0, transactional: true })) // 7
    append(batchOf({ producerId: 8n, sequence: 0, transactional: true })) // 8
    append(
      writeControlRecord(
        { type: 'abort', coordinatorEpoch: 2 },
        { producerId: 7n, producerEpoch: 0, timestamp: Date.now() },
      ),
    )
    append(batchOf({ producerId: 6n, sequence: 40 })) // 10
    await directory.close()
    expect(Object.keys(filesOf(dir(), /\.(snapshot|txnindex)$/))).toEqual([
      '00000000000000000000.txnindex',
      '00000000000000000011.snapshot',
    ])
  })

  test('Kafka goes on where the store stopped', async () => {
    await kafka.start()
    expectGoodStart(kafka)
    await connect()
    // The last batch is known, as before; a gap is not taken.
    await produceSoon({ producerId: 5n, sequence: 6 }, 6)
    expect(await produce({ producerId: 5n, sequence: 8 })).toMatchObject({
      errorCode: errorCodes.OUT_OF_ORDER_SEQUENCE_NUMBER,
    })
    expect(await produce({ producerId: 6n, sequence: 42 })).toMatchObject({
      errorCode: errorCodes.OUT_OF_ORDER_SEQUENCE_NUMBER,
    })
    expect(await produce({ producerId: 5n, sequence: 7 })).toMatchObject({
      ...{ errorCode: 0, baseOffset: 11 },
    })
    expect(await fetchCommitted()).toMatchObject({
      ...{ highWatermark: 12, lastStableOffset: 8 },
      abortedTransactions: [{ producerId: 7n, firstOffset: 7 }],
    })
  })

  test('after a kill of Kafka the store knows what both have taken', async () => {
    await kafka.halt('SIGKILL')
    const directory = await openStore(kafka.logDir)
    expect(directory.cleanStart).toBe(false)
    const log = await directory.open('numbered-0')
    const producers = producersOf(log)
    expect([...producers.entries()].map(({ producerId }) => producerId).sort()).toEqual([
      ...[5n, 6n, 7n, 8n],
    ])
    expect(producers.get(5n)!.batches.at(-1)).toMatchObject({ lastSequence: 7, lastOffset: 11 })
    expect(producers.get(6n)!.batches.at(-1)).toMatchObject({ lastSequence: 40, lastOffset: 10 })
    expect(producers.get(7n)).toMatchObject({ coordinatorEpoch: 2, transactionFirstOffset: -1 })
    expect(log.lastStableOffset()).toBe(8)
    expect(await log.abortedTransactions(0, 12)).toEqual([
      { producerId: 7n, firstOffset: 7, lastOffset: 9, lastStableOffset: 8 },
    ])
    await directory.close()
  })
})
