import { apis } from '@kfk/protocol'
import { createAdmin, createClient, defineTopic, json } from '../src/index.js'
import type { Admin, Client } from '../src/index.js'
import { FakeCluster } from './fake-broker.js'
import type { FakeClusterOptions } from './fake-broker.js'

const clients: Client[] = []

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()))
})

function setUp(options: FakeClusterOptions = {}): { cluster: FakeCluster; admin: Admin } {
  const cluster = new FakeCluster(options)
  const client = createClient({
    broker: cluster,
    retry: { initialMs: 0, maxMs: 0 },
    requestTimeoutMs: 2000,
  })
  clients.push(client)
  return { cluster, admin: createAdmin({ client }) }
}

describe('topics', () => {
  function answerCreate(cluster: FakeCluster): void {
    cluster.respond(apis.createTopics, (_request, { topics }) => ({
      throttleTimeMs: 0,
      topics: topics.map(({ name, numPartitions }) => {
        const exists = cluster.topics.has(name)
        if (!exists) cluster.createTopic(name, numPartitions < 0 ? 1 : numPartitions)
        return {
          name,
          topicId: cluster.topics.get(name)!.id,
          errorCode: exists ? 36 : 0,
          errorMessage: exists ? 'it is there' : null,
          numPartitions: cluster.topics.get(name)!.partitions.length,
          replicationFactor: 1,
          configs: [],
        }
      }),
    }))
  }

  test('are created from names, settings and definitions', async () => {
    const { cluster, admin } = setUp()
    answerCreate(cluster)
    const created = await admin.createTopics([
      'a',
      { name: 'b', partitions: 3 },
      defineTopic('c', { value: json(), partitions: 2 }),
    ])
    expect(created.map(({ name, partitions }) => [name, partitions])).toEqual([
      ['a', 1],
      ['b', 3],
      ['c', 2],
    ])
    expect(created[0]!.topicId).toBe(cluster.topics.get('a')!.id)
    expect(await admin.listTopics()).toEqual(['a', 'b', 'c'])
  })

  test('that exist are named in the error, or left alone when that is wanted', async () => {
    const { cluster, admin } = setUp({ topics: { old: 1 } })
    answerCreate(cluster)
    await expect(admin.createTopics(['old', 'new'])).rejects.toMatchObject({
      kafkaName: 'TOPIC_ALREADY_EXISTS',
      message: expect.stringContaining('"old": it is there'),
      details: { failed: [{ name: 'old', kafkaCode: 36 }] },
    })
    await expect(admin.createTopics(['old'], { ifNotExists: true })).resolves.toHaveLength(1)
  })

  test('are created at the controller, which is looked up again when it has moved', async () => {
    const { cluster, admin } = setUp({ brokers: 2 })
    answerCreate(cluster)
    const notController = {
      throttleTimeMs: 0,
      topics: [
        {
          name: 'a',
          topicId: 'AAAAAAAAAAAAAAAAAAAAAQ',
          errorCode: 41,
          errorMessage: null,
          configs: [],
        },
      ],
    }
    const faults = [{ respond: notController }]
    cluster.fault = ({ api }) => (api.key === apis.createTopics.key ? faults.shift() : undefined)
    await expect(admin.createTopics(['a'])).resolves.toHaveLength(1)
    expect(cluster.requestsOf(apis.createTopics)).toHaveLength(2)
  })

  test('a change whose answer was lost is not repeated', async () => {
    const { cluster, admin } = setUp()
    answerCreate(cluster)
    cluster.fault = ({ api }) => (api.key === apis.createTopics.key ? 'sever' : undefined)
    await expect(admin.createTopics(['a'])).rejects.toMatchObject({
      code: 'KFK_CLIENT_DISCONNECTED',
      retriable: false,
      message: expect.stringContaining('unknown'),
    })
    expect(cluster.requestsOf(apis.createTopics)).toHaveLength(1)
  })

  test.each([[[0, 6]], [[1, 5]]] as const)('are deleted (versions %j)', async (range) => {
    const { cluster, admin } = setUp({ topics: { a: 1 }, versions: { DeleteTopics: range } })
    cluster.respond(apis.deleteTopics, ({ apiVersion }, { topics, topicNames }) => {
      const names = apiVersion >= 6 ? topics.map(({ name }) => name!) : topicNames
      return {
        throttleTimeMs: 0,
        responses: names.map((name) => ({ name, errorCode: cluster.topics.delete(name) ? 0 : 3 })),
      }
    })
    await admin.deleteTopics(['a'])
    await expect(admin.deleteTopics(['a'])).rejects.toMatchObject({
      kafkaName: 'UNKNOWN_TOPIC_OR_PARTITION',
      retriable: false,
    })
    expect(cluster.requestsOf(apis.deleteTopics)).toHaveLength(2)
  })
})

