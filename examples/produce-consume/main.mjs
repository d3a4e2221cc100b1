import { createBroker } from '@kfk/broker'
import { defineTopic, json, string } from '@kfk/client'
import { createConsumer } from '@kfk/consumer'
import { createProducer } from '@kfk/producer'

const broker = await createBroker({ dataDir: './out/produce-consume', port: 0 })
const { brokers } = broker
// shown: begin
const pageViews = defineTopic('page-views', { key: string(), value: json() })

const producer = createProducer({ brokers, compression: 'lz4' })
await producer.send(pageViews, { key: 'visitor-1', value: { path: '/' } })

const consumer = createConsumer({ brokers, group: 'etl', topics: [pageViews], from: 'earliest' })
for await (const { partition, offset, key, value } of consumer) {
  console.log(partition, offset, key, value.path)
  break // a record is processed, and will be committed, when the loop asks for the next one
}
await consumer.close()
await producer.close()
// shown: end
await broker.close()
