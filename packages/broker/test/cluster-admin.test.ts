// Answers to administrators who ask for what a broker without replicas, users and quotas has
// little to say about. The codes were read from a Kafka 4.2 that was asked the same.
import { apis, errorCodes } from '@kfk/protocol'
import type { Api } from '@kfk/protocol'
import { Harness, type RawClient } from './harness.js'

const harness = new Harness()
afterEach(() => harness.close())

async function clientWithTopic(): Promise<RawClient> {
  const client = await harness.client(await harness.broker({ nodeId: 3 }))
  const topics = [
    { name: 't', numPartitions: 2, replicationFactor: 1, assignments: [], configs: [] },
  ]
  await client.request(apis.createTopics, 7, { topics, timeoutMs: 5000, validateOnly: false })
  return client
}

const versionsOf = (api: Api): number[] => {
  const [min, max] = api.versions
  return Array.from({ length: max - min + 1 }, (_, index) => min + index)
}

test('a listener without SASL says so, in every version', async () => {
  const client = await harness.client(await harness.broker())
  for (const version of versionsOf(apis.saslHandshake)) {
    const answer = await client.request(apis.saslHandshake, version, { mechanism: 'PLAIN' })
    expect(answer).toEqual({ errorCode: errorCodes.ILLEGAL_SASL_STATE, mechanisms: [] })
  }
  for (const version of versionsOf(apis.saslAuthenticate)) {
    const body = { authBytes: Buffer.from('x') }
    const answer = await client.request(apis.saslAuthenticate, version, body)
    expect(answer).toMatchObject({ errorCode: errorCodes.ILLEGAL_SASL_STATE })
    expect(answer.authBytes).toHaveLength(0)
  }
})

test('ACLs: SECURITY_DISABLED for each of what is asked', async () => {
  const client = await harness.client(await harness.broker())
  const filter = {
    ...{ resourceTypeFilter: 1, resourceNameFilter: null, patternTypeFilter: 1 },
    ...{ principalFilter: null, hostFilter: null, operation: 1, permissionType: 1 },
  }
  const creation = {
    ...{ resourceType: 2, resourceName: 't', resourcePatternType: 3, principal: 'User:a' },
    ...{ host: '*', operation: 2, permissionType: 3 },
  }
  for (const version of versionsOf(apis.describeAcls)) {
    const described = await client.request(apis.describeAcls, version, filter)
    expect(described).toMatchObject({ errorCode: 54, resources: [] })
    const creations = [creation, creation]
    const { results } = await client.request(apis.createAcls, version, { creations })
    expect(results.map(({ errorCode }) => errorCode)).toEqual([54, 54])
    const deleted = await client.request(apis.deleteAcls, version, { filters: [filter] })
    expect(deleted.filterResults).toMatchObject([{ errorCode: 54, matchingAcls: [] }])
  }
})

test('SCRAM credentials: nobody has any', async () => {
  const client = await harness.client(await harness.broker())
  const describe = async (...names: string[]) => {
    const users = names.length === 0 ? null : names.map((name) => ({ name }))
    const answer = await client.request(apis.describeUserScramCredentials, 0, { users })
    expect(answer.errorCode).toBe(0)
    return answer.results.map(({ user, errorCode }) => [user, errorCode])
  }
  expect(await describe()).toEqual([])
  expect(await describe('b', 'a', 'b')).toEqual([
    ['a', errorCodes.RESOURCE_NOT_FOUND],
    ['b', errorCodes.DUPLICATE_RESOURCE],
  ])
})

test('client quotas: none, and a filter is checked all the same', async () => {
  const client = await harness.client(await harness.broker())
  const any = (entityType: string) => ({ entityType, matchType: 2, match: null })
  const cases: [number, { entityType: string; matchType: number; match: string | null }[]][] = [
    [0, []],
    [0, [any('user'), any('client-id')]],
    [0, [{ entityType: 'user', matchType: 0, match: 'a' }]],
    [0, [{ entityType: 'user', matchType: 1, match: null }]],
    [42, [{ entityType: 'user', matchType: 0, match: null }]],
    [42, [{ entityType: 'user', matchType: 1, match: 'x' }]],
    [42, [{ entityType: 'user', matchType: 2, match: 'x' }]],
    [42, [{ entityType: 'user', matchType: 7, match: null }]],
    [42, [any('')]],
    [42, [any('ip'), any('user')]],
    [42, [any('user'), any('user')]],
    [35, [any('planet')]],
  ]
  for (const version of versionsOf(apis.describeClientQuotas)) {
    for (const [errorCode, components] of cases) {
      const body = { components, strict: false }
      const answer = await client.request(apis.describeClientQuotas, version, body)
      expect({ components, errorCode: answer.errorCode }).toEqual({ components, errorCode })
      expect(answer.entries).toEqual(errorCode === 0 ? [] : null)
    }
  }
})

