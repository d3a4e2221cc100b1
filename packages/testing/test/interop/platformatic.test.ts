// @platformatic/kafka 1.35 against our broker. KFK_INTEROP=kafka runs the same against Apache
// Kafka.
import path from 'node:path'
import { createAdmin } from '@kfk/client'
import { createConsumer } from '@kfk/consumer'
import { createProducer } from '@kfk/producer'
import {
  eventually,
  runProcess,
  startInteropBroker,
  startProcess,
  type InteropBroker,
  type RunningProcess,
} from '../../src/index'

type Json = Record<string, unknown>

const program = path.resolve(__dirname, '../../fixtures/platformatic/client.mjs')
let broker: InteropBroker
const running: RunningProcess[] = []
beforeAll(async () => {
  broker = await startInteropBroker()
})
afterEach(async () => {
  await Promise.all(running.splice(0).map((member) => member.stop('SIGKILL')))
})
afterAll(() => broker.stop())

const lines = (text: string): Json[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('{') || line.startsWith('['))
    .map((line) => JSON.parse(line) as Json)

const argumentsOf = (command: string, options: Json): string[] => [
  program,
  broker.bootstrap,
  command,
  JSON.stringify(options),
]

async function run(command: string, options: Json): Promise<Json[]> {
  const { code, stdout, stderr } = await runProcess(process.execPath, argumentsOf(command, options))
  expect({ command, code, stderr }).toMatchObject({ code: 0 })
  return lines(stdout)
}

const admin = async (...calls: [method: string, options?: Json][]): Promise<Json[]> =>
  run('admin', { calls })

async function createTopic(name: string, partitions: number): Promise<void> {
  await using ours = createAdmin({ brokers: broker.bootstrap })
  await ours.createTopics([{ name, partitions }])
}

test('administers topics', async () => {
  const topic = { topics: ['made'], partitions: 2, replicas: 1 }
  const grow = { topics: [{ name: 'made', count: 3, assignments: [{ brokerIds: [1] }] }] }
  const keys = ['retention.ms', 'cleanup.policy']
  const resource = { resourceType: 2, resourceName: 'made', configurationKeys: keys }
  const change = { name: 'retention.ms', configOperation: 0, value: '60000' }
  const changed = { resourceType: 2, resourceName: 'made', configs: [change] }
  const [created, again, bad, grown, altered] = await admin(
    ['createTopics', { ...topic, configs: [{ name: 'cleanup.policy', value: 'compact' }] }],
    ['createTopics', topic],
    ['createTopics', { ...topic, topics: ['a/b'] }],
    ['createPartitions', grow],
    ['incrementalAlterConfigs', { resources: [changed] }],
  )
  const [configs, listed, metadata, gone, rest] = await admin(
    ['describeConfigs', { resources: [resource] }],
    ['listTopics'],
    ['metadata', { topics: ['made'] }],
    ['deleteTopics', { topics: ['made'] }],
    ['listTopics'],
  )
  expect(created).toMatchObject({ gave: [{ name: 'made', partitions: 2, replicas: 1 }] })
  expect(again).toEqual({ refused: ['TOPIC_ALREADY_EXISTS'] })
  expect(bad).toEqual({ refused: ['INVALID_TOPIC_EXCEPTION'] })
  expect([grown, altered, gone]).toEqual([{}, {}, {}])
  const values = (configs as { gave: { configs: { name: string; value: string }[] }[] }).gave
  expect(Object.fromEntries(values[0]!.configs.map(({ name, value }) => [name, value]))).toEqual({
    'retention.ms': '60000',
    'cleanup.policy': 'compact',
  })
  expect(listed!.gave).toContain('made')
  expect(rest!.gave).not.toContain('made')
  const { topics } = metadata!.gave as { topics: Record<string, { partitions: Json[] }> }
  expect(topics.made!.partitions).toMatchObject(
    [0, 1, 2].map(() => ({ leader: 1, replicas: [1], isr: [1], offlineReplicas: [] })),
  )
})

