import { createBroker } from '@kfk/broker'
import { createAdmin } from '@kfk/client'
import { memoryCoordination } from '@kfk/coordination'
import { redisCoordination } from '@kfk/coordination-redis'

const url = process.env.REDIS_URL // with it three brokers on three machines would do the same
const memory = memoryCoordination()
const connect = () =>
  url ? redisCoordination({ url, clusterName: `example-${process.pid}` }) : memory.connect()
const start = async (nodeId) =>
  createBroker({
    nodeId,
    dataDir: `./out/swap-coordination-${process.pid}/${nodeId}`,
    port: 0,
    coordination: await connect(),
  })

const brokers = [await start(1), await start(2), await start(3)]
const admin = createAdmin({ brokers: brokers[2].brokers })
await admin.createTopics([{ name: 'page-views', partitions: 6 }])
const [topic] = await admin.describeTopics(['page-views'])
console.log(
  topic.partitions
    .map(({ leaderId }) => leaderId)
    .sort()
    .join(' '),
)
await admin.close()
for (const broker of brokers.reverse()) await broker.close()
