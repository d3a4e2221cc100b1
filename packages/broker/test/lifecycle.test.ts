import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createClient } from '@kfk/client'
import { apis, decodeRecords } from '@kfk/protocol'
import { BrokerError, createBroker, type Broker } from '../src/index.js'
import { batchOf, Harness } from './harness.js'

const harness = new Harness()
afterEach(() => harness.close())

async function failure(start: Promise<Broker>): Promise<BrokerError> {
  const error: unknown = await start.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(BrokerError)
  return error as BrokerError
}

test('records survive a clean stop and a crash', async () => {
  const dataDir = await harness.directory()
  const first = await harness.broker({ dataDir })
  const client = await harness.client(first)
  await client.topic('events')
  await client.produce('events', batchOf(['a']))
  await first.close()
  const second = await harness.broker({ dataDir })
  expect(second.clusterId).toBe(first.clusterId)
  const again = await harness.client(second)
  expect(await again.produce('events', batchOf(['b']))).toMatchObject({ baseOffset: 1 })
  const third = await harness.broker({ dataDir: await harness.crashed(dataDir) })
  const last = await harness.client(third)
  const { records } = await last.fetch('events', 0)
  expect(decodeRecords(records!).map(({ value }) => String(Buffer.from(value!)))).toEqual(['a'])
  expect(await last.fetch('events', 1)).toMatchObject({ errorCode: 0, highWatermark: 2 })
})

test('a topic that was deleted and created again is another one', async () => {
  const dataDir = await harness.directory()
  const broker = await harness.broker({ dataDir })
  const client = await harness.client(broker)
  const oldId = await client.topic('events')
  await client.produce('events', batchOf(['a']))
  await client.request(apis.deleteTopics, 5, { topicNames: ['events'], timeoutMs: 5000 })
  const newId = await client.topic('events')
  expect(newId).not.toBe(oldId)
  expect(await client.produce('events', batchOf(['b']))).toMatchObject({ baseOffset: 0 })
  await broker.close()
  const file = await readFile(join(dataDir, 'events-0', 'partition.metadata'), 'utf8')
  expect(file).toBe(`version: 0\ntopic_id: ${newId}`)
})

test('a port in use is named, and nothing stays locked', async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const dataDir = await harness.directory()
  const error = await failure(createBroker({ dataDir, port }))
  expect(error).toMatchObject({ code: 'KFK_BROKER_PORT_IN_USE', details: { port } })
  expect(error.message).toContain(String(port))
  expect(error.message).toContain('port: 0')
  await new Promise((resolve) => server.close(resolve))
  await harness.broker({ dataDir, port })
})

test('a data directory belongs to one running broker', async () => {
  const dataDir = await harness.directory()
  await harness.broker({ dataDir })
  const error = await failure(createBroker({ dataDir, port: 0 }))
  expect(error.code).toBe('KFK_BROKER_DATA_DIR')
  expect(error.message).toContain(dataDir)
})

test('a data directory belongs to one node and one cluster', async () => {
  const dataDir = await harness.directory()
  const broker = await harness.broker({ dataDir, nodeId: 3 })
  await broker.close()
  const otherNode = await failure(createBroker({ dataDir, port: 0, nodeId: 4 }))
  expect(otherNode.code).toBe('KFK_BROKER_DATA_DIR')
  expect(otherNode.message).toContain('belongs to node 3')
  const path = join(dataDir, 'meta.properties')
  const properties = await readFile(path, 'utf8')
  await writeFile(path, properties.replace(broker.clusterId, 'another-cluster-000000'))
  const otherCluster = await failure(createBroker({ dataDir, port: 0, nodeId: 3 }))
  expect(otherCluster.code).toBe('KFK_BROKER_DATA_DIR')
  await writeFile(path, properties)
  await harness.broker({ dataDir, nodeId: 3 })
})

test('beyond loopback a listener has to be allowed', async () => {
  const dataDir = await harness.directory()
  const error = await failure(createBroker({ dataDir, host: '0.0.0.0', port: 0 }))
  expect(error).toMatchObject({ code: 'KFK_BROKER_INSECURE' })
})

test('every start has a higher epoch; a promise that cannot be read is not guessed', async () => {
  const dataDir = await harness.directory()
  const path = join(dataDir, 'kfk.promised-epoch')
  for (const counter of [1, 2, 3]) {
    await (await harness.broker({ dataDir })).close()
    expect(await readFile(path, 'utf8')).toBe(`version=0\ncounter=${counter}\n`)
  }
  await writeFile(path, 'nonsense')
  const error = await failure(createBroker({ dataDir, port: 0 }))
  expect(error).toMatchObject({ code: 'KFK_BROKER_DATA_DIR' })
})

test('a broker without a listener serves clients of its process', async () => {
  const broker = await harness.broker({ listen: false })
  const client = createClient({ broker })
  try {
    const { topics } = await client.request(
      apis.metadata,
      { topics: [{ name: 'events' }], includeTopicAuthorizedOperations: false },
      'any',
    )
    const { topicId } = topics[0]!
    const produced = await client.request(
      apis.produce,
      {
        acks: -1,
        timeoutMs: 1000,
        topicData: [
          {
            name: 'events',
            topicId,
            partitionData: [{ index: 0, records: batchOf(['x'.repeat(500_000)]) }],
          },
        ],
      },
      { nodeId: 1 },
    )
    expect(produced.responses[0]!.partitionResponses[0]).toMatchObject({ errorCode: 0 })
    const fetched = await client.request(
      apis.fetch,
      {
        maxWaitMs: 0,
        minBytes: 1,
        topics: [
          {
            topic: 'events',
            topicId,
            partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 }],
          },
        ],
        forgottenTopicsData: [],
      },
      { nodeId: 1 },
    )
    const { records } = fetched.responses[0]!.partitions[0]!
    expect(decodeRecords(records!)[0]!.value!.length).toBe(500_000)
  } finally {
    await client.close()
  }
})

test('closing answers the requests that wait', async () => {
  const broker = await harness.broker()
  const client = await harness.client(broker)
  await client.topic('events')
  await client.produce('events', batchOf(['a']))
  const waiting = client.fetch('events', 1, { maxWaitMs: 60_000 })
  // The fetch is in purgatory once a later request of another connection is answered.
  await (await harness.client(broker)).topic('events')
  await broker.close()
  expect(await waiting).toMatchObject({ errorCode: 0, highWatermark: 1 })
  await client.untilClosed()
})
