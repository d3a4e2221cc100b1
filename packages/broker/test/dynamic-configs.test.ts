// Configs of brokers that are changed while they run: they act, they last, and DescribeConfigs
// tells where each value comes from.
import { apis, errorCodes } from '@kfk/protocol'
import { batchOf, Harness, type RawClient } from './harness.js'

const harness = new Harness()
afterEach(() => harness.close())

const topicType = 2
const brokerType = 4

type Change = readonly [name: string, value: string | null]

/** Sets, or with null deletes, configs; gives the error code. */
async function set(client: RawClient, broker: string, ...changes: Change[]): Promise<number> {
  const configs = changes.map(([name, value]) => ({
    name,
    configOperation: value === null ? 1 : 0,
    value,
  }))
  const resources = [{ resourceType: brokerType, resourceName: broker, configs }]
  const body = { resources, validateOnly: false }
  const { responses } = await client.request(apis.incrementalAlterConfigs, 1, body)
  return responses[0]!.errorCode
}

async function replace(
  client: RawClient,
  resource: { type: number; name: string },
  ...configs: { name: string; value: string | null }[]
): Promise<number> {
  const { type: resourceType, name: resourceName } = resource
  const body = { resources: [{ resourceType, resourceName, configs }], validateOnly: false }
  const { responses } = await client.request(apis.alterConfigs, 2, body)
  return responses[0]!.errorCode
}

/** Value, source and synonyms of one config. */
async function describe(client: RawClient, type: number, name: string, key: string) {
  const resource = { resourceType: type, resourceName: name, configurationKeys: [key] }
  const body = { resources: [resource], includeSynonyms: true }
  const { results } = await client.request(apis.describeConfigs, 4, body)
  const [config] = results[0]!.configs
  return (
    config && {
      value: config.value,
      source: config.configSource,
      synonyms: config.synonyms.map(({ source, value }) => `${source}=${value}`).join(' '),
    }
  )
}

async function createTopic(client: RawClient): Promise<void> {
  const topics = [
    { name: 't', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] },
  ]
  await client.request(apis.createTopics, 7, { topics, timeoutMs: 5000, validateOnly: false })
}

test("a broker's own value counts before that of all brokers, both before those of its start", async () => {
  const dataDir = await harness.directory()
  const config = { 'message.max.bytes': '5000' }
  const broker = await harness.broker({ dataDir, config })
  const client = await harness.client(broker)
  await createTopic(client)
  const ofBroker = () => describe(client, brokerType, '1', 'message.max.bytes')
  const ofTopic = () => describe(client, topicType, 't', 'max.message.bytes')
  expect(await ofBroker()).toEqual({ value: '5000', source: 4, synonyms: '4=5000 5=1048588' })
  expect(await set(client, '', ['message.max.bytes', '6000'])).toBe(0)
  expect(await ofBroker()).toMatchObject({ value: '6000', source: 3 })
  expect(await set(client, '1', ['message.max.bytes', '7000'])).toBe(0)
  const all = { value: '7000', source: 2, synonyms: '2=7000 3=6000 4=5000 5=1048588' }
  expect(await ofBroker()).toEqual(all)
  expect(await ofTopic()).toEqual(all)
  const cluster = await describe(client, brokerType, '', 'message.max.bytes')
  expect(cluster).toEqual({ value: '6000', source: 3, synonyms: '3=6000' })
  // The metadata log keeps them.
  await broker.close()
  const restarted = await harness.client(await harness.broker({ dataDir, config }))
  expect(await describe(restarted, topicType, 't', 'max.message.bytes')).toEqual(all)
  expect(await set(restarted, '1', ['message.max.bytes', null])).toBe(0)
  expect(await set(restarted, '', ['message.max.bytes', null])).toBe(0)
  const back = await describe(restarted, brokerType, '1', 'message.max.bytes')
  expect(back).toEqual({ value: '5000', source: 4, synonyms: '4=5000 5=1048588' })
})

test('a changed limit counts for the next record of a partition that is open', async () => {
  const client = await harness.client(await harness.broker())
  await createTopic(client)
  expect((await client.produce('t', batchOf(['x'.repeat(3000)]))).errorCode).toBe(0)
  await set(client, '', ['message.max.bytes', '2000'])
  const refused = await client.produce('t', batchOf(['x'.repeat(3000)]))
  expect(refused.errorCode).toBe(errorCodes.MESSAGE_TOO_LARGE)
  await set(client, '1', ['message.max.bytes', '4000'])
  expect((await client.produce('t', batchOf(['x'.repeat(3000)]))).errorCode).toBe(0)
})

