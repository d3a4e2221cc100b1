import { apis, errorCodes, ZERO_UUID } from '@kfk/protocol'
import { handlers } from '../src/handlers/index.js'
import { Harness } from './harness.js'

const harness = new Harness()
afterEach(() => harness.close())

test('ApiVersions lists every handler with its range, in every version', async () => {
  const client = await harness.client(await harness.broker())
  for (let version = 0; version <= 4; version++) {
    const response = await client.request(apis.apiVersions, version, {
      clientSoftwareName: 'test-client',
      clientSoftwareVersion: '1.0.0',
    })
    expect(response.errorCode).toBe(0)
    const listed = new Map(response.apiKeys.map((range) => [range.apiKey, range]))
    expect(listed.size).toBe(handlers.length)
    for (const { api, versions } of handlers) {
      expect(listed.get(api.key)).toEqual({
        apiKey: api.key,
        minVersion: versions[0],
        maxVersion: versions[1],
      })
    }
    const features = response.supportedFeatures.map(({ name }) => name)
    // Its minimum is 0, which version 3 cannot say.
    expect(features.includes('transaction.version')).toBe(version === 4)
    if (version === 3) {
      expect(response.supportedFeatures.every(({ minVersion }) => minVersion > 0)).toBe(true)
    }
  }
})

test('what is advertised is what PROTOCOL asks for', () => {
  const ranges = new Map(handlers.map(({ api, versions }) => [api.key, versions]))
  expect(Object.fromEntries(ranges)).toMatchObject({
    0: [0, 13],
    1: [4, 18],
    2: [1, 11],
    3: [0, 13],
    8: [2, 10],
    9: [1, 10],
    10: [0, 6],
    11: [0, 9],
    12: [0, 4],
    13: [0, 5],
    14: [0, 5],
    15: [0, 6],
    16: [0, 5],
    17: [0, 1],
    18: [0, 4],
    19: [2, 7],
    20: [1, 6],
    22: [0, 5],
    23: [2, 4],
    29: [1, 3],
    30: [1, 3],
    31: [1, 3],
    36: [0, 2],
    43: [0, 2],
    45: [0, 1],
    46: [0, 0],
    48: [0, 1],
    50: [0, 0],
    55: [0, 2],
    57: [0, 2],
    60: [0, 2],
  })
})

test('a client that names itself badly is told so', async () => {
  const client = await harness.client(await harness.broker())
  const response = await client.request(apis.apiVersions, 3, {
    clientSoftwareName: '-',
    clientSoftwareVersion: '1',
  })
  expect(response).toMatchObject({ errorCode: errorCodes.INVALID_REQUEST, apiKeys: [] })
})

test('metadata in every version, with topics created on demand', async () => {
  const broker = await harness.broker({ config: { 'num.partitions': '2' } })
  const client = await harness.client(broker)
  for (let version = 0; version <= 13; version++) {
    const name = `topic-${version}`
    const response = await client.request(apis.metadata, version, {
      topics: [{ name }],
      includeTopicAuthorizedOperations: version >= 8,
    })
    expect(response.brokers).toEqual([
      { nodeId: 1, host: '127.0.0.1', port: broker.port, rack: null },
    ])
    if (version >= 1) expect(response.controllerId).toBe(1)
    if (version >= 2) expect(response.clusterId).toBe(broker.clusterId)
    const [topic] = response.topics
    expect(topic).toMatchObject({ errorCode: 0, name, isInternal: false })
    expect(topic!.partitions).toHaveLength(2)
    expect(topic!.partitions[1]).toMatchObject({
      errorCode: 0,
      partitionIndex: 1,
      leaderId: 1,
      replicaNodes: [1],
      isrNodes: [1],
    })
    if (version >= 10) expect(topic!.topicId).not.toBe(ZERO_UUID)
    if (version >= 8) expect(topic!.topicAuthorizedOperations).toBe(3576)
  }
  const all = await client.request(apis.metadata, 1, { topics: null })
  expect(all.topics).toHaveLength(14)
  expect((await client.request(apis.metadata, 0, { topics: [] })).topics).toHaveLength(14)
  expect((await client.request(apis.metadata, 1, { topics: [] })).topics).toHaveLength(0)
})

test('topics are found by id, and only real ones', async () => {
  const client = await harness.client(await harness.broker())
  const topicId = await client.topic('events')
  const unknown = 'QAAAAAAAAAAAAAAAAAAAAA'
  const { topics } = await client.request(apis.metadata, 12, {
    topics: [
      { topicId, name: null },
      { topicId: unknown, name: null },
    ],
    includeTopicAuthorizedOperations: false,
  })
  expect(topics[0]).toMatchObject({ errorCode: 0, name: 'events', topicId })
  expect(topics[1]).toMatchObject({ errorCode: errorCodes.UNKNOWN_TOPIC_ID, topicId: unknown })
})

test('missing topics are not created when the client or the broker does not want it', async () => {
  const ask = async (options: { allow: boolean; auto: string }, name = 'events') => {
    const broker = await harness.broker({ config: { 'auto.create.topics.enable': options.auto } })
    const client = await harness.client(broker)
    const { topics } = await client.request(apis.metadata, 9, {
      topics: [{ name }],
      allowAutoTopicCreation: options.allow,
      includeTopicAuthorizedOperations: false,
    })
    return topics[0]!.errorCode
  }
  const { UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC_EXCEPTION } = errorCodes
  expect(await ask({ allow: false, auto: 'true' })).toBe(UNKNOWN_TOPIC_OR_PARTITION)
  expect(await ask({ allow: true, auto: 'false' })).toBe(UNKNOWN_TOPIC_OR_PARTITION)
  for (const name of ['', '.', '..', 'a/b', 'x'.repeat(250), 'snow☃']) {
    expect(await ask({ allow: true, auto: 'true' }, name)).toBe(INVALID_TOPIC_EXCEPTION)
  }
})

test('DescribeCluster names the brokers and a controller', async () => {
  const broker = await harness.broker({ rack: 'r1' })
  const client = await harness.client(broker)
  for (let version = 0; version <= 2; version++) {
    const response = await client.request(apis.describeCluster, version, {
      includeClusterAuthorizedOperations: true,
    })
    expect(response).toMatchObject({
      errorCode: 0,
      clusterId: broker.clusterId,
      controllerId: 1,
      brokers: [{ brokerId: 1, host: '127.0.0.1', port: broker.port, rack: 'r1' }],
      clusterAuthorizedOperations: 8096,
    })
  }
  const controllers = await client.request(apis.describeCluster, 1, {
    includeClusterAuthorizedOperations: false,
    endpointType: 2,
  })
  expect(controllers.errorCode).toBe(errorCodes.MISMATCHED_ENDPOINT_TYPE)
})
