// kafkajs 2.2.4's admin client against our broker. KFK_INTEROP=kafka runs the same against Apache
// Kafka.
import {
  AssignerProtocol,
  ConfigResourceTypes,
  ConfigSource,
  Kafka,
  logLevel,
  type Admin,
} from 'kafkajs'
import { eventually, startInteropBroker, type InteropBroker } from '../../src/index'

let broker: InteropBroker
let kafka: Kafka
let admin: Admin
beforeAll(async () => {
  broker = await startInteropBroker()
  kafka = new Kafka({
    clientId: 'interop',
    brokers: [broker.bootstrap],
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 50, retries: 10 },
  })
  admin = kafka.admin()
  await admin.connect()
})
afterAll(async () => {
  await admin.disconnect()
  await broker.stop()
})

async function send(topic: string, timestamps: readonly number[]): Promise<void> {
  const producer = kafka.producer()
  await producer.connect()
  const messages = timestamps.map((at) => ({ value: `${at}`, partition: 0, timestamp: `${at}` }))
  await producer.send({ topic, messages })
  await producer.disconnect()
}

test('createTopics, fetchTopicMetadata, createPartitions, listTopics, deleteTopics', async () => {
  const created = await admin.createTopics({
    topics: [
      { topic: 'made', numPartitions: 2, replicationFactor: 1 },
      { topic: 'placed', replicaAssignment: [{ partition: 0, replicas: [1] }] },
    ],
  })
  expect(created).toBe(true)
  expect(await admin.createTopics({ topics: [{ topic: 'made' }] })).toBe(false)
  await admin.createPartitions({ topicPartitions: [{ topic: 'made', count: 3 }] })
  const { topics } = await admin.fetchTopicMetadata({ topics: ['made'] })
  const partitions = topics[0]!.partitions.sort((a, b) => a.partitionId - b.partitionId)
  expect(partitions).toMatchObject(
    [0, 1, 2].map((partitionId) => ({ partitionId, leader: 1, replicas: [1], isr: [1] })),
  )
  expect(await admin.listTopics()).toEqual(expect.arrayContaining(['made', 'placed']))
  await admin.deleteTopics({ topics: ['made', 'placed'] })
  expect(await admin.listTopics()).not.toContain('made')
})

test.each([
  ['a bad name', { topic: 'a/b' }, 'INVALID_TOPIC_EXCEPTION'],
  ['no partitions', { topic: 'refused', numPartitions: 0 }, 'INVALID_PARTITIONS'],
  ['too many replicas', { topic: 'refused', replicationFactor: 9 }, 'INVALID_REPLICATION_FACTOR'],
  [
    'an unknown config',
    { topic: 'refused', configEntries: [{ name: 'no.such', value: '1' }] },
    'INVALID_CONFIG',
  ],
])('refuses %s', async (_name, topic, type) => {
  const refused = admin.createTopics({ topics: [topic] })
  await expect(refused).rejects.toMatchObject({ errors: [{ type }] })
  expect(await admin.listTopics()).not.toContain('refused')
})

test('deleteTopics and createPartitions say what is wrong', async () => {
  const once = kafka.admin({ retry: { retries: 0 } })
  await once.connect()
  const absent = once.deleteTopics({ topics: ['absent'] })
  await expect(absent).rejects.toMatchObject({
    cause: { type: 'UNKNOWN_TOPIC_OR_PARTITION' },
  })
  await once.disconnect()
  await admin.createTopics({ topics: [{ topic: 'shrunk', numPartitions: 3 }] })
  const shrink = { topicPartitions: [{ topic: 'shrunk', count: 2 }] }
  await expect(admin.createPartitions(shrink)).rejects.toMatchObject({ type: 'INVALID_PARTITIONS' })
})

test('fetchTopicOffsets, ByTimestamp, deleteTopicRecords', async () => {
  await admin.createTopics({ topics: [{ topic: 'timed' }] })
  await send('timed', [1000, 2000, 3000])
  const whole = [{ partition: 0, offset: '3', high: '3', low: '0' }]
  expect(await admin.fetchTopicOffsets('timed')).toEqual(whole)
  const at = (time: number) => admin.fetchTopicOffsetsByTimestamp('timed', time)
  expect(await at(1500)).toEqual([{ partition: 0, offset: '1' }])
  expect(await at(3001)).toEqual([{ partition: 0, offset: '3' }])
  await admin.deleteTopicRecords({ topic: 'timed', partitions: [{ partition: 0, offset: '2' }] })
  const rest = [{ partition: 0, offset: '3', high: '3', low: '2' }]
  expect(await admin.fetchTopicOffsets('timed')).toEqual(rest)
})

