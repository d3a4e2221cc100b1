import { memoryCoordination } from '@kfk/coordination'
import { apis, errorCodes } from '@kfk/protocol'
import { Kafka, logLevel } from 'kafkajs'
import type { Broker } from '../src/index.js'
import { batchOf, Harness } from './harness.js'

const harness = new Harness()
afterEach(() => harness.close())

async function cluster(count: number): Promise<Broker[]> {
  const coordination = memoryCoordination()
  const brokers: Broker[] = []
  for (let nodeId = 1; nodeId <= count; nodeId++) {
    brokers.push(await harness.broker({ nodeId, coordination: coordination.connect() }))
  }
  return brokers
}

test('three brokers share the partitions, and a group reads them all', async () => {
  const brokers = await cluster(3)
  expect(new Set(brokers.map(({ clusterId }) => clusterId)).size).toBe(1)
  const kafka = new Kafka({ brokers: [...brokers[2]!.brokers], logLevel: logLevel.NOTHING })
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic: 'events', numPartitions: 6 }] })
  const { topics } = await admin.fetchTopicMetadata({ topics: ['events'] })
  const leaders = topics[0]!.partitions.map(({ leader }) => leader)
  expect([...leaders].sort()).toEqual([1, 1, 2, 2, 3, 3])
  await admin.disconnect()

  const producer = kafka.producer()
  await producer.connect()
  const values = Array.from({ length: 60 }, (_, index) => `v${index}`)
  await producer.send({
    topic: 'events',
    messages: values.map((value, index) => ({ value, partition: index % 6 })),
  })
  await producer.disconnect()
  const consumer = kafka.consumer({ groupId: 'readers', maxWaitTimeInMs: 100 })
  await consumer.connect()
  await consumer.subscribe({ topic: 'events', fromBeginning: true })
  const seen: string[] = []
  await new Promise<void>((resolve) => {
    void consumer.run({
      eachMessage: ({ message }) => {
        seen.push(String(message.value))
        if (seen.length === values.length) resolve()
        return Promise.resolve()
      },
    })
  })
  await consumer.disconnect()
  expect(seen.sort()).toEqual([...values].sort())
})

test('a broker that does not lead a partition says who does', async () => {
  const [first, second] = await cluster(2)
  const client = await harness.client(first!)
  const other = await harness.client(second!)
  await client.request(apis.createTopics, 5, {
    topics: [
      { name: 'events', numPartitions: 2, replicationFactor: 1, assignments: [], configs: [] },
    ],
    timeoutMs: 5000,
  })
  const { topics } = await other.request(apis.metadata, 9, {
    topics: [{ name: 'events' }],
    includeTopicAuthorizedOperations: false,
  })
  const elsewhere = topics[0]!.partitions.find(({ leaderId }) => leaderId === 1)!.partitionIndex
  const response = await other.request(apis.produce, 10, {
    acks: 1,
    timeoutMs: 1000,
    topicData: [{ name: 'events', partitionData: [{ index: elsewhere, records: batchOf(['a']) }] }],
  })
  expect(response.responses[0]!.partitionResponses[0]).toMatchObject({
    errorCode: errorCodes.NOT_LEADER_OR_FOLLOWER,
    currentLeader: { leaderId: 1 },
  })
  expect(response.nodeEndpoints).toEqual([
    { nodeId: 1, host: first!.host, port: first!.port, rack: null },
  ])
})

test('partitions of a broker that has gone have no leader, until it is back', async () => {
  const coordination = memoryCoordination()
  const first = await harness.broker({ nodeId: 1, coordination: coordination.connect() })
  const dataDir = await harness.directory()
  const options = { nodeId: 2, dataDir }
  const second = await harness.broker({ ...options, coordination: coordination.connect() })
  const client = await harness.client(first)
  await client.request(apis.createTopics, 5, {
    topics: [
      { name: 'events', numPartitions: 2, replicationFactor: 1, assignments: [], configs: [] },
    ],
    timeoutMs: 5000,
  })
  const leaders = async (): Promise<number[]> => {
    const { topics } = await client.request(apis.metadata, 9, {
      topics: [{ name: 'events' }],
      includeTopicAuthorizedOperations: false,
    })
    return topics[0]!.partitions.map(({ leaderId }) => leaderId).sort()
  }
  expect(await leaders()).toEqual([1, 2])
  await second.close()
  while ((await leaders()).includes(2));
  expect(await leaders()).toEqual([-1, 1])
  await harness.broker({ ...options, coordination: coordination.connect() })
  while ((await leaders()).includes(-1));
  expect(await leaders()).toEqual([1, 2])
})
