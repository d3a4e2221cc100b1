import { faultyFileSystem } from '@kfk/log-store'
import { errorCodes } from '@kfk/protocol'
import { createBroker } from '../src/index.js'
import { batchOf, Harness } from './harness.js'

const harness = new Harness()
afterEach(() => harness.close())

const producer = { producerId: 4000n, producerEpoch: 0 }
const numbered = (baseSequence: number): Uint8Array =>
  batchOf([`v${baseSequence}`], { ...producer, baseSequence })

async function setUp() {
  const fileSystem = faultyFileSystem()
  const broker = await createBroker({ fileSystem, dataDir: '/data', port: 0 })
  const client = await harness.client(broker)
  await client.topic('events')
  expect(await client.produce('events', numbered(0))).toMatchObject({ errorCode: 0 })
  return { fileSystem, broker, client }
}

test('a full disk is an error to retry, and nothing is doubled or lost by it', async () => {
  const { fileSystem, broker, client } = await setUp()
  fileSystem.inject({ at: 1, times: 2, error: 'ENOSPC', operation: 'write', path: 'events-0' })
  expect(await client.produce('events', numbered(1))).toMatchObject({
    errorCode: errorCodes.KAFKA_STORAGE_ERROR,
  })
  fileSystem.clearFaults()
  expect(await client.produce('events', numbered(1))).toMatchObject({ errorCode: 0, baseOffset: 1 })
  expect(await client.produce('events', numbered(1))).toMatchObject({ errorCode: 0, baseOffset: 1 })
  expect(await client.produce('events', numbered(2))).toMatchObject({ errorCode: 0, baseOffset: 2 })
  expect(await client.fetch('events', 0)).toMatchObject({ errorCode: 0, highWatermark: 3 })
  await broker.close()
})

test('after a failed sync nothing is acknowledged any more, and reads go on', async () => {
  const { fileSystem, broker, client } = await setUp()
  fileSystem.inject({ at: 1, error: 'EIO', operation: 'sync', path: 'events-0' })
  for (let attempt = 0; attempt < 3; attempt++) {
    expect(await client.produce('events', numbered(1))).toMatchObject({
      errorCode: errorCodes.KAFKA_STORAGE_ERROR,
    })
  }
  const fetched = await client.fetch('events', 0)
  expect(fetched).toMatchObject({ errorCode: 0, highWatermark: 1 })
  expect(fetched.records!.length).toBeGreaterThan(0)
  await broker.close()
})

test('what was acknowledged survives a power loss, and a retry is not doubled', async () => {
  const { fileSystem, broker, client } = await setUp()
  for (let sequence = 1; sequence < 5; sequence++) {
    await client.produce('events', numbered(sequence))
  }
  fileSystem.crashAt(1)
  client.close()
  await expect(broker.close()).rejects.toThrow()
  fileSystem.crash('lose-unsynced')
  const again = await harness.client(await harness.broker({ fileSystem, dataDir: '/data' }))
  expect(await again.fetch('events', 0)).toMatchObject({ errorCode: 0, highWatermark: 5 })
  expect(await again.produce('events', numbered(4))).toMatchObject({ errorCode: 0, baseOffset: 4 })
  expect(await again.produce('events', numbered(5))).toMatchObject({ errorCode: 0, baseOffset: 5 })
})
