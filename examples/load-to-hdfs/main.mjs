import { createBroker } from '@kfk/broker'
import { createClient } from '@kfk/client'
import { runLoad, targetFrom, verifyLoad } from '@kfk/hadoop-loader'
import { createProducer } from '@kfk/producer'

const out = process.argv[2] ?? './out/load-to-hdfs' // or http://namenode:9870/activity
const broker = await createBroker({ dataDir: './out/load-to-hdfs-log', port: 0 })
const producer = createProducer({ brokers: broker.brokers })
await producer.send('page-views', {
  value: JSON.stringify({ path: '/', time: '2026-05-17T10:05:03Z' }),
})

const client = createClient({ brokers: broker.brokers })
const load = { client, target: targetFrom(out), topics: ['page-views'], timeField: 'time' }
const { records, files, seconds } = await runLoad(load) // killed at any point, the next one goes on
console.log(
  `${records} records in ${files} files in ${seconds} s`,
  (await verifyLoad(load)).problems,
)
await Promise.all([producer.close(), client.close()])
await broker.close()