describe('offsets', () => {
  test('come from each leader, in the order of the questions', async () => {
    const { cluster, admin } = setUp({ brokers: 2, topics: { t: 2 } })
    cluster.respond(apis.listOffsets, ({ nodeId }, { topics }) => ({
      topics: topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex, timestamp }) => ({
          partitionIndex,
          errorCode: 0,
          offset: timestamp === -2 ? 0 : nodeId * 100,
        })),
      })),
    }))
    const results = await admin.listOffsets([
      { topic: 't', partition: 1, at: 'latest' },
      { topic: 't', partition: 0, at: 'earliest' },
      { topic: 't', partition: 0, at: 'latest' },
    ])
    expect(results.map(({ partition, offset }) => [partition, offset])).toEqual([
      [1, 200n],
      [0, 0n],
      [0, 100n],
    ])
    expect(await admin.topicOffsets('t', 'latest')).toHaveLength(2)
  })

  test('a moved leader is followed, an unknown topic is given up', async () => {
    const { cluster, admin } = setUp({ topics: { t: 1 } })
    let asked = 0
    cluster.respond(apis.listOffsets, () => {
      asked += 1
      const errorCode = asked === 1 ? 6 : 0
      return { topics: [{ name: 't', partitions: [{ partitionIndex: 0, errorCode, offset: 7 }] }] }
    })
    expect((await admin.topicOffsets('t', new Date(0)))[0]!.offset).toBe(7n)
    await expect(admin.topicOffsets('missing', 'latest')).rejects.toThrow('does not exist')
    expect(cluster.requestsOf(apis.metadata).length).toBeLessThan(10)
  })
})

describe('groups', () => {
  test.each([[[0, 9]], [[2, 5]]] as const)('offsets are read (versions %j)', async (range) => {
    const { cluster, admin } = setUp({ versions: { OffsetFetch: range } })
    const topics = [
      {
        name: 't',
        partitions: [
          {
            partitionIndex: 0,
            committedOffset: 5,
            committedLeaderEpoch: 2,
            metadata: 'm',
            errorCode: 0,
          },
          {
            partitionIndex: 1,
            committedOffset: -1,
            committedLeaderEpoch: -1,
            metadata: '',
            errorCode: 0,
          },
        ],
      },
    ]
    cluster.respond(apis.offsetFetch, ({ apiVersion }) =>
      apiVersion >= 8 ? { groups: [{ groupId: 'g', topics }] } : { topics },
    )
    expect(await admin.listGroupOffsets('g')).toEqual([
      { topic: 't', partition: 0, offset: 5n, leaderEpoch: 2, metadata: 'm' },
    ])
  })

  test('offsets are set at the coordinator, which is looked up again when it has moved', async () => {
    const { cluster, admin } = setUp()
    const answers = [16, 0]
    cluster.respond(apis.offsetCommit, (_request, { topics }) => {
      const errorCode = answers.shift()!
      return {
        topics: topics.map(({ name, partitions }) => ({
          name,
          partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
        })),
      }
    })
    await admin.alterGroupOffsets('g', [{ topic: 't', partition: 0, offset: 3n }])
    expect(cluster.requestsOf(apis.findCoordinator)).toHaveLength(2)
  })

  test('are listed over all brokers; a missing one is dead; a deletion says why not', async () => {
    const { cluster, admin } = setUp({ brokers: 2 })
    cluster.respond(apis.listGroups, ({ nodeId }) => ({
      errorCode: 0,
      groups: [{ groupId: `g${3 - nodeId}`, protocolType: 'consumer', groupState: 'Stable' }],
    }))
    cluster.respond(apis.describeGroups, (_request, { groups }) => ({
      groups: groups.map((groupId) => ({
        errorCode: 69,
        groupId,
        groupState: '',
        protocolType: '',
        protocolData: '',
        members: [],
      })),
    }))
    const rest = { groupEpoch: 3, assignmentEpoch: 3, assignorName: 'uniform', members: [] }
    cluster.respond(apis.consumerGroupDescribe, (_request, { groupIds }) => ({
      throttleTimeMs: 0,
      groups: groupIds.map((groupId) => ({
        ...{ errorCode: groupId === 'new' ? 0 : 69, groupId, groupState: 'Empty', ...rest },
      })),
    }))
    cluster.respond(apis.deleteGroups, (_request, { groupsNames }) => ({
      throttleTimeMs: 0,
      results: groupsNames.map((groupId) => ({ groupId, errorCode: 68 })),
    }))
    expect((await admin.listGroups()).map(({ groupId }) => groupId)).toEqual(['g1', 'g2'])
    expect(await admin.listGroups({ states: ['Empty'] })).toEqual([])
    expect(await admin.describeGroups(['x', 'new'])).toMatchObject([
      { groupId: 'x', state: 'Dead' },
      { groupId: 'new', state: 'Empty', protocolType: 'consumer', protocol: 'uniform' },
    ])
    await expect(admin.deleteGroups(['g1'])).rejects.toMatchObject({ kafkaName: 'NON_EMPTY_GROUP' })
  })
})

describe('configs and cluster', () => {
  test('configs tell where they come from', async () => {
    const { cluster, admin } = setUp()
    cluster.respond(apis.describeConfigs, (_request, { resources }) => ({
      throttleTimeMs: 0,
      results: resources.map(({ resourceType, resourceName }) => ({
        errorCode: 0,
        errorMessage: null,
        resourceType,
        resourceName,
        configs: [
          {
            name: 'retention.ms',
            value: '1',
            readOnly: false,
            configSource: 1,
            isSensitive: false,
            synonyms: [],
            documentation: null,
          },
        ],
      })),
    }))
    const [described] = await admin.describeConfigs([{ type: 'topic', name: 't' }])
    expect(described!.entries).toEqual([
      {
        ...{ name: 'retention.ms', value: '1', source: 'topic' },
        ...{ readOnly: false, sensitive: false, synonyms: [] },
      },
    ])
  })

  test('the cluster and what its brokers speak', async () => {
    const { admin } = setUp({ brokers: 2 })
    expect(await admin.describeCluster()).toMatchObject({ clusterId: 'fake', controllerId: 1 })
    const versions = await admin.apiVersions({ nodeId: 2 })
    expect(versions.find(({ name }) => name === 'Produce')).toMatchObject({ key: 0, max: 13 })
  })
})