test('ElectLeaders: every partition has its leader already', async () => {
  const client = await clientWithTopic()
  const elect = async (
    topicPartitions: { topic: string; partitions: number[] }[] | null,
    electionType = 0,
    version = 2,
  ) => {
    const body = { ...(version > 0 && { electionType }), topicPartitions }
    const answer = await client.request(apis.electLeaders, version, body)
    const results = answer.replicaElectionResults.map(({ topic, partitionResult }) => [
      topic,
      ...partitionResult.map(({ partitionId, errorCode }) => [partitionId, errorCode]),
    ])
    return [answer.errorCode, ...results]
  }
  const asked = [
    { topic: 't', partitions: [0, 9] },
    { topic: 'no', partitions: [0] },
  ]
  const outcome = [
    0,
    ['t', [0, errorCodes.ELECTION_NOT_NEEDED], [9, errorCodes.UNKNOWN_TOPIC_OR_PARTITION]],
    ['no', [0, errorCodes.UNKNOWN_TOPIC_OR_PARTITION]],
  ]
  for (const version of versionsOf(apis.electLeaders)) {
    expect(await elect(asked, 0, version)).toEqual(outcome)
  }
  expect(await elect(asked, 1)).toEqual(outcome)
  expect(await elect(null)).toEqual([0, ['t']])
  expect(await elect([])).toEqual([0])
  expect(await elect(asked, 7)).toEqual([42, ['t', [0, 42], [9, 42]], ['no', [0, 42]]])
})

test('replicas stay where they are', async () => {
  const client = await clientWithTopic()
  const move = async (name: string, partitionIndex: number, replicas: number[] | null) => {
    const topics = [{ name, partitions: [{ partitionIndex, replicas }] }]
    const codes = []
    for (const version of versionsOf(apis.alterPartitionReassignments)) {
      const answer = await client.request(apis.alterPartitionReassignments, version, { topics })
      expect(answer).toMatchObject({ errorCode: 0, errorMessage: null })
      codes.push(answer.responses[0]!.partitions[0]!.errorCode)
    }
    expect(new Set(codes).size).toBe(1)
    return codes[0]
  }
  expect(await move('t', 0, [3])).toBe(0)
  expect(await move('t', 0, null)).toBe(errorCodes.NO_REASSIGNMENT_IN_PROGRESS)
  for (const replicas of [[], [2], [3, 3], [3, 2], [-1]]) {
    expect(await move('t', 0, replicas)).toBe(errorCodes.INVALID_REPLICA_ASSIGNMENT)
  }
  expect(await move('t', 9, null)).toBe(errorCodes.UNKNOWN_TOPIC_OR_PARTITION)
  expect(await move('no', 0, [3])).toBe(errorCodes.UNKNOWN_TOPIC_OR_PARTITION)
  const listed = await client.request(apis.listPartitionReassignments, 0, { topics: null })
  expect(listed).toMatchObject({ errorCode: 0, topics: [] })
})

test('DescribeQuorum: one voter, and the end of the metadata log', async () => {
  const client = await clientWithTopic()
  const topic = (topicName: string, partitionIndex = 0) => ({
    topicName,
    partitions: [{ partitionIndex }],
  })
  for (const version of versionsOf(apis.describeQuorum)) {
    const topics = [topic('__cluster_metadata'), topic('__cluster_metadata', 1), topic('t')]
    const answer = await client.request(apis.describeQuorum, version, { topics })
    const [quorum, second, other] = answer.topics.map(({ partitions }) => partitions[0]!)
    expect(quorum).toMatchObject({ errorCode: 0, leaderId: 3, observers: [] })
    expect(quorum!.leaderEpoch).toBeGreaterThan(0)
    expect(quorum!.currentVoters).toMatchObject([
      { replicaId: 3, logEndOffset: quorum!.highWatermark },
    ])
    // The founding, the broker and the topic.
    expect(quorum!.highWatermark).toBeGreaterThanOrEqual(3n)
    for (const absent of [second, other]) {
      expect(absent!.errorCode).toBe(errorCodes.UNKNOWN_TOPIC_OR_PARTITION)
    }
    const nodes = answer.nodes.map(({ nodeId, listeners }) => [nodeId, listeners[0]!.name])
    expect(nodes).toEqual(version < 2 ? [] : [[3, 'CONTROLLER']])
  }
})

test('UpdateFeatures: the level in force is agreed to, everything else is refused', async () => {
  const client = await harness.client(await harness.broker())
  const update = async (
    feature: string,
    maxVersionLevel: number,
    options: { version?: number; upgradeType?: number } = {},
  ) => {
    const { version = 2, upgradeType } = options
    const featureUpdates = [{ feature, maxVersionLevel, ...(upgradeType && { upgradeType }) }]
    const body = {
      featureUpdates:
        version > 0 ? featureUpdates : [{ feature, maxVersionLevel, allowDowngrade: true }],
    }
    const answer = await client.request(apis.updateFeatures, version, body)
    return [answer.errorCode, answer.results.length]
  }
  for (const version of versionsOf(apis.updateFeatures)) {
    expect(await update('metadata.version', 25, { version })).toEqual([0, version < 2 ? 1 : 0])
    expect(await update('metadata.version', 200, { version })).toEqual([95, 0])
    expect(await update('metadata.version', 20, { version })).toEqual([95, 0])
    expect(await update('nonsense', 1, { version })).toEqual([95, 0])
    expect(await update('nonsense', 0, { version })).toEqual([95, 0])
    expect(await update('metadata.version', -1, { version })).toEqual([95, 0])
  }
  expect(await update('metadata.version', 20, { upgradeType: 3 })).toEqual([95, 0])
  expect(await update('metadata.version', 25, { upgradeType: 9 })).toEqual([95, 0])
})
