import { createBroker } from '@kfk/broker'
import { createAdmin } from '@kfk/client'
import { memoryCoordination } from '@kfk/coordination'
import { redisCoordination } from '@kfk/coordination-redis'

const url = process.env.REDIS_URL
const data = `./out/swap-coordination-${process.pid}`
// shown: begin
const memory = memoryCoordination() // or, for brokers on three machines, Redis:
const connect = () => (url ? redisCoordination({ url, clusterName: data }) : memory.connect())
const start = async (nodeId) => {
  const coordination = await connect()
  return createBroker({ nodeId, dataDir: `${data}/${nodeId}`, port: 0, coordination })
}
const brokers = [await start(1), await start(2), await start(3)]

const admin = createAdmin({ brokers: brokers[2].brokers })
await admin.createTopics([{ name: 'page-views', partitions: 6 }])
const [topic] = await admin.describeTopics(['page-views'])
console.log(topic.partitions.map(({ leaderId }) => leaderId).sort()) // spread over all three
// shown: end
await admin.close()
for (const broker of brokers.reverse()) await broker.close()
