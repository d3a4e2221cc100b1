// Kafka 4.2's command line tools for topics, configs, groups and offsets against our broker.
// KFK_INTEROP=kafka runs the same against Apache Kafka.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createConsumer } from '@kfk/consumer'
import { createProducer } from '@kfk/producer'
import {
  peers,
  startInteropBroker,
  startJavaTools,
  withPeer,
  type InteropBroker,
  type JavaTools,
} from '../../src/index'

const tools = 'org.apache.kafka.tools'
const groups = `${tools}.consumer.group.ConsumerGroupCommand`

withPeer(peers.kafka(), "Kafka's admin tools", () => {
  let broker: InteropBroker
  let java: JavaTools
  beforeAll(async () => {
    ;[broker, java] = await Promise.all([startInteropBroker(), startJavaTools()])
  })
  afterAll(async () => {
    await java.stop()
    await broker.stop()
  })

  /** What a tool prints, which must succeed. */
  async function run(className: string, ...args: string[]): Promise<string> {
    const { code, output } = await java.run(className, [
      ...['--bootstrap-server', broker.bootstrap],
      ...args,
    ])
    expect({ className, args, code, output }).toMatchObject({ code: 0 })
    return output.trim()
  }

  const topics = (...args: string[]): Promise<string> => run(`${tools}.TopicCommand`, ...args)

  /** Rows of a table, their words, without the head. */
  const rows = (text: string): string[][] =>
    text
      .split('\n')
      .filter((line) => line.trim() !== '')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))

  async function fill(topic: string, ...timestamps: number[]): Promise<void> {
    await using producer = createProducer({ brokers: broker.bootstrap })
    const at = (timestamp: number) => ({ value: `${timestamp}`, partition: 0, timestamp })
    await producer.send(topic, timestamps.map(at))
  }

  test('TopicCommand', async () => {
    const create = ['--create', '--topic', 'made', '--partitions', '3']
    const created = await topics(...create, '--config', 'retention.ms=60000')
    expect(created).toContain('Created topic made.')
    expect(await topics(...create, '--if-not-exists')).toBe('')
    const again = await java.run(`${tools}.TopicCommand`, [
      ...['--bootstrap-server', broker.bootstrap],
      ...create,
    ])
    expect(again.code).toBe(1)
    expect(again.output).toContain("Topic 'made' already exists")
    await topics('--alter', '--topic', 'made', '--partitions', '5')
    const described = await topics('--describe', '--topic', 'made')
    expect(described).toMatch(
      /^Topic: made\tTopicId: [\w-]{22}\tPartitionCount: 5\tReplicationFactor: 1\tConfigs: .*retention\.ms=60000/,
    )
    const partition = (index: number) =>
      expect.stringContaining(`Topic: made\tPartition: ${index}\tLeader: 1\tReplicas: 1\tIsr: 1`)
    expect(described.split('\n').slice(1)).toEqual([0, 1, 2, 3, 4].map(partition))
    expect(await topics('--describe', '--unavailable-partitions')).toBe('')
    expect((await topics('--list')).split('\n')).toContain('made')
    await topics('--delete', '--topic', 'made')
    expect((await topics('--list')).split('\n')).not.toContain('made')
  })

  test('ConfigCommand', async () => {
    await topics('--create', '--topic', 'configured')
    const config = (...args: string[]): Promise<string> =>
      run('kafka.admin.ConfigCommand', '--entity-type', ...args)
    const topic = ['topics', '--entity-name', 'configured']
    await config(...topic, '--alter', '--add-config', 'retention.ms=1000,cleanup.policy=compact')
    const both = await config(...topic, '--describe')
    expect(both).toContain('retention.ms=1000 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:')
    expect(both).toContain('cleanup.policy=compact')
    await config(...topic, '--alter', '--delete-config', 'retention.ms')
    const one = await config(...topic, '--describe')
    expect(one).not.toContain('retention.ms')
    const all = await config(...topic, '--describe', '--all')
    expect(all).toContain('  retention.ms=604800000 sensitive=false')
    expect(all).toContain('  cleanup.policy=compact sensitive=false')
    const node = await config('brokers', '--entity-name', '1', '--describe', '--all')
    expect(node).toContain('  group.initial.rebalance.delay.ms=0 sensitive=false')
    const bad = await java.run('kafka.admin.ConfigCommand', [
      ...['--bootstrap-server', broker.bootstrap, '--entity-type', ...topic],
      ...['--alter', '--add-config', 'retention.ms=never'],
    ])
    expect(bad.code).toBe(1)
    expect(bad.output).toMatch(
      /InvalidConfigurationException: Invalid value .*never.* for .*retention\.ms/,
    )
  })

  test('ConfigCommand: brokers while they run, one and all', async () => {
    const config = (...args: string[]): Promise<string> =>
      run('kafka.admin.ConfigCommand', '--entity-type', 'brokers', ...args)
    const set = (value: number) => ['--alter', '--add-config', `message.max.bytes=${value}`]
    await config('--entity-default', ...set(2_000_000))
    await config('--entity-name', '1', ...set(3_000_000))
    const described = await config('--entity-name', '1', '--describe')
    expect(described).toContain(
      'message.max.bytes=3000000 sensitive=false synonyms={DYNAMIC_BROKER_CONFIG:' +
        'message.max.bytes=3000000, DYNAMIC_DEFAULT_BROKER_CONFIG:message.max.bytes=2000000, ' +
        'DEFAULT_CONFIG:message.max.bytes=1048588}',
    )
    expect(await config('--entity-default', '--describe')).toContain('message.max.bytes=2000000')
    const unset = ['--alter', '--delete-config', 'message.max.bytes']
    await config('--entity-default', ...unset)
    await config('--entity-name', '1', ...unset)
    expect(await config('--entity-name', '1', '--describe')).not.toContain('message.max.bytes')
    const users = ['--entity-type', 'users', '--describe']
    expect(await run('kafka.admin.ConfigCommand', ...users)).toBe('')
  })

  test('MetadataQuorumCommand, LeaderElectionCommand, ReassignPartitionsCommand, AclCommand', async () => {
    await topics('--create', '--topic', 'led')
    const quorum = `${tools}.MetadataQuorumCommand`
    const status = await run(quorum, 'describe', '--status')
    expect(status).toMatch(/LeaderId: +1\n/)
    expect(status).toMatch(/HighWatermark: +[1-9]/)
    const replicas = rows(await run(quorum, 'describe', '--replication'))
    expect(replicas).toHaveLength(1)
    expect(replicas[0]).toContain('Leader')
    const elected = await run(
      `${tools}.LeaderElectionCommand`,
      ...['--election-type', 'preferred'],
      ...['--topic', 'led', '--partition', '0'],
    )
    expect(elected).toContain('Valid replica already elected for partitions led-0')
    const moves = await run(`${tools}.reassign.ReassignPartitionsCommand`, '--list')
    expect(moves).toContain('No partition reassignments found.')
    const acls = await java.run(`${tools}.AclCommand`, [
      ...['--bootstrap-server', broker.bootstrap, '--list'],
    ])
    expect(acls.output).toContain('No Authorizer is configured')
  })

  test('ConsumerGroupCommand', async () => {
    await topics('--create', '--topic', 'read', '--partitions', '2')
    await fill('read', Date.UTC(2020, 0), Date.UTC(2021, 0), Date.UTC(2022, 0))
    await using consumer = createConsumer({
      brokers: broker.bootstrap,
      clientId: 'reader',
      group: 'readers',
      topics: ['read'],
      from: 'earliest',
      autoCommit: false,
    })
    for await (const { offset } of consumer) if (offset === 2n) break
    await consumer.commit([{ topic: 'read', partition: 0, offset: 2n }])
    const readers = ['--group', 'readers']
    expect(rows(await run(groups, '--list', '--state'))).toContainEqual(['readers', 'Stable'])
    const offsets = rows(await run(groups, '--describe', ...readers))
    const id = consumer.membership!.memberId
    const host = '/127.0.0.1'
    expect(offsets).toEqual([
      ['readers', 'read', '0', '2', '3', '1', id, host, 'reader'],
      ['readers', 'read', '1', '-', '0', '-', id, host, 'reader'],
    ])
    const members = await run(groups, '--describe', '--members', '--verbose', ...readers)
    expect(rows(members)[0]!.slice(0, 5)).toEqual(['readers', id, host, 'reader', '2'])
    expect(members).toContain(' read:0,1 ')
    const state = rows(await run(groups, '--describe', '--state', ...readers))[0]!
    const coordinator = [broker.bootstrap, '(1)', 'cooperative-sticky', 'Stable', '1']
    expect(state).toEqual(['readers', ...coordinator])
    await consumer.close()

    const reset = async (...to: string[]): Promise<string[][]> =>
      rows(await run(groups, '--reset-offsets', ...readers, '--topic', 'read:0', ...to))
    const at = (offset: string) => [['readers', 'read', '0', offset]]
    expect(await reset('--to-datetime', '2020-06-01T00:00:00.000', '--dry-run')).toEqual(at('1'))
    expect(await reset('--to-earliest', '--execute')).toEqual(at('0'))
    expect(await reset('--shift-by', '2', '--execute')).toEqual(at('2'))
    expect(await reset('--to-datetime', '2020-06-01T00:00:00.000', '--execute')).toEqual(at('1'))
    const after = await run(groups, '--describe', ...readers)
    expect(after).toContain("Consumer group 'readers' has no active members.")
    expect(after).toMatch(/readers +read +0 +1 +3 +2 +- +- +-/)
    const forgotten = await run(groups, '--delete-offsets', ...readers, '--topic', 'read')
    expect(forgotten).toContain('Successful')
    expect(await run(groups, '--delete', ...readers)).toContain("('readers') was successful")
    expect(await run(groups, '--list')).not.toContain('readers')
  })

  test('GetOffsetShell, DeleteRecordsCommand, LogDirsCommand', async () => {
    await topics('--create', '--topic', 'measured', '--partitions', '2')
    await fill('measured', 1000, 3000, 2000)
    const offsets = async (time: string): Promise<string[]> =>
      (await run(`${tools}.GetOffsetShell`, '--topic', 'measured', '--time', time)).split('\n')
    expect(await offsets('latest')).toEqual(['measured:0:3', 'measured:1:0'])
    expect(await offsets('earliest')).toEqual(['measured:0:0', 'measured:1:0'])
    expect((await offsets('max-timestamp'))[0]).toBe('measured:0:1')
    expect((await offsets('1001'))[0]).toBe('measured:0:1')
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'kfk-java-admin-'))
    const file = path.join(dir, 'offsets.json')
    const partitions = [{ topic: 'measured', partition: 0, offset: 2 }]
    fs.writeFileSync(file, JSON.stringify({ version: 1, partitions }))
    const deleted = await run(`${tools}.DeleteRecordsCommand`, '--offset-json-file', file)
    fs.rmSync(dir, { recursive: true })
    expect(deleted).toContain('partition: measured-0\tlow_watermark: 2')
    expect(await offsets('earliest')).toEqual(['measured:0:2', 'measured:1:0'])
    const listed = await run(`${tools}.LogDirsCommand`, '--describe', '--topic-list', 'measured')
    const { brokers } = JSON.parse(/^\{.*\}$/m.exec(listed)![0]) as {
      brokers: { logDirs: { partitions: { partition: string; size: number }[] }[] }[]
    }
    const sizes = brokers[0]!.logDirs[0]!.partitions
    expect(sizes.map(({ partition }) => partition).sort()).toEqual(['measured-0', 'measured-1'])
    expect(sizes.find(({ partition }) => partition === 'measured-0')!.size).toBeGreaterThan(0)
  })

  test('BrokerApiVersionsCommand, ClusterTool, FeatureCommand', async () => {
    const versions = await run(`${tools}.BrokerApiVersionsCommand`)
    expect(versions).toContain(`${broker.bootstrap} (id: 1 rack: null isFenced: false) -> (`)
    const usable = {
      ...{ Produce: '0 to 13 [usable: 13]', Fetch: '4 to 18 [usable: 18]' },
      ...{ ListOffsets: '1 to 11 [usable: 11]', Metadata: '0 to 13 [usable: 13]' },
      ...{ OffsetCommit: '2 to 10 [usable: 10]', OffsetFetch: '1 to 10 [usable: 10]' },
      ...{ JoinGroup: '0 to 9 [usable: 9]', ApiVersions: '0 to 4 [usable: 4]' },
      ...{ CreateTopics: '2 to 7 [usable: 7]', InitProducerId: '0 to 5 [usable: 5]' },
    }
    for (const [name, range] of Object.entries(usable)) {
      expect(versions).toMatch(
        new RegExp(`\\t${name}\\(\\d+\\): ${range.replace(/[[\]]/g, '\\$&')}`),
      )
    }
    const bootstrap = ['--bootstrap-server', broker.bootstrap]
    const cluster = await java.run(`${tools}.ClusterTool`, ['cluster-id', ...bootstrap])
    expect(cluster).toMatchObject({ code: 0 })
    expect(cluster.output).toMatch(/Cluster ID: [\w-]{22}/)
    const features = await run(`${tools}.FeatureCommand`, 'describe')
    expect(features).toContain('Feature: metadata.version')
    expect(features).toMatch(/transaction\.version.*FinalizedVersionLevel: 2/)
  })
})
