import { readFileSync } from 'node:fs'
import path from 'node:path'
import { errorCodes } from '@kfk/protocol'
import { StaticBrokerConfig } from '../../src/config/broker-config'
import { brokerConfigs, topicConfigSynonyms } from '../../src/config/broker-configs'
import { allowedInstead } from '../../src/config/config-definition'
import { describeBrokerConfigs, describeTopicConfigs } from '../../src/config/describe'
import {
  alterConfigValues,
  brokerConfigurable,
  replaceConfigValues,
  topicConfigProblem,
  topicConfigurable,
} from '../../src/config/config-changes'
import { topicConfigs } from '../../src/config/topic-configs'
import { BrokerError } from '../../src/errors'
import { configuredVoter, resolveOptions } from '../../src/options'

const LONG_MAX = '9223372036854775807'
const invalid = (message: RegExp | string) =>
  expect.objectContaining({
    code: 'KFK_BROKER_INVALID_CONFIG',
    message: message instanceof RegExp ? expect.stringMatching(message) : message,
  })
const thrownBy = (act: () => unknown): unknown => {
  try {
    act()
  } catch (error) {
    expect(error).toBeInstanceOf(BrokerError)
    return error
  }
  throw new Error('nothing was thrown')
}

describe('the config registry', () => {
  test('every default is a value that the registry itself allows', () => {
    for (const definition of [...brokerConfigs.values(), ...topicConfigs.values()]) {
      if (definition.default === null) continue
      expect([definition.name, allowedInstead(definition, definition.default)]).toEqual([
        definition.name,
        undefined,
      ])
    }
  })

  test('every synonym of a topic config is a broker config, and rows are sorted as Kafka sorts them', () => {
    for (const [topicName, synonyms] of topicConfigSynonyms) {
      expect(topicConfigs.has(topicName)).toBe(true)
      for (const { name } of synonyms) expect(brokerConfigs.has(name)).toBe(true)
    }
    expect([...topicConfigs.keys()]).toEqual([...topicConfigs.keys()].sort())
    expect([...brokerConfigs.keys()]).toEqual([...brokerConfigs.keys()].sort())
  })

  test('topic configs are exactly those of Kafka 4.1, with its defaults but for flush.messages', () => {
    // Dumped from a real Kafka 4.1.0.
    const kafka =
      'cleanup.policy=delete; compression.gzip.level=-1; compression.lz4.level=9; ' +
      'compression.type=producer; compression.zstd.level=3; ' +
      'delete.retention.ms=86400000; file.delete.delay.ms=60000; ' +
      'flush.messages=9223372036854775807; flush.ms=9223372036854775807; ' +
      'follower.replication.throttled.replicas=; index.interval.bytes=4096; ' +
      'leader.replication.throttled.replicas=; local.retention.bytes=-2; ' +
      'local.retention.ms=-2; max.compaction.lag.ms=9223372036854775807; ' +
      'max.message.bytes=1048588; message.timestamp.after.max.ms=3600000; ' +
      'message.timestamp.before.max.ms=9223372036854775807; ' +
      'message.timestamp.type=CreateTime; min.cleanable.dirty.ratio=0.5; ' +
      'min.compaction.lag.ms=0; min.insync.replicas=1; preallocate=false; ' +
      'remote.log.copy.disable=false; remote.log.delete.on.disable=false; ' +
      'remote.storage.enable=false; retention.bytes=-1; retention.ms=604800000; ' +
      'segment.bytes=1073741824; segment.index.bytes=10485760; ' +
      'segment.jitter.ms=0; segment.ms=604800000; unclean.leader.election.enable=false'
    const ours = [...topicConfigs.values()].map(({ name, default: value }) => `${name}=${value}`)
    expect(ours.join('; ')).toBe(
      kafka.replace('flush.messages=9223372036854775807', 'flush.messages=1'),
    )
  })
})

test("broker configs are those of Kafka 4.2, with its types and defaults but for kfk's own ways", () => {
  const text = readFileSync(path.join(__dirname, 'kafka-broker-configs.tsv'), 'utf8')
  const rows = text.split('\n').filter((line) => line !== '' && !line.startsWith('//'))
  const kafka = new Map(rows.map((line) => [line.split('\t')[0]!, line]))
  const ours = new Map(
    [...brokerConfigs.values()].map(({ name, type, default: value }) => [
      name,
      [name, type, value ?? '~'].join('\t'),
    ]),
  )
  const differing = [...kafka].filter(([name, line]) => ours.get(name) !== line)
  expect(differing.map(([name]) => name)).toEqual([
    'group.initial.rebalance.delay.ms',
    'listeners',
    'log.flush.interval.messages',
    'node.id',
    'offsets.topic.replication.factor',
  ])
  const added = [...ours.keys()].filter((name) => !kafka.has(name))
  expect(added).toEqual(['coordination.timeout.ms'])
})