test('describeConfigs and what createTopics set', async () => {
  const configEntries = [{ name: 'retention.ms', value: '60000' }]
  await admin.createTopics({ topics: [{ topic: 'configured', configEntries }] })
  const resource = { type: ConfigResourceTypes.TOPIC, name: 'configured' }
  const all = await admin.describeConfigs({ resources: [resource], includeSynonyms: true })
  const entries = all.resources[0]!.configEntries
  expect(entries.length).toBeGreaterThan(20)
  const retention = entries.find(({ configName }) => configName === 'retention.ms')
  const source = ConfigSource.TOPIC_CONFIG
  expect(retention).toMatchObject({ configValue: '60000', isDefault: false, configSource: source })
  const some = await admin.describeConfigs({
    resources: [{ ...resource, configNames: ['cleanup.policy'] }],
    includeSynonyms: false,
  })
  expect(some.resources[0]!.configEntries).toMatchObject([
    { configName: 'cleanup.policy', configValue: 'delete', configSource: 5 },
  ])
  const node = { type: ConfigResourceTypes.BROKER, name: '1' }
  const ofBroker = await admin.describeConfigs({ resources: [node], includeSynonyms: false })
  expect(ofBroker.resources[0]!.configEntries).toContainEqual(
    expect.objectContaining({ configName: 'group.initial.rebalance.delay.ms', configValue: '0' }),
  )
})

test('describeCluster', async () => {
  const cluster = await admin.describeCluster()
  const [host, port] = broker.bootstrap.split(':')
  expect(cluster.brokers).toEqual([{ nodeId: 1, host, port: Number(port) }])
  expect(cluster.controller).toBe(1)
  expect(cluster.clusterId).toMatch(/^[\w-]{22}$/)
})

describe('of a group', () => {
  beforeAll(async () => {
    await admin.createTopics({ topics: [{ topic: 'read', numPartitions: 1 }] })
    await send('read', [1000, 2000, 3000, 4000])
  })

  async function consumeAll(groupId: string): Promise<() => Promise<void>> {
    const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 100, heartbeatInterval: 100 })
    await consumer.connect()
    await consumer.subscribe({ topic: 'read', fromBeginning: true })
    let last = ''
    await consumer.run({
      eachMessage: async ({ message }) => {
        last = message.offset
      },
    })
    await eventually('the last message', () => last === '3' || undefined)
    return () => consumer.disconnect()
  }

  const offset = async (groupId: string, resolveOffsets = false): Promise<string> => {
    const [found] = await admin.fetchOffsets({ groupId, topics: ['read'], resolveOffsets })
    return found!.partitions[0]!.offset
  }

  test('listGroups, describeGroups with members, deleteGroups', async () => {
    const leave = await consumeAll('described')
    const { groups } = await admin.listGroups()
    expect(groups).toContainEqual({ groupId: 'described', protocolType: 'consumer' })
    const described = await admin.describeGroups(['described'])
    expect(described.groups[0]).toMatchObject({
      groupId: 'described',
      state: 'Stable',
      protocolType: 'consumer',
      protocol: 'RoundRobinAssigner',
      members: [{ clientId: 'interop', clientHost: '/127.0.0.1' }],
    })
    const [member] = described.groups[0]!.members
    const subscription = AssignerProtocol.MemberMetadata.decode(member!.memberMetadata)
    expect(subscription!.topics).toEqual(['read'])
    const assignment = AssignerProtocol.MemberAssignment.decode(member!.memberAssignment)
    expect(assignment!.assignment).toEqual({ read: [0] })
    const early = admin.deleteGroups(['described'])
    await expect(early).rejects.toMatchObject({ groups: [{ errorCode: 68 }] })
    await leave()
    const empty = await admin.describeGroups(['described'])
    expect(empty.groups[0]).toMatchObject({ state: 'Empty', members: [] })
    await admin.deleteGroups(['described'])
    const after = await admin.listGroups()
    expect(after.groups.map(({ groupId }) => groupId)).not.toContain('described')
    const again = admin.deleteGroups(['described'])
    await expect(again).rejects.toMatchObject({ groups: [{ errorCode: 69 }] })
  })

  // kafkajs joins as a consumer for this, and waits out a fetch: 5 s.
  test('resetOffsets', async () => {
    const leave = await consumeAll('reset')
    await leave()
    expect(await offset('reset')).toBe('4')
    await admin.resetOffsets({ groupId: 'reset', topic: 'read', earliest: true })
    // It commits the name of the place, and Kafka takes it.
    expect(await offset('reset')).toBe('-2')
    expect(await offset('reset', true)).toBe('0')
    expect(await offset('nobody')).toBe('-1')
  })
})