test('AlterConfigs replaces: what is not named returns to its default', async () => {
  const client = await harness.client(await harness.broker())
  await createTopic(client)
  await set(client, '1', ['message.max.bytes', '7000'], ['log.retention.ms', '1000'])
  const own = { type: brokerType, name: '1' }
  expect(await replace(client, own, { name: 'log.retention.ms', value: '2000' })).toBe(0)
  expect(await describe(client, brokerType, '1', 'message.max.bytes')).toMatchObject({ source: 5 })
  expect(await describe(client, topicType, 't', 'retention.ms')).toMatchObject({
    value: '2000',
    synonyms: '2=2000 5=168',
  })
  const topic = { type: topicType, name: 't' }
  expect(await replace(client, topic, { name: 'segment.bytes', value: '4096' })).toBe(0)
  expect(await replace(client, topic, { name: 'retention.ms', value: '3000' })).toBe(0)
  expect(await describe(client, topicType, 't', 'segment.bytes')).toMatchObject({ source: 5 })
  expect(await describe(client, topicType, 't', 'retention.ms')).toMatchObject({ source: 1 })
  expect(await replace(client, topic, { name: 'retention.ms', value: null })).toBe(42)
  expect(await replace(client, { type: topicType, name: 'no' })).toBe(3)
})

test('what a broker cannot take up is refused as Kafka refuses it', async () => {
  const client = await harness.client(await harness.broker())
  expect(await set(client, '1', ['node.id', '2'])).toBe(errorCodes.INVALID_REQUEST)
  expect(await set(client, '1', ['message.max.bytes', 'x'])).toBe(errorCodes.INVALID_REQUEST)
  expect(await set(client, '2', ['message.max.bytes', '1000'])).toBe(errorCodes.INVALID_REQUEST)
  expect(await set(client, 'x', ['message.max.bytes', '1000'])).toBe(errorCodes.INVALID_REQUEST)
  expect(await set(client, '1', ['num.io.threads', '9'])).toBe(errorCodes.INVALID_CONFIG)
  expect(await set(client, '1', ['num.io.threads', '8'])).toBe(0)
  const resource = { resourceType: brokerType, resourceName: '1', configs: [] }
  const body = { resources: [resource, resource], validateOnly: false }
  const { responses } = await client.request(apis.incrementalAlterConfigs, 1, body)
  expect(responses.map(({ errorCode }) => errorCode)).toEqual([42, 42])
})

test('ListConfigResources: topics, brokers and their loggers; before version 1 nothing', async () => {
  const client = await harness.client(await harness.broker())
  await createTopic(client)
  const list = async (version: number, resourceTypes?: number[]) => {
    const body = resourceTypes === undefined ? {} : { resourceTypes }
    const answer = await client.request(apis.listConfigResources, version, body)
    const found = answer.configResources.map(({ resourceType, resourceName }) => [
      resourceType,
      resourceName,
    ])
    return [answer.errorCode, ...found]
  }
  expect(await list(1, [])).toEqual([0, [8, '1'], [4, '1'], [2, 't']])
  expect(await list(1, [2])).toEqual([0, [2, 't']])
  expect(await list(1, [16, 32])).toEqual([0])
  expect(await list(1, [2, 99])).toEqual([35])
  expect(await list(0)).toEqual([0])
})

test('groups are described with their defaults, which they keep', async () => {
  const client = await harness.client(await harness.broker())
  const groupType = 32
  const described = await describe(client, groupType, 'g', 'consumer.session.timeout.ms')
  expect(described).toMatchObject({ value: '45000', source: 5 })
  const keep = { name: 'consumer.session.timeout.ms', value: '45000' }
  expect(await replace(client, { type: groupType, name: 'g' }, keep)).toBe(0)
  const change = { name: 'consumer.session.timeout.ms', value: '50000' }
  expect(await replace(client, { type: groupType, name: 'g' }, change)).toBe(40)
  expect(await replace(client, { type: groupType, name: '' }, change)).toBe(42)
})