test.each(['none', 'gzip', 'snappy', 'lz4'] as const)('produces and consumes %s', async (codec) => {
  const topic = `codec-${codec}`
  await createTopic(topic, 1)
  const value = `${codec} `.repeat(50)
  const messages = [
    { topic, key: 'k', value, headers: { a: '1', b: 'ü' }, partition: 0 },
    { topic, value: 'no key' },
  ]
  const [sent] = await run('produce', { messages, compression: codec, acks: 1 })
  expect(sent).toEqual({ offsets: [{ topic, partition: 0, offset: 0 }] })
  {
    // Not snappy: it knows nothing of the frames that Java's producer and ours write around its
    // blocks.
    const compression = codec === 'snappy' ? 'none' : codec
    await using producer = createProducer({ brokers: broker.bootstrap, compression })
    await producer.send(topic, { key: 'ours', value, headers: { c: '3' }, timestamp: 1000 })
  }
  const [joined, ...read] = await run('consume', { groupId: topic, topic, count: 3 })
  expect(joined).toEqual({ assignments: [{ topic, partitions: [0] }] })
  expect(read).toMatchObject([
    { partition: 0, offset: 0, key: 'k', value, headers: { a: '1', b: 'ü' } },
    { partition: 0, offset: 1, value: 'no key', headers: {} },
    { partition: 0, offset: 2, key: 'ours', value, headers: { c: '3' }, timestamp: 1000 },
    { seen: 3 },
  ])
  await using consumer = createConsumer({
    brokers: broker.bootstrap,
    topics: [topic],
    from: 'earliest',
  })
  const seen: unknown[] = []
  for await (const record of consumer) {
    seen.push(String(record.value && Buffer.from(record.value)))
    if (seen.length === 3) break
  }
  expect(seen).toEqual([value, 'no key', value])
})

test('the idempotent producer', async () => {
  await createTopic('idempotent', 1)
  const numbers = Array.from({ length: 20 }, (_, n) => n)
  const messages = numbers.map((n) => ({ topic: 'idempotent', key: `${n}`, value: `${n}` }))
  const sent = await run('sendEach', { messages, idempotent: true })
  const offsets = sent.map((each) => (each.offsets as { offset: number }[])[0]!.offset)
  expect(offsets).toEqual(numbers)
  const read = await run('consume', { groupId: 'idempotent', topic: 'idempotent', count: 20 })
  expect(read.filter(({ value }) => value !== undefined).map(({ value }) => Number(value))).toEqual(
    numbers,
  )
})

test('members of a group come and go, and are described', async () => {
  await createTopic('shared', 4)
  const member = (): RunningProcess => {
    const options = { groupId: 'sharers', topic: 'shared' }
    const started = startProcess(process.execPath, argumentsOf('consume', options))
    running.push(started)
    return started
  }
  const partitions = (each: RunningProcess): number[] => {
    const joins = lines(each.output()).filter(({ assignments }) => assignments !== undefined)
    const last = joins.at(-1)?.assignments as { partitions: number[] }[] | undefined
    return last?.[0]?.partitions ?? []
  }
  const spread = (...members: RunningProcess[]): Promise<true> =>
    eventually('a spread assignment', () => {
      const even = members.every((each) => partitions(each).length === 4 / members.length)
      return (even && new Set(members.flatMap(partitions)).size === 4) || undefined
    })
  const values = (...members: RunningProcess[]): unknown[] =>
    members.flatMap((each) => lines(each.output()).flatMap(({ value }) => value ?? []))
  const send = async (prefix: string): Promise<void> => {
    await using producer = createProducer({ brokers: broker.bootstrap })
    const records = Array.from({ length: 40 }, (_, n) => ({
      value: `${prefix}${n}`,
      partition: n % 4,
    }))
    await producer.send('shared', records)
  }
  const first = member()
  await spread(first)
  const second = member()
  await spread(first, second)
  await send('a')
  await eventually('40', () => new Set(values(first, second)).size >= 40 || undefined)
  const [described] = await admin(['describeGroups', { groups: ['sharers'] }])
  const { sharers } = described!.gave as Record<string, { members: Json }>
  expect(sharers).toMatchObject({ state: 'STABLE', protocolType: 'consumer' })
  expect(Object.keys(sharers!.members)).toHaveLength(2)
  await first.stop('SIGTERM')
  await spread(second)
  await send('b')
  await eventually('80', () => new Set(values(first, second)).size >= 80 || undefined)
  await second.stop('SIGTERM')
  // At least once: over a rebalance this client may read again what it has committed.
  expect(new Set(values(first, second)).size).toBe(80)
  const [groups, offsets, deleted] = await admin(
    ['listGroups', {}],
    ['listConsumerGroupOffsets', { groups: ['sharers'] }],
    ['deleteGroups', { groups: ['sharers'] }],
  )
  expect(groups!.gave).toMatchObject({ sharers: { state: 'EMPTY', groupType: 'classic' } })
  expect(offsets!.gave).toMatchObject([
    { topics: [{ partitions: [0, 1, 2, 3].map(() => ({ committedOffset: 20 })) }] },
  ])
  expect(deleted).toEqual({})
})
