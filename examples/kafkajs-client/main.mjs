import { createBroker } from '@kfk/broker'
import { Kafka, logLevel } from 'kafkajs'

const broker = await createBroker({ dataDir: './out/kafkajs-client', port: 0 })
const { brokers } = broker
// shown: begin
const kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING })
const producer = kafka.producer()
await producer.connect()
await producer.send({ topic: 'events', messages: [{ key: 'k', value: 'from kafkajs' }] })

const consumer = kafka.consumer({ groupId: 'readers' })
await consumer.subscribe({ topic: 'events', fromBeginning: true })
const first = await new Promise((resolve, reject) => {
  consumer.run({ eachMessage: async ({ message }) => resolve(message) }).catch(reject)
})
console.log(first.value.toString())
// shown: end
await producer.disconnect()
await consumer.disconnect()
await broker.close()
