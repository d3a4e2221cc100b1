import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import { createBroker, type Broker } from '../src/index.js'

let dataDir: string
let broker: Broker | undefined

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'kfk-broker-'))
})
afterEach(async () => {
  await broker?.close()
  broker = undefined
  await rm(dataDir, { recursive: true, force: true })
})

test('kafkajs produces, and a group consumes what it produced', async () => {
  broker = await createBroker({ dataDir, port: 0, logger: console })
  const kafka = new Kafka({
    clientId: 'test',
    brokers: [...broker.brokers],
    logLevel: logLevel.WARN,
  })
  const producer = kafka.producer()
  await producer.connect()
  await producer.send({
    topic: 'events',
    messages: Array.from({ length: 100 }, (_, index) => ({ key: `k${index}`, value: `v${index}` })),
  })
  const consumer = kafka.consumer({ groupId: 'readers' })
  await consumer.connect()
  await consumer.subscribe({ topic: 'events', fromBeginning: true })
  const seen: string[] = []
  await new Promise<void>((resolve, reject) => {
    consumer
      .run({
        eachMessage: async ({ message }) => {
          seen.push(String(message.value))
          if (seen.length === 100) resolve()
        },
      })
      .catch(reject)
  })
  await consumer.disconnect()
  await producer.disconnect()
  expect(seen).toEqual(Array.from({ length: 100 }, (_, index) => `v${index}`))
})
