/* Three `kfk broker` processes over one Redis, which fails in every way while one broker is killed too. */
import { createAdmin } from '@kfk/client'
import {
  eventually,
  redisServerPeer,
  type RedisServer,
  startRedisServer,
  withPeer,
} from '../../src/index.js'
import { BrokerProcesses } from './support/broker-process.js'
import { GroupMember } from './support/group-member.js'
import { Traffic } from './support/traffic.js'

const topic = 'events'
const partitions = 6

withPeer(redisServerPeer(), 'three broker processes over Redis', () => {
  let redis: RedisServer
  let brokers: BrokerProcesses
  let traffic: Traffic
  let members: GroupMember[]

  beforeEach(async () => {
    redis = await startRedisServer()
    const settings = ['broker.session.timeout.ms=3000', 'group.min.session.timeout.ms=500']
    const set = settings.flatMap((setting) => ['--set', setting])
    brokers = await BrokerProcesses.start(3, ['--coordination', redis.url, ...set])
    await using admin = createAdmin({ brokers: brokers.addresses })
    await admin.createTopics([{ name: topic, partitions }])
    traffic = new Traffic({ brokers: brokers.addresses, topic, partitions })
    members = [0, 1].map(() => new GroupMember(brokers.addresses, 'readers'))
  })

  afterEach(async () => {
    await Promise.all([traffic.abandon(), ...members.map((member) => member.close())])
    await brokers.close()
    await redis.close()
  })

  /** Every partition has a leader, whichever broker is asked. */
  async function whole(): Promise<void> {
    for (const { address, nodeId } of brokers.all) {
      await using admin = createAdmin({ brokers: [address] })
      await eventually(`leaders of all partitions at broker ${nodeId}`, async () => {
        const [found] = await admin.describeTopics([topic])
        return found!.partitions.every(({ leaderId }) => leaderId > 0) ? true : undefined
      })
    }
  }

  test('Redis killed, emptied and rolled back, and a broker killed meanwhile', async () => {
    await traffic.advances(20)
    const rollBack = redis.remember()
    const logBefore = brokers.all.map(({ output }) => output.length)
    await redis.kill()
    // Longer than the sessions: each broker notices and says so, once.
    for (const broker of brokers.all) await broker.waitFor(/lost its session/)
    await traffic.advances(50)
    brokers.all.forEach(({ output }, at) => {
      const lines = output.slice(logBefore[at]).trim().split('\n')
      expect(lines.filter((line) => line.includes('redis is away'))).toHaveLength(1)
      expect(lines.filter((line) => line.includes('lost its session'))).toHaveLength(1)
      expect(lines.length).toBeLessThanOrEqual(4)
    })
    await redis.start()
    for (const broker of brokers.all) {
      await broker.waitFor(/redis is back/)
      await broker.waitFor(/is registered again/)
    }

    const victim = brokers.all[1]!
    await victim.kill()
    await rollBack()
    await victim.start()
    await whole()
    await traffic.advances(50)
    await eventually('the group is whole', () =>
      members.every(({ joined }) => joined) ? true : undefined,
    )
    for (const { generations } of members) {
      expect(generations).toEqual([...generations].sort((a, b) => a - b))
    }
    await traffic.stop()
    expect(traffic.failed).toEqual([])
    await traffic.verify()
    for (const broker of brokers.all) {
      expect(broker.output).not.toMatch(/internal error/)
      expect(await broker.end('SIGTERM')).toBe(0)
    }
  })
})
