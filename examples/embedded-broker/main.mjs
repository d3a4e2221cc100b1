import { createBroker } from '@kfk/broker'
import { createAdmin } from '@kfk/client'

const broker = await createBroker({ dataDir: './out/embedded-broker', port: 0 })
console.log(`any Kafka client connects to ${broker.brokers[0]}`)

const admin = createAdmin({ broker }) // no socket: same process
await admin.createTopics([{ name: 'page-views', partitions: 8 }], { ifNotExists: true })
console.log(await admin.listTopics())
await admin.close()
await broker.close()
