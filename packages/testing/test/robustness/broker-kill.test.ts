/* Brokers killed with SIGKILL under load: what was acknowledged is there, once, in order. */
import { createAdmin } from '@kfk/client'
import { eventually, redisServerPeer, startRedisServer, withPeer } from '../../src/index.js'
import { BrokerProcesses } from './support/broker-process.js'
import { Traffic } from './support/traffic.js'

const topic = 'events'

let brokers: BrokerProcesses | undefined
let traffic: Traffic | undefined

afterEach(async () => {
  await traffic?.abandon()
  await brokers?.close()
  traffic = brokers = undefined
})

test('one broker, killed ten times: nothing acknowledged is lost or doubled', async () => {
  brokers = await BrokerProcesses.start(1, [])
  const [broker] = brokers.all
  await using admin = createAdmin({ brokers: brokers.addresses })
  await admin.createTopics([{ name: topic, partitions: 3 }])
  traffic = new Traffic({ brokers: brokers.addresses, topic, partitions: 3 })
  for (let cycle = 0; cycle < 10; cycle++) {
    // Each time at another point of the load.
    await traffic.advances(5 + 7 * cycle)
    await broker!.kill()
    await broker!.start()
  }
  await traffic.advances(20)
  await traffic.stop()
  expect(traffic.failed).toEqual([])
  await traffic.verify()
  expect(await broker!.end('SIGTERM')).toBe(0)
})

withPeer(redisServerPeer(), 'three brokers, one of them killed', () => {
  test('its partitions wait, the others go on, and all is there when it is back', async () => {
    const redis = await startRedisServer()
    try {
      const settings = ['--set', 'broker.session.timeout.ms=3000']
      brokers = await BrokerProcesses.start(3, ['--coordination', redis.url, ...settings])
      await using admin = createAdmin({ brokers: brokers.addresses })
      await admin.createTopics([{ name: topic, partitions: 6 }])
      const leaders = async (): Promise<number[]> => {
        const [found] = await admin.describeTopics([topic])
        return found!.partitions.map(({ leaderId }) => leaderId)
      }
      const before = await leaders()
      traffic = new Traffic({ brokers: brokers.addresses, topic, partitions: 6 })
      await traffic.advances(20)
      // Not the controller, then the controller.
      for (const nodeId of [2, 1]) {
        const victim = brokers.all[nodeId - 1]!
        await victim.kill()
        const others = before.flatMap((leader, index) => (leader === nodeId ? [] : [index]))
        await traffic.advances(50, others)
        const gone = before.map((leader) => (leader === nodeId ? -1 : leader)).join()
        await eventually('nobody leads its partitions', async () =>
          (await leaders()).join() === gone ? true : undefined,
        )
        await victim.start()
        await traffic.advances(20)
        await eventually('it leads again', async () =>
          (await leaders()).join() === before.join() ? true : undefined,
        )
      }
      await traffic.stop()
      expect(traffic.failed).toEqual([])
      await traffic.verify()
    } finally {
      await brokers?.close()
      await redis.close()
    }
  })
})