describe('the config of a broker', () => {
  test('defaults, explicit values and typed reading', () => {
    const config = StaticBrokerConfig.parse({
      'num.partitions': '8',
      'auto.create.topics.enable': 'false',
    })
    expect(config.number('num.partitions')).toBe(8)
    expect(config.boolean('auto.create.topics.enable')).toBe(false)
    expect(config.long('connections.max.idle.ms')).toBe(600_000)
    expect(config.string('log.cleanup.policy')).toBe('delete')
    expect(config.number('offsets.topic.num.partitions')).toBe(50)
    expect(config.number('group.initial.rebalance.delay.ms')).toBe(0)
    expect(() => config.number('no.such.name')).toThrow(TypeError)
  })

  test('a bad value names the config, the value and what is allowed', () => {
    const parse = (name: string, value: string) =>
      thrownBy(() => StaticBrokerConfig.parse({ [name]: value }))
    expect(parse('num.partitions', 'many')).toEqual(
      invalid("Invalid value 'many' for num.partitions: allowed is a 32-bit integer"),
    )
    expect(parse('num.partitions', '0')).toEqual(invalid(/allowed is a number from 1 to 10000/))
    expect(parse('message.max.bytes', '2147483648')).toEqual(invalid(/a 32-bit integer/))
    expect(parse('log.retention.ms', '9223372036854775808')).toEqual(invalid(/a 64-bit integer/))
    expect(parse('auto.create.topics.enable', 'yes')).toEqual(invalid(/true or false/))
    expect(parse('log.cleanup.policy', 'shred')).toEqual(invalid(/list of delete, compact/))
    expect(parse('node.id', '1024')).toEqual(invalid(/from 0 to 1023/))
    expect(parse('controller.quorum.voters', '1@a:1,2@b:2')).toEqual(invalid(/one node id/))
    expect(parse('default.replication.factor', '3')).toEqual(invalid(/until replication/))
  })

  test('an unknown name is an error that names the nearest known one', () => {
    const parse = (name: string) => thrownBy(() => StaticBrokerConfig.parse({ [name]: '1' }))
    expect(parse('num.partition')).toEqual(
      invalid(/num.partition \(did you mean num.partitions\?\)/),
    )
    expect(parse('log.retention.hour')).toEqual(invalid(/did you mean log.retention.hours\?/))
    expect(parse('utterly.different')).toEqual(
      invalid('Unknown broker config name: utterly.different'),
    )
    expect(parse('constructor')).toEqual(invalid('Unknown broker config name: constructor'))
  })

  test('topic configs: own value, else the first broker synonym that is set, else the default', () => {
    const config = StaticBrokerConfig.parse({
      'log.retention.hours': '2',
      'log.segment.bytes': '4096',
    })
    config.useTopicOverrides((topic) =>
      topic === 'short' ? new Map([['retention.ms', '5']]) : undefined,
    )
    expect(config.topicConfig('short').long('retention.ms')).toBe(5)
    expect(config.topicConfig('other').long('retention.ms')).toBe(7_200_000)
    expect(config.topicConfig('other').number('segment.bytes')).toBe(4096)
    expect(config.topicConfig('other').long('flush.ms')).toBe(Number.MAX_SAFE_INTEGER)
    const minutes = StaticBrokerConfig.parse({
      'log.retention.hours': '2',
      'log.retention.minutes': '3',
    })
    expect(minutes.topicConfig('t').long('retention.ms')).toBe(180_000)
    const none = StaticBrokerConfig.parse({ 'log.retention.hours': '-1' })
    expect(none.topicConfig('t').long('retention.ms')).toBe(-1)
  })

  test('durability "os" is flush.messages = Long.MAX, and contradicting it is an error', () => {
    expect(StaticBrokerConfig.parse().topicConfig('t').long('flush.messages')).toBe(1)
    const os = StaticBrokerConfig.parse({}, { durability: 'os' })
    expect(os.topicConfig('t').long('flush.messages')).toBe(Number.MAX_SAFE_INTEGER)
    const name = 'log.flush.interval.messages'
    expect(thrownBy(() => StaticBrokerConfig.parse({ [name]: '1' }, { durability: 'os' }))).toEqual(
      invalid(/contradicts/),
    )
  })
})

