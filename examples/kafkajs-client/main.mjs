import { createBroker } from '@kfk/broker'
import { Kafka, logLevel } from 'kafkajs'

const broker = await createBroker({ dataDir: './out/kafkajs-client', port: 0 })
const kafka = new Kafka({ brokers: broker.brokers, logLevel: logLevel.NOTHING })
const producer = kafka.producer()
await producer.connect()
await producer.send({ topic: 'events', messages: [{ key: 'k', value: 'from kafkajs' }] })
await producer.disconnect()

const consumer = kafka.consumer({ groupId: 'readers' })
await consumer.subscribe({ topic: 'events', fromBeginning: true })
await new Promise((resolve) => {
  void consumer.run({
    eachMessage: async ({ message }) => resolve(console.log(message.value.toString())),
  })
})
await consumer.disconnect()
await broker.close()
