// Programs that administrate through kafkajs's API see the same under kafkajs and under our package.
// KFK_INTEROP=kafka runs them against Apache Kafka.
import * as kafkajs from 'kafkajs'
import * as ours from '@kfk/client-kafkajs'
import { eventually, startInteropBroker, type InteropBroker } from '../../src/index'

let broker: InteropBroker
beforeAll(async () => {
  broker = await startInteropBroker()
})
afterAll(async () => {
  await broker.stop()
})

const clients: [string, typeof ours][] = [
  ['kafkajs', kafkajs as unknown as typeof ours],
  ['@kfk/client-kafkajs', ours],
]

describe.each(clients)('%s', (name, client) => {
  const label = name === 'kafkajs' ? 'theirs' : 'ours'
  const { ConfigResourceTypes, ConfigSource, Kafka, logLevel } = client
  let kafka: ours.Kafka
  let admin: ours.Admin
  let producer: ours.Producer
  beforeAll(async () => {
    kafka = new Kafka({
      brokers: [broker.bootstrap],
      logLevel: logLevel.NOTHING,
      retry: { initialRetryTime: 30, retries: 2 },
    })
    admin = kafka.admin()
    producer = kafka.producer()
    await Promise.all([admin.connect(), producer.connect()])
  })
  afterAll(async () => {
    await Promise.all([admin.disconnect(), producer.disconnect()])
  })

  async function outcome(call: Promise<unknown>): Promise<unknown> {
    try {
      return await call
    } catch (error) {
      const {
        name: errorName,
        type,
        retriable,
        errors,
        cause,
      } = error as ours.KafkaJSProtocolError & ours.KafkaJSAggregateError
      const inner = cause as ours.KafkaJSProtocolError | undefined
      return {
        name: errorName,
        type,
        retriable,
        errors: errors?.map((each) => [(each as Error).name, (each as { type?: string }).type]),
        cause: inner?.type,
      }
    }
  }

  test('topics are made, grown, described and deleted', async () => {
    const topic = `${label}-topic`
    const other = `${label}-other`
    const topics = [{ topic, numPartitions: 2 }]
    const dry = { validateOnly: true, waitForLeaders: false }
    expect(await admin.createTopics({ ...dry, topics })).toBe(true)
    expect(await admin.listTopics()).not.toContain(topic)
    expect(await admin.createTopics({ topics })).toBe(true)
    expect(await admin.createTopics({ topics })).toBe(false)
    const wrong = admin.createTopics({
      topics: [{ topic: 'no/good' }, { topic: other }, ...topics],
    })
    expect(await outcome(wrong)).toMatchObject({
      name: 'KafkaJSAggregateError',
      errors: [
        ['KafkaJSCreateTopicError', 'INVALID_TOPIC_EXCEPTION'],
        ['KafkaJSCreateTopicError', 'TOPIC_ALREADY_EXISTS'],
      ],
    })
    await admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] })
    const less = admin.createPartitions({ topicPartitions: [{ topic, count: 1 }] })
    expect(await outcome(less)).toMatchObject({
      name: 'KafkaJSProtocolError',
      type: 'INVALID_PARTITIONS',
      retriable: false,
    })
    const partitions = await eventually('three partitions', async () => {
      const [found] = (await admin.fetchTopicMetadata({ topics: [topic] })).topics
      return found!.partitions.length === 3 ? found!.partitions : undefined
    })
    expect(partitions.sort((a, b) => a.partitionId - b.partitionId)[2]).toEqual({
      partitionErrorCode: 0,
      partitionId: 2,
      leader: 1,
      replicas: [1],
      isr: [1],
      offlineReplicas: [],
    })
    await admin.deleteTopics({ topics: [topic, other] })
    await eventually('they are gone', async () => {
      const names = await admin.listTopics()
      return names.includes(topic) || names.includes(other) ? undefined : true
    })
    expect(await outcome(admin.deleteTopics({ topics: [topic] }))).toMatchObject({
      name: 'KafkaJSNumberOfRetriesExceeded',
      cause: 'UNKNOWN_TOPIC_OR_PARTITION',
    })
  })

  test('offsets of topics, and records deleted', async () => {
    const topic = `${label}-offsets`
    await admin.createTopics({ topics: [{ topic, numPartitions: 2 }] })
    const messages = [1000, 2000, 3000].map((at) => ({
      value: 'x',
      partition: 1,
      timestamp: String(at),
    }))
    await producer.send({ topic, messages })
    const sorted = <T extends { partition: number }>(list: T[]) =>
      list.sort((a, b) => a.partition - b.partition)
    expect(sorted(await admin.fetchTopicOffsets(topic))).toEqual([
      { partition: 0, offset: '0', high: '0', low: '0' },
      { partition: 1, offset: '3', high: '3', low: '0' },
    ])
    const at = async (time?: number) =>
      sorted(await admin.fetchTopicOffsetsByTimestamp(topic, time))
    expect(await at(1500)).toEqual([
      { partition: 0, offset: '0' },
      { partition: 1, offset: '1' },
    ])
    expect(await at(9000)).toMatchObject([{ offset: '0' }, { offset: '3' }])
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 1, offset: '2' }] })
    expect(sorted(await admin.fetchTopicOffsets(topic))[1]).toMatchObject({ low: '2', high: '3' })
    const beyond = admin.deleteTopicRecords({ topic, partitions: [{ partition: 1, offset: '9' }] })
    await expect(beyond).rejects.toMatchObject({
      name: 'KafkaJSNonRetriableError',
      message: 'Error while deleting records',
    })
  })

  test('groups are listed, described, moved and deleted', async () => {
    const topic = `${label}-group`
    const groupId = `${label}-group`
    await producer.send({ topic, messages: [{ value: '1' }, { value: '2' }, { value: '3' }] })
    const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 100 })
    const seen: string[] = []
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    await consumer.run({
      eachMessage: ({ message }) => Promise.resolve(void seen.push(message.offset)),
    })
    await eventually('three messages', () => (seen.length === 3 ? true : undefined))
    const { groups } = await admin.listGroups()
    expect(groups).toContainEqual({ groupId, protocolType: 'consumer' })
    const [group] = (await admin.describeGroups([groupId])).groups
    expect(group).toMatchObject({
      groupId,
      state: 'Stable',
      protocolType: 'consumer',
      protocol: 'RoundRobinAssigner',
      members: [{ clientId: 'kafkajs', memberId: expect.stringMatching(/^kafkajs-/) as string }],
    })
    const { MemberAssignment, MemberMetadata } = client.AssignerProtocol
    const [member] = group!.members
    expect(MemberMetadata.decode(member!.memberMetadata)!.topics).toEqual([topic])
    expect(MemberAssignment.decode(member!.memberAssignment)!.assignment).toEqual({ [topic]: [0] })
    expect(await consumer.describeGroup()).toMatchObject({ groupId, state: 'Stable' })
    const partitions = [{ partition: 0, offset: '1' }]
    expect(await outcome(admin.setOffsets({ groupId, topic, partitions }))).toMatchObject({
      name: 'KafkaJSNonRetriableError',
    })
    expect(await outcome(admin.deleteGroups([groupId]))).toMatchObject({
      name: 'KafkaJSDeleteGroupsError',
    })
    await consumer.disconnect()
    await admin.setOffsets({ groupId, topic, partitions })
    expect(await admin.fetchOffsets({ groupId })).toEqual([
      { topic, partitions: [{ partition: 0, offset: '1', metadata: null }] },
    ])
    await admin.resetOffsets({ groupId, topic, earliest: true })
    expect(await admin.fetchOffsets({ groupId, topics: [topic], resolveOffsets: true })).toEqual([
      { topic, partitions: [{ partition: 0, offset: '0', metadata: null }] },
    ])
    expect(await admin.deleteGroups([groupId])).toMatchObject([{ groupId, errorCode: 0 }])
    const [gone] = (await admin.describeGroups([groupId])).groups
    expect(gone).toMatchObject({ groupId, state: 'Dead', members: [] })
  })

  test('configs are described and altered', async () => {
    const topic = `${label}-configs`
    const set = (value: string) => [{ name: 'retention.ms', value }]
    await admin.createTopics({ topics: [{ topic, configEntries: set('60000') }] })
    const retention = async (): Promise<unknown> => {
      const described = await admin.describeConfigs({
        includeSynonyms: false,
        resources: [
          { type: ConfigResourceTypes.TOPIC, name: topic, configNames: ['retention.ms'] },
        ],
      })
      return described.resources
    }
    const entry = { configName: 'retention.ms', isSensitive: false, readOnly: false }
    const own = { ...entry, isDefault: false, configSource: ConfigSource.TOPIC_CONFIG }
    expect(await retention()).toMatchObject([
      {
        errorCode: 0,
        resourceType: ConfigResourceTypes.TOPIC,
        resourceName: topic,
        configEntries: [{ ...own, configValue: '60000' }],
      },
    ])
    const type = ConfigResourceTypes.TOPIC
    await admin.alterConfigs({
      validateOnly: false,
      resources: [{ type, name: topic, configEntries: set('70000') }],
    })
    await eventually('the new value', async () =>
      JSON.stringify(await retention()).includes('70000') ? true : undefined,
    )
    await admin.alterConfigs({
      validateOnly: false,
      resources: [{ type, name: topic, configEntries: [] }],
    })
    await eventually('the default', async () =>
      JSON.stringify(await retention()).includes('"configValue":"604800000"') ? true : undefined,
    )
    expect(await retention()).toMatchObject([{ configEntries: [{ ...entry, isDefault: true }] }])
  })

  test('the cluster', async () => {
    const { brokers, controller, clusterId } = await admin.describeCluster()
    const [host, port] = broker.bootstrap.split(':')
    expect(brokers).toEqual([{ nodeId: 1, host, port: Number(port) }])
    expect(controller).toBe(1)
    expect(clusterId).toMatch(/^[\w-]{22}$/)
    const acl = {
      principal: 'User:a',
      host: '*',
      operation: client.AclOperationTypes.READ,
      permissionType: client.AclPermissionTypes.ALLOW,
      resourceType: client.AclResourceTypes.TOPIC,
      resourceName: 'a',
      resourcePatternType: client.ResourcePatternTypes.LITERAL,
    }
    const disabled = { name: 'KafkaJSProtocolError', type: 'SECURITY_DISABLED', retriable: false }
    expect(await outcome(admin.createAcls({ acl: [acl] }))).toMatchObject(disabled)
    expect(await outcome(admin.describeAcls(acl))).toMatchObject(disabled)
    expect(await outcome(admin.deleteAcls({ filters: [acl] }))).toMatchObject(disabled)
    expect(await admin.listPartitionReassignments({})).toEqual({ topics: [] })
  })
})
