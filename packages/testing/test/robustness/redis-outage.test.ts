/*
 * Redis fails under three brokers, a producer and a group. What must hold each time: records go on being
 * acknowledged, none is lost or doubled, topics and their ids stay, committed offsets stay, and no
 * generation of the group comes back.
 */
import { createClient } from '@kfk/client'
import { apis, errorByCode } from '@kfk/protocol'
import { eventually, redisServerPeer, withPeer } from '../../src/index.js'
import { ClusterInRedis, sessionTimeoutMs } from './support/cluster-in-redis.js'
import { GroupMember } from './support/group-member.js'
import { Traffic } from './support/traffic.js'

const topic = 'events'
const group = 'readers'
const partitions = 6

withPeer(redisServerPeer(), 'Redis fails under a running cluster', () => {
  let cluster: ClusterInRedis
  let traffic: Traffic
  let members: GroupMember[]
  let committed: number

  beforeEach(async () => {
    cluster = await ClusterInRedis.start(3)
    await using admin = cluster.admin()
    await admin.createTopics([{ name: topic, partitions }])
    members = [0, 1].map(() => new GroupMember(cluster.addresses, group))
    await whenStable()
    traffic = new Traffic({ brokers: cluster.addresses, topic, partitions })
    await traffic.advances(10)
    committed = 7
    await commitNext()
  })

  afterEach(async () => {
    await Promise.all([traffic.abandon(), ...members.map((member) => member.close())])
    await cluster.close()
  })

  /** Both members are in one generation. */
  async function whenStable(above = 0): Promise<number> {
    return eventually(`a generation of both members above ${above}`, () => {
      const [first, second] = members
      const { generation } = first!
      const together = first!.joined && second!.joined && generation === second!.generation
      return together && generation > above ? generation : undefined
    })
  }

  async function commitNext(): Promise<void> {
    await eventually('a commit', async () =>
      (await members[0]!.commit(topic, 0, committed + 1)) === 'NONE' ? true : undefined,
    )
    committed++
  }

  async function committedOffset(): Promise<number> {
    await using admin = cluster.admin()
    const offsets = await admin.listGroupOffsets(group)
    return Number(offsets.find(({ partition }) => partition === 0)!.offset)
  }

  /** What no failure of Redis may change, and that everything works again. */
  async function allIsWell(before: Awaited<ReturnType<ClusterInRedis['topics']>>): Promise<void> {
    await cluster.whenWhole(topic)
    expect(await committedOffset()).toBe(committed)
    for (const nodeId of cluster.brokers.keys()) {
      const now = await cluster.topics(nodeId)
      expect(now.filter(({ name }) => before.some((one) => one.name === name))).toEqual(before)
    }
    await using admin = cluster.admin(3)
    await admin.createTopics([{ name: 'afterwards', partitions: 3 }])
    await whenStable()
    await commitNext()
    expect(await committedOffset()).toBe(committed)
    for (const { generations } of members) {
      expect(generations).toEqual([...generations].sort((a, b) => a - b))
    }
    await traffic.advances(10)
    await traffic.stop()
    expect(traffic.failed).toEqual([])
    await traffic.verify()
  }

  /** What a broker that is not the controller answers to a wish for a new topic. */
  async function create(name: string): Promise<{ errorCode: number; errorMessage: string | null }> {
    await using client = createClient({ brokers: [...cluster.brokers.get(2)!.brokers] })
    const wish = { name, numPartitions: 1, replicationFactor: -1, assignments: [], configs: [] }
    const body = { topics: [wish], timeoutMs: 2000, validateOnly: false }
    const { topics } = await client.request(apis.createTopics, body, 'any')
    return topics[0]!
  }

  test('it restarts', async () => {
    const before = await cluster.topics()
    await cluster.redis.restart()
    await traffic.advances(20)
    await allIsWell(before)
  })

  test('it is emptied: the brokers publish again, and a group re-forms above its floor', async () => {
    const before = await cluster.topics()
    const generation = await whenStable()
    await cluster.flushAll()
    await traffic.advances(20)
    await cluster.whenWhole(topic)
    expect(await whenStable()).toBe(generation)
    // Emptied again, and the coordinator has only its log to go by.
    const nodeId = await coordinatorOf(group)
    await cluster.stopBroker(nodeId)
    await cluster.flushAll()
    await cluster.startBroker(nodeId)
    expect(await whenStable(generation)).toBeGreaterThan(generation)
    await allIsWell(before)
  })

  async function coordinatorOf(id: string): Promise<number> {
    await using client = createClient({ brokers: cluster.addresses })
    const { nodeId } = await client.findCoordinator(id)
    return nodeId
  }

  test('it is rolled back: older members and older topics do not return', async () => {
    const rollBack = cluster.redis.remember()
    await using admin = cluster.admin()
    await admin.createTopics([{ name: 'made-later', partitions: 2 }])
    members.push(new GroupMember(cluster.addresses, group))
    const generation = await whenStable(await whenStable())
    await commitNext()
    const before = await cluster.topics()
    await rollBack()
    await traffic.advances(20)
    await cluster.whenWhole(topic)
    expect(await whenStable()).toBe(generation)
    // Rolled back again while the coordinator is away: what it finds is of a generation that is over.
    const rollBackAgain = cluster.redis.remember()
    members.push(new GroupMember(cluster.addresses, group))
    const later = await whenStable(generation)
    const nodeId = await coordinatorOf(group)
    await cluster.stopBroker(nodeId)
    await rollBackAgain()
    await cluster.startBroker(nodeId)
    expect(await whenStable(later)).toBeGreaterThan(later)
    await allIsWell(before)
  })

  test('it does not answer for some seconds', async () => {
    const before = await cluster.topics()
    cluster.redis.freeze()
    await traffic.advances(50)
    await commitNext()
    await eventually('every broker has given its session up', () =>
      cluster.logged.filter((line) => line.includes('lost its session')).length === 3
        ? true
        : undefined,
    )
    await traffic.advances(50)
    await commitNext()
    expect(await cluster.leaders(topic, 3)).not.toContain(-1)
    cluster.redis.thaw()
    await allIsWell(before)
  })

  test('it is away for longer than the sessions: data is served, and what exists stays', async () => {
    const before = await cluster.topics()
    const generation = await whenStable()
    await cluster.redis.kill()
    const awayAtMs = performance.now()
    // The members of a group go on, and others may join: only its copy in Redis waits.
    members.push(new GroupMember(cluster.addresses, group))
    const later = await whenStable(generation)
    await eventually('the sessions are over', () =>
      performance.now() - awayAtMs > 2 * sessionTimeoutMs &&
      cluster.logged.filter((line) => line.includes('lost its session')).length >= 3
        ? true
        : undefined,
    )
    await traffic.advances(50)
    await commitNext()
    expect(await cluster.leaders(topic, 2)).not.toContain(-1)
    // The controller is reached at its last address: even a change works.
    expect(await create('while-away')).toMatchObject({ errorCode: 0 })
    await cluster.redis.start()
    expect(await whenStable()).toBe(later)
    await allIsWell(before)
    const lost = cluster.logged.filter((line) => line.includes('lost its session'))
    expect(lost).toHaveLength(3)
  })

  test('it is away and the controller too: changes fail clearly, and work when both are back', async () => {
    const before = await cluster.topics()
    await cluster.redis.kill()
    await cluster.stopBroker(1)
    const { errorCode, errorMessage } = await create('too-early')
    expect(errorByCode(errorCode).retriable).toBe(true)
    expect(errorMessage).toMatch(/^CreateTopics needs the controller, node 1: /)
    const rest = (await cluster.leaders(topic, 2)).flatMap((leader, index) =>
      leader === 1 ? [] : [index],
    )
    await traffic.advances(20, rest)
    await expect(cluster.startBroker(1)).rejects.toMatchObject({
      code: 'KFK_COORDINATION_UNAVAILABLE',
    })
    await cluster.redis.start()
    await cluster.startBroker(1)
    await allIsWell(before)
  })
})