describe('describing configs', () => {
  const config = StaticBrokerConfig.parse({ 'log.retention.hours': '2', 'broker.rack': 'r1' })

  test('all topic configs come with value, source, type, synonyms and documentation', () => {
    const rows = describeTopicConfigs(config, new Map([['retention.ms', '5']]))
    expect(rows).toHaveLength(topicConfigs.size)
    expect(
      rows.every(({ documentation, isSensitive }) => documentation !== '' && !isSensitive),
    ).toBe(true)
    expect(rows.find(({ name }) => name === 'retention.ms')).toMatchObject({
      value: '5',
      configSource: 1,
      configType: 5,
      isDefault: false,
      readOnly: false,
      synonyms: [
        { name: 'retention.ms', value: '5', source: 1 },
        { name: 'log.retention.hours', value: '2', source: 4 },
        { name: 'log.retention.hours', value: '168', source: 5 },
      ],
    })
    const inherited = describeTopicConfigs(config, new Map()).find(
      ({ name }) => name === 'retention.ms',
    )
    expect(inherited).toMatchObject({ value: '7200000', configSource: 4, isDefault: false })
    expect(rows.find(({ name }) => name === 'flush.messages')).toMatchObject({
      value: '1',
      configSource: 5,
      isDefault: true,
    })
    expect(rows.find(({ name }) => name === 'flush.ms')).toMatchObject({ value: LONG_MAX })
  })

  test('broker configs that are fixed at the start come read-only, unset ones as null', () => {
    const rows = describeBrokerConfigs(config)
    expect(rows).toHaveLength(brokerConfigs.size)
    const find = (wanted: string) => rows.find(({ name }) => name === wanted)
    expect(find('broker.rack')).toMatchObject({ value: 'r1', configSource: 4, configType: 2 })
    expect(find('log.retention.ms')).toMatchObject({ value: null, isDefault: true, synonyms: [] })
    const deletion = { value: 'true', configType: 1, readOnly: true }
    expect(find('delete.topic.enable')).toMatchObject(deletion)
    expect(find('message.max.bytes')).toMatchObject({ readOnly: false })
    expect(find('log.retention.hours')).toMatchObject({ readOnly: true })
    expect(find('ssl.keystore.password')).toMatchObject({ isSensitive: true, value: null })
  })
})

