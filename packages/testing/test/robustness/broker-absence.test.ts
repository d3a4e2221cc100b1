/* A broker that is away: what it led answers with errors to retry, nobody else pretends, and it comes back. */
import { createClient } from '@kfk/client'
import { apis, encodeRecordBatch, errorByCode, errorCodes } from '@kfk/protocol'
import { eventually, redisServerPeer, withPeer } from '../../src/index.js'
import { ClusterInRedis, silent } from './support/cluster-in-redis.js'
import { fetchFrom } from './support/stored-records.js'

withPeer(redisServerPeer(), 'a broker is away', () => {
  let cluster: ClusterInRedis
  beforeEach(async () => {
    cluster = await ClusterInRedis.start(3)
    await using admin = cluster.admin()
    await admin.createTopics([{ name: 'events', partitions: 3 }])
  })
  afterEach(() => cluster.close())

  /** A group that this broker coordinates. */
  async function groupOf(nodeId: number): Promise<string> {
    await using client = createClient({ brokers: cluster.addresses })
    for (let number = 0; ; number++) {
      const coordinator = await client.findCoordinator(`group-${number}`)
      if (coordinator.nodeId === nodeId) return `group-${number}`
    }
  }

  test('its partitions have no leader, its groups no coordinator; both return with it', async () => {
    const group = await groupOf(2)
    const before = await cluster.leaders('events', 1)
    const index = before.indexOf(2)
    await using client = createClient({ brokers: [...cluster.brokers.get(1)!.brokers] })
    const records = encodeRecordBatch([{ key: null, value: 'a', timestamp: 1 }])
    const produce = async (nodeId: number): Promise<string> => {
      const topicData = [{ name: 'events', partitionData: [{ index, records }] }]
      const body = { acks: -1, timeoutMs: 1000, topicData }
      const response = await client.request(apis.produce, body, { nodeId }, { maxVersion: 12 })
      return errorByCode(response.responses[0]!.partitionResponses[0]!.errorCode).name
    }
    expect(await produce(2)).toBe('NONE')
    await using admin = cluster.admin(1)
    await admin.alterGroupOffsets(group, [{ topic: 'events', partition: index, offset: 1n }])
    await cluster.stopBroker(2)

    await eventually('it is seen to be away', async () =>
      (await cluster.leaders('events', 1)).includes(-1) ? true : undefined,
    )
    for (const nodeId of [1, 3]) {
      await using asked = createClient({ brokers: [...cluster.brokers.get(nodeId)!.brokers] })
      const metadata = await asked.request(apis.metadata, { topics: [{ name: 'events' }] }, 'any')
      const [topic] = metadata.topics
      expect(topic!.errorCode).toBe(0)
      expect(topic!.partitions.find(({ leaderId }) => leaderId === -1)).toMatchObject({
        partitionIndex: index,
        errorCode: errorCodes.LEADER_NOT_AVAILABLE,
      })
      expect(metadata.brokers.map((broker) => broker.nodeId)).toEqual([1, 3])
      const found = await asked.request(
        apis.findCoordinator,
        { keyType: 0, coordinatorKeys: [group] },
        'any',
      )
      expect(found.coordinators[0]).toMatchObject({
        errorCode: errorCodes.COORDINATOR_NOT_AVAILABLE,
        nodeId: -1,
      })
      const offsets = await asked.request(
        apis.offsetFetch,
        { groups: [{ groupId: group, topics: null }], requireStable: false },
        'any',
        { minVersion: 8, maxVersion: 9 },
      )
      expect(offsets.groups[0]!.errorCode).toBe(errorCodes.NOT_COORDINATOR)
    }
    for (const nodeId of [1, 3]) expect(await produce(nodeId)).toBe('NOT_LEADER_OR_FOLLOWER')

    await cluster.startBroker(2)
    await eventually('it leads again', async () =>
      (await cluster.leaders('events', 1)).join() === before.join() ? true : undefined,
    )
    expect(await eventually('the leader', () => produce(2))).toBe('NONE')
    const { records: stored } = await fetchFrom(client, 'events', { partition: index, offset: 0 })
    expect(stored.map(({ value }) => value)).toEqual(['a', 'a'])
    const offsets = await admin.listGroupOffsets(group)
    expect(offsets).toMatchObject([{ partition: index, offset: 1n }])
  })

  test('a second broker of the same number is refused while the first one lives', async () => {
    const other = cluster.startBroker(3, { port: 0, dataDir: cluster.dataDir(33) })
    await expect(other).rejects.toMatchObject({
      code: 'KFK_BROKER_CLUSTER',
      message: expect.stringMatching(/^node id 3 belongs to a live broker at 127\.0\.0\.1:\d+: /),
    })
    await cluster.whenWhole('events')
  })

  /** What another broker of node id 3 would write. */
  const stranger = {
    ...{ nodeId: 3, host: '127.0.0.1', port: 9, rack: null, incarnation: 'stranger' },
    ...{ epochCounter: 99, clusterId: 'AAAAAAAAAAAAAAAAAAAAAQ', directoryId: 'elsewhere' },
  }

  test('a broker whose node id was taken stops by itself, and says why', async () => {
    const broker = cluster.brokers.get(3)!
    const coordination = await cluster.connect(silent)
    try {
      await coordination.openSession({
        ...{ key: 'brokers/3', ttlMs: 30_000, replace: true },
        value: JSON.stringify(stranger),
      })
      expect(await broker.closed).toMatchObject({
        code: 'KFK_BROKER_CLUSTER',
        message: expect.stringMatching(/^node id 3 belongs to a live broker at 127\.0\.0\.1:9: /),
      })
      const lines = cluster.logged.filter((line) => line.startsWith('3: node 3 stops: '))
      expect(lines).toHaveLength(1)
      await expect(
        createClient({ brokers: broker.brokers }).request(
          apis.metadata,
          {
            topics: [],
          },
          'any',
        ),
      ).rejects.toMatchObject({ code: 'KFK_CLIENT_UNREACHABLE' })
      // The directory is free for whoever puts it right.
      await coordination.close()
      await cluster.stopBroker(3)
      await cluster.startBroker(3, { nodeId: 3 })
    } finally {
      await coordination.close()
    }
    await cluster.whenWhole('events')
  })

  test('what an emptied or older server says for a moment ends no broker', async () => {
    const coordination = await cluster.connect(silent)
    const session = await coordination.openSession({
      ...{ key: 'brokers/3', ttlMs: 30_000, replace: true },
      value: JSON.stringify(stranger),
    })
    await eventually('the broker has seen it', () =>
      cluster.logged.some((line) => line.startsWith('3: broker 3 lost its session'))
        ? true
        : undefined,
    )
    await session.close()
    await coordination.close()
    await cluster.whenWhole('events')
    expect(cluster.logged.filter((line) => line.includes('stops'))).toEqual([])
  })
})
