/* Names that are paths, or properties of every object: refused where they touch the disk, ordinary elsewhere. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { type Broker, createBroker } from '@kfk/broker'
import { type Client, createAdmin, createClient } from '@kfk/client'
import { createProducer } from '@kfk/producer'
import { apis, encodeRecordBatch, errorCodes } from '@kfk/protocol'
import { readTopic } from './support/stored-records.js'

const hostile = ['../x', '../../etc/passwd', '..', '.', 'a/b', 'a\\b', 'a\0b', 'ü', 'x'.repeat(250)]
/** Legal names that JavaScript objects know already. */
const peculiar = ['constructor', '__proto__', 'toString', 'hasOwnProperty', 'valueOf']

let parent: string
let broker: Broker
let client: Client

beforeEach(async () => {
  parent = fs.mkdtempSync(path.join(os.tmpdir(), 'kfk-names-'))
  broker = await createBroker({ dataDir: path.join(parent, 'data'), port: 0 })
  client = createClient({ broker })
})
afterEach(async () => {
  await client.close()
  await broker.close()
  fs.rmSync(parent, { recursive: true, force: true })
})

/** Every file below the parent of the data directory. */
const files = (): string[] => fs.readdirSync(parent, { recursive: true, encoding: 'utf8' }).sort()

async function served(): Promise<void> {
  await using producer = createProducer({ client })
  await producer.send('ordinary', { value: 'a' })
}

test.each(hostile)('no topic is called %j, whichever way it is asked for', async (name) => {
  await served()
  const before = files()
  const wish = { name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }
  const body = { topics: [wish], timeoutMs: 1000, validateOnly: false }
  const created = await client.request(apis.createTopics, body, 'any')
  expect(created.topics[0]).toMatchObject({
    errorCode: errorCodes.INVALID_TOPIC_EXCEPTION,
    errorMessage: expect.stringMatching(/name/i),
  })
  const asked = { topics: [{ name }], allowAutoTopicCreation: true }
  const metadata = await client.request(apis.metadata, asked, 'any')
  expect(metadata.topics[0]!.errorCode).toBe(errorCodes.INVALID_TOPIC_EXCEPTION)
  const records = encodeRecordBatch([{ key: null, value: 'x', timestamp: 1 }])
  const topicData = [{ name, partitionData: [{ index: 0, records }] }]
  const produce = { acks: -1, timeoutMs: 1000, topicData }
  const produced = await client.request(apis.produce, produce, { nodeId: 1 }, { maxVersion: 12 })
  expect([errorCodes.INVALID_TOPIC_EXCEPTION, errorCodes.UNKNOWN_TOPIC_OR_PARTITION]).toContain(
    produced.responses[0]!.partitionResponses[0]!.errorCode,
  )
  const topics = [
    { topic: name, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 9 }] },
  ]
  const fetch = { maxWaitMs: 0, minBytes: 0, topics, forgottenTopicsData: [] }
  const fetched = await client.request(apis.fetch, fetch, { nodeId: 1 }, { maxVersion: 12 })
  expect(fetched.responses[0]!.partitions[0]!.errorCode).not.toBe(0)
  const deletion = { topics: [], topicNames: [name], timeoutMs: 1000 }
  const deleted = await client.request(apis.deleteTopics, deletion, 'any', { maxVersion: 5 })
  expect(deleted.responses[0]!.errorCode).not.toBe(0)
  const offset = { partitionIndex: 0, committedOffset: 1, committedMetadata: '' }
  const topicId = 'AAAAAAAAAAAAAAAAAAAAAA'
  const commit = { groupId: 'g', memberId: '', topics: [{ name, topicId, partitions: [offset] }] }
  const target = { group: 'g' }
  const answer = await client.request(apis.offsetCommit, commit, target, { maxVersion: 8 })
  expect(answer.topics[0]!.partitions[0]!.errorCode).not.toBe(0)
  await served()
  // The offsets topic is new; nothing else is, and nothing is outside.
  const known = /^data[\\/]__consumer_offsets-/
  expect(files().filter((file) => !known.test(file))).toEqual(before)
})

test.each(peculiar)('a topic and a group may be called %s', async (name) => {
  await using admin = createAdmin({ client })
  // By Metadata, as a first send does.
  {
    await using first = createProducer({ client })
    await first.send(name, { value: 'by metadata' })
  }
  await admin.deleteTopics([name])
  client.metadata.invalidate(name)
  await admin.createTopics([{ name, partitions: 2, configs: { 'retention.ms': '1234567' } }])
  await using producer = createProducer({ client })
  await producer.send(name, { value: 'a', partition: 1 })
  await producer.close()
  await admin.alterGroupOffsets(name, [{ topic: name, partition: 1, offset: 1n }])
  expect(await admin.listGroupOffsets(name)).toMatchObject([{ topic: name, offset: 1n }])
  expect(await admin.listTopics()).toEqual([name])
  const [config] = await admin.describeConfigs([{ type: 'topic', name }])
  expect(JSON.stringify(config)).toContain('1234567')
  const [, records] = await readTopic(broker.brokers, name, 2)
  expect(records!.map(({ value }) => value)).toEqual(['a'])
  // After a restart as well.
  await client.close()
  await broker.close()
  broker = await createBroker({ dataDir: path.join(parent, 'data'), port: 0 })
  client = createClient({ broker })
  await using again = createAdmin({ client })
  expect(await again.listGroupOffsets(name)).toMatchObject([{ topic: name, offset: 1n }])
  await again.deleteGroups([name])
  await again.deleteTopics([name])
  expect(await again.listTopics()).toEqual([])
})
