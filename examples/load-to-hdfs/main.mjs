import { createBroker } from '@kfk/broker'
import { createClient } from '@kfk/client'
import { runLoad, targetFrom, verifyLoad } from '@kfk/hadoop-loader'
import { createProducer } from '@kfk/producer'

const broker = await createBroker({ dataDir: './out/load-to-hdfs-log', port: 0 })
const { brokers } = broker
const producer = createProducer({ brokers })
const view = { path: '/', time: '2026-05-17T10:05:03Z' }
await producer.send('page-views', { value: JSON.stringify(view) })
// shown: begin
const client = createClient({ brokers })
const target = targetFrom(process.argv[2] ?? './out/load-to-hdfs') // or http://namenode:9870/path
const load = { client, target, topics: ['page-views'], timeField: 'time' }

const { records, files } = await runLoad(load) // killed at any point, the next one goes on
console.log(`${records} records in ${files} files`)

const { problems } = await verifyLoad(load) // no gap, nothing twice, every file as committed
console.log(problems)
await client.close()
// shown: end
await producer.close()
await broker.close()