describe('changing topic configs', () => {
  test('what cannot be honoured is refused with the reason', () => {
    expect(topicConfigProblem('cleanup.policy', 'compact,delete')).toBeUndefined()
    expect(topicConfigProblem('retention.ms', '-1')).toBeUndefined()
    expect(topicConfigProblem('remote.storage.enable', 'true')).toMatch(
      /tiered storage is not supported/,
    )
    expect(topicConfigProblem('min.insync.replicas', '2')).toMatch(/one replica until/)
    expect(topicConfigProblem('retention.ms', '-2')).toMatch(/at least -1/)
    expect(topicConfigProblem('retention.ms', null)).toMatch(/Null value/)
    expect(topicConfigProblem('rentention.ms', '1')).toMatch(/did you mean retention.ms/)
    expect(topicConfigProblem('__proto__', '1')).toBe('Unknown topic config name: __proto__')
    expect(topicConfigProblem('a\nb', '1')).toBe('Unknown topic config name: a?b')
  })

  test('set, delete, append and subtract', () => {
    const inForce = (name: string) => (name === 'cleanup.policy' ? 'delete' : null)
    const alter = (name: string, configOperation: number, value: string | null) =>
      alterConfigValues(topicConfigurable, [{ name, configOperation, value }], inForce)
    expect(alter('retention.ms', 0, ' 7 ')).toEqual({ changes: { 'retention.ms': '7' } })
    expect(alter('retention.ms', 1, null)).toEqual({ changes: { 'retention.ms': null } })
    expect(alter('cleanup.policy', 2, 'compact')).toEqual({
      changes: { 'cleanup.policy': 'delete,compact' },
    })
    expect(alter('cleanup.policy', 3, 'delete')).toMatchObject({
      problem: expect.stringMatching(/list of/),
    })
    expect(alter('retention.ms', 2, '7')).toEqual({
      errorCode: errorCodes.INVALID_CONFIG,
      problem: expect.stringMatching(/no list/),
    })
    expect(alter('retention.ms', 9, '7')).toEqual({
      errorCode: errorCodes.INVALID_REQUEST,
      problem: expect.stringMatching(/Unknown config operation/),
    })
    expect(alter('retention.ms', 0, null)).toMatchObject({ errorCode: errorCodes.INVALID_REQUEST })
    expect(alter('no.such', 1, null)).toEqual({ changes: {} })
    const twice = { name: 'retention.ms', configOperation: 0, value: '1' }
    expect(alterConfigValues(topicConfigurable, [twice, twice], inForce)).toMatchObject({
      errorCode: errorCodes.INVALID_REQUEST,
    })
  })

  test('replacing removes what is not named', () => {
    const present = new Map([
      ['retention.ms', '1'],
      ['segment.bytes', '4096'],
    ])
    const replace = (...values: { name: string; value: string | null }[]) =>
      replaceConfigValues(topicConfigurable, values, present)
    expect(replace({ name: 'retention.ms', value: '2' })).toEqual({
      changes: { 'retention.ms': '2', 'segment.bytes': null },
    })
    expect(replace()).toEqual({ changes: { 'retention.ms': null, 'segment.bytes': null } })
    expect(replace({ name: 'retention.ms', value: null })).toMatchObject({
      errorCode: errorCodes.INVALID_REQUEST,
    })
    const again = { name: 'retention.ms', value: '2' }
    expect(replace(again, again)).toMatchObject({ problem: expect.stringMatching(/duplicate/) })
  })

  test('brokers: what is fixed at the start, and what is not honoured, is refused', () => {
    const set = (name: string, value: string) =>
      alterConfigValues(brokerConfigurable, [{ name, configOperation: 0, value }], () => null)
    expect(set('message.max.bytes', '1000')).toEqual({ changes: { 'message.max.bytes': '1000' } })
    expect(set('node.id', '2')).toMatchObject({
      errorCode: 42,
      problem: expect.stringMatching(/fixed when/),
    })
    expect(set('message.max.bytes', 'x')).toMatchObject({ errorCode: 42 })
    expect(set('num.io.threads', '8')).toEqual({ changes: { 'num.io.threads': '8' } })
    expect(set('num.io.threads', '9')).toMatchObject({
      errorCode: 40,
      problem: expect.stringMatching(/num\.io\.threads/),
    })
    expect(set('ssl.keystore.location', '/x')).toMatchObject({
      errorCode: 40,
      problem: expect.stringMatching(/no TLS/),
    })
    expect(set('nonsense', '9')).toMatchObject({ errorCode: 40 })
  })
})

describe('options', () => {
  test('options and config settle each other, and contradictions are errors', () => {
    expect(resolveOptions()).toMatchObject({
      nodeId: 1,
      dataDir: './kfk-data',
      host: '127.0.0.1',
      port: 9092,
    })
    const fromConfig = resolveOptions({
      config: { 'node.id': '7', listeners: 'PLAINTEXT://127.0.0.1:9999', 'broker.rack': 'r' },
    })
    expect(fromConfig).toMatchObject({ nodeId: 7, port: 9999, rack: 'r' })
    expect(fromConfig.config.number('node.id')).toBe(7)
    expect(thrownBy(() => resolveOptions({ nodeId: 1, config: { 'node.id': '7' } }))).toEqual(
      invalid(/option nodeId says '1' and the config says '7'/),
    )
    expect(thrownBy(() => resolveOptions({ nodeId: 1024 }))).toEqual(invalid(/node.id/))
    expect(thrownBy(() => resolveOptions({ port: 70_000 }))).toEqual(invalid(/port/))
    expect(thrownBy(() => resolveOptions({ config: { listeners: 'SSL://a:1' } }))).toEqual(
      invalid(/one PLAINTEXT/),
    )
  })

  test('a listener beyond loopback needs a word', () => {
    expect(thrownBy(() => resolveOptions({ host: '0.0.0.0' }))).toMatchObject({
      code: 'KFK_BROKER_INSECURE',
    })
    expect(resolveOptions({ host: '0.0.0.0', allowInsecure: true }).host).toBe('0.0.0.0')
  })

  test('the configured voter', () => {
    const voter = (value: string) =>
      configuredVoter(StaticBrokerConfig.parse({ 'controller.quorum.voters': value }))
    expect(voter('')).toBeUndefined()
    expect(voter('3')).toEqual({ nodeId: 3 })
    expect(voter('3@host.example:9093')).toEqual({ nodeId: 3, host: 'host.example', port: 9093 })
  })
})
