import { createBroker } from '@kfk/broker'
import { defineTopic, json, string } from '@kfk/client'
import { createConsumer } from '@kfk/consumer'
import { createProducer } from '@kfk/producer'

const broker = await createBroker({ dataDir: './out/produce-consume', port: 0 })
const pageViews = defineTopic('page-views', { key: string(), value: json() })

const producer = createProducer({ brokers: broker.brokers, compression: 'lz4' })
await producer.send(pageViews, { key: 'visitor-1', value: { path: '/' } })

const consumer = createConsumer({
  brokers: broker.brokers,
  group: 'etl',
  topics: [pageViews],
  from: 'earliest',
})
for await (const { partition, offset, key, value } of consumer) {
  console.log(partition, offset, key, value.path)
  break // what was processed is committed when the consumer closes
}
await consumer.close()
await producer.close()
await broker.close()
