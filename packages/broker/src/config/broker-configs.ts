import {
  atLeast,
  between,
  type ConfigCheck,
  type ConfigDefinition,
  defineConfigs,
  listOf,
  only,
  splitList,
} from './config-definition.js'
import { fixedBrokerConfigs } from './fixed-broker-configs.js'
import { topicConfigs } from './topic-configs.js'

const INT_MAX = 2_147_483_647
const ONE_REPLICA = 'a partition has one replica until replication is supported'

/**
 * Where the default of a topic config comes from, in order of precedence: the first of these broker
 * configs that is set, times the factor into the topic config's unit. As Kafka's TopicConfig
 * synonyms.
 */
export const topicConfigSynonyms: ReadonlyMap<
  string,
  readonly { readonly name: string; readonly factor?: number }[]
> = new Map([
  ['cleanup.policy', [{ name: 'log.cleanup.policy' }]],
  ['compression.gzip.level', [{ name: 'compression.gzip.level' }]],
  ['compression.lz4.level', [{ name: 'compression.lz4.level' }]],
  ['compression.type', [{ name: 'compression.type' }]],
  ['compression.zstd.level', [{ name: 'compression.zstd.level' }]],
  ['delete.retention.ms', [{ name: 'log.cleaner.delete.retention.ms' }]],
  ['file.delete.delay.ms', [{ name: 'log.segment.delete.delay.ms' }]],
  ['flush.messages', [{ name: 'log.flush.interval.messages' }]],
  ['flush.ms', [{ name: 'log.flush.interval.ms' }, { name: 'log.flush.scheduler.interval.ms' }]],
  ['index.interval.bytes', [{ name: 'log.index.interval.bytes' }]],
  ['local.retention.bytes', [{ name: 'log.local.retention.bytes' }]],
  ['local.retention.ms', [{ name: 'log.local.retention.ms' }]],
  ['max.compaction.lag.ms', [{ name: 'log.cleaner.max.compaction.lag.ms' }]],
  ['max.message.bytes', [{ name: 'message.max.bytes' }]],
  ['message.timestamp.after.max.ms', [{ name: 'log.message.timestamp.after.max.ms' }]],
  ['message.timestamp.before.max.ms', [{ name: 'log.message.timestamp.before.max.ms' }]],
  ['message.timestamp.type', [{ name: 'log.message.timestamp.type' }]],
  ['min.cleanable.dirty.ratio', [{ name: 'log.cleaner.min.cleanable.ratio' }]],
  ['min.compaction.lag.ms', [{ name: 'log.cleaner.min.compaction.lag.ms' }]],
  ['min.insync.replicas', [{ name: 'min.insync.replicas' }]],
  ['preallocate', [{ name: 'log.preallocate' }]],
  ['retention.bytes', [{ name: 'log.retention.bytes' }]],
  [
    'retention.ms',
    [
      { name: 'log.retention.ms' },
      { name: 'log.retention.minutes', factor: 60_000 },
      { name: 'log.retention.hours', factor: 3_600_000 },
    ],
  ],
  ['segment.bytes', [{ name: 'log.segment.bytes' }]],
  ['segment.index.bytes', [{ name: 'log.index.size.max.bytes' }]],
  [
    'segment.jitter.ms',
    [{ name: 'log.roll.jitter.ms' }, { name: 'log.roll.jitter.hours', factor: 3_600_000 }],
  ],
  ['segment.ms', [{ name: 'log.roll.ms' }, { name: 'log.roll.hours', factor: 3_600_000 }]],
  ['unclean.leader.election.enable', [{ name: 'unclean.leader.election.enable' }]],
])

/** Broker configs of their own: not the default of any topic config. */
const ownConfigs = defineConfigs([
  [
    'advertised.listeners',
    'list',
    null,
    'high',
    'The address that clients are told, if it differs from the listener.',
  ],
  [
    'auto.create.topics.enable',
    'boolean',
    'true',
    'high',
    'Whether a topic is created when a client asks for it.',
  ],
  ['broker.id', 'int', '-1', 'high', 'The older name of node.id.', between(-1, 1023)],
  ['broker.rack', 'string', null, 'medium', 'Where the broker stands.'],
  [
    'broker.session.timeout.ms',
    'int',
    '9000',
    'high',
    'How long a silent broker counts as alive, in ms.',
    between(100, 3_600_000),
  ],
  [
    'connections.max.idle.ms',
    'long',
    '600000',
    'medium',
    'How long an idle connection is kept, in ms.',
    atLeast(-1),
  ],
  [
    'controller.quorum.voters',
    'list',
    '',
    'high',
    'The node that keeps the metadata log: "1" or "1@host:port". Empty: the first broker ' +
      'of the cluster.',
    oneVoter,
  ],
  [
    'coordination.timeout.ms',
    'int',
    '10000',
    'medium',
    'How long a starting broker waits for coordination, in ms.',
    between(1, 3_600_000),
  ],
  [
    'default.replication.factor',
    'int',
    '1',
    'medium',
    'Replicas of a partition where the creator names no number.',
    only('1', ONE_REPLICA),
  ],
  ['delete.topic.enable', 'boolean', 'true', 'high', 'Whether topics may be deleted.'],
  [
    'fetch.max.bytes',
    'int',
    '57671680',
    'medium',
    'The largest answer to a fetch, in bytes.',
    atLeast(1024),
  ],
  [
    'group.consumer.assignors',
    'list',
    'uniform,range',
    'medium',
    'How partitions are assigned in groups of the consumer protocol; the first is the default.',
    listOf('uniform', 'range'),
  ],
  [
    'group.consumer.heartbeat.interval.ms',
    'int',
    '5000',
    'medium',
    'How often members of the consumer protocol send heartbeats, in ms.',
    atLeast(1),
  ],
  [
    'group.consumer.max.size',
    'int',
    String(INT_MAX),
    'medium',
    'The most members of a group of the consumer protocol.',
    atLeast(1),
  ],
  [
    'group.consumer.session.timeout.ms',
    'int',
    '45000',
    'medium',
    'After how long without a heartbeat a member of the consumer protocol is gone, in ms.',
    atLeast(1),
  ],
  [
    'group.initial.rebalance.delay.ms',
    'int',
    '0',
    'medium',
    'How long the first rebalance of a group waits for more members, in ms.',
    atLeast(0),
  ],
  [
    'group.max.session.timeout.ms',
    'int',
    '1800000',
    'medium',
    'The longest session of a group member, in ms.',
    atLeast(1),
  ],
  ['group.max.size', 'int', String(INT_MAX), 'medium', 'The most members of a group.', atLeast(1)],
  [
    'group.min.session.timeout.ms',
    'int',
    '6000',
    'medium',
    'The shortest session of a group member, in ms.',
    atLeast(1),
  ],
  ['listeners', 'list', null, 'high', 'The address that the broker listens on.'],
  [
    'log.cleaner.backoff.ms',
    'long',
    '15000',
    'medium',
    'How often logs are looked at for compaction while there is nothing to compact, in ms.',
    atLeast(1),
  ],
  [
    'log.cleaner.dedupe.buffer.size',
    'long',
    '134217728',
    'medium',
    'The most memory for the keys of a log that is being compacted, 32 bytes each; with more keys ' +
      'it is gone through several times.',
    atLeast(1024),
  ],
  [
    'log.cleaner.enable',
    'boolean',
    'true',
    'medium',
    'Whether logs with the cleanup.policy "compact" are compacted.',
  ],
  [
    'log.cleaner.io.max.bytes.per.second',
    'double',
    '1.7976931348623157E308',
    'medium',
    'Bytes that compaction reads and writes in a second, at the most.',
    atLeast(1),
  ],
  [
    'log.cleaner.threads',
    'int',
    '1',
    'medium',
    'Logs that are compacted at once.',
    only('1', 'logs are compacted one after the other, beside everything else'),
  ],
  ['log.dirs', 'list', null, 'high', 'The data directory.'],
  [
    'log.flush.offset.checkpoint.interval.ms',
    'int',
    '60000',
    'high',
    'How often the recovery points are written, in ms.',
    atLeast(1),
  ],
  [
    'log.retention.check.interval.ms',
    'long',
    '300000',
    'medium',
    'How often old segments are looked for, in ms.',
    atLeast(1),
  ],
  ['max.connections', 'int', String(INT_MAX), 'medium', 'The most connections.', atLeast(0)],
  [
    'max.connections.per.ip',
    'int',
    String(INT_MAX),
    'medium',
    'The most connections from one address.',
    atLeast(0),
  ],
  [
    'max.incremental.fetch.session.cache.slots',
    'int',
    '1000',
    'medium',
    'The most incremental fetch sessions.',
    atLeast(0),
  ],
  ['node.id', 'int', '1', 'high', 'The number of this broker in the cluster.', between(0, 1023)],
  [
    'num.partitions',
    'int',
    '1',
    'medium',
    'Partitions of a topic whose creator names no number.',
    between(1, 10_000),
  ],
  [
    'offset.metadata.max.bytes',
    'int',
    '4096',
    'high',
    'The largest metadata of a committed offset, in bytes.',
    atLeast(0),
  ],
  [
    'offsets.retention.check.interval.ms',
    'long',
    '600000',
    'high',
    'How often expired offsets are looked for, in ms.',
    atLeast(1),
  ],
  [
    'offsets.retention.minutes',
    'int',
    '10080',
    'high',
    'How long the offsets of an empty group are kept, in minutes.',
    atLeast(1),
  ],
  [
    'offsets.topic.num.partitions',
    'int',
    '50',
    'high',
    'Partitions of __consumer_offsets, fixed when it is created.',
    between(1, 10_000),
  ],
  [
    'offsets.topic.replication.factor',
    'int',
    '1',
    'high',
    'Replicas of __consumer_offsets.',
    only('1', ONE_REPLICA),
  ],
  [
    'offsets.topic.segment.bytes',
    'int',
    '104857600',
    'high',
    'Size of a segment of __consumer_offsets, in bytes.',
    between(14, INT_MAX),
  ],
  [
    'producer.id.expiration.ms',
    'int',
    '86400000',
    'low',
    'How long the sequences of a silent producer are remembered, in ms.',
    atLeast(1),
  ],
  [
    'queued.max.request.bytes',
    'long',
    '-1',
    'medium',
    'Bytes of requests in memory; -1 or 0: an eighth of the memory of the machine, at most 48 MiB.',
    atLeast(-1),
  ],
  [
    'request.timeout.ms',
    'int',
    '30000',
    'high',
    'How long a broker waits for the controller, in ms.',
    atLeast(1),
  ],
  [
    'socket.request.max.bytes',
    'int',
    '104857600',
    'medium',
    'The largest request, in bytes.',
    between(64, INT_MAX),
  ],
  [
    'transaction.abort.timed.out.transaction.cleanup.interval.ms',
    'int',
    '10000',
    'low',
    'How often transactions that take too long are looked for, in ms.',
    atLeast(1),
  ],
  [
    'transaction.remove.expired.transaction.cleanup.interval.ms',
    'int',
    '3600000',
    'low',
    'How often transactional ids that nobody uses are looked for, in ms.',
    atLeast(1),
  ],
  [
    'transaction.state.log.num.partitions',
    'int',
    '50',
    'high',
    'Partitions of __transaction_state, when it is created.',
    atLeast(1),
  ],
  [
    'transaction.state.log.segment.bytes',
    'int',
    '104857600',
    'high',
    'The segment size of __transaction_state, when it is created, in bytes.',
    atLeast(1),
  ],
  [
    'transactional.id.expiration.ms',
    'int',
    '604800000',
    'high',
    'How long a transactional id that nobody uses is remembered, in ms.',
    atLeast(1),
  ],
  [
    'transaction.max.timeout.ms',
    'int',
    '900000',
    'high',
    'The longest timeout of a transaction, in ms.',
    atLeast(1),
  ],
])

function oneVoter(value: string): string | undefined {
  const voters = splitList(value)
  if (voters.length === 0) return undefined
  const match = /^(\d{1,4})(@.+:\d{1,5})?$/.exec(voters[0]!)
  return voters.length === 1 && match !== null && Number(match[1]) <= 1023
    ? undefined
    : 'one node id from 0 to 1023, as "1" or "1@host:port" (more voters come with replication)'
}

/** Unset by default in Kafka, so that the next synonym counts. */
const unsetByDefault = new Set([
  'log.retention.ms',
  'log.retention.minutes',
  'log.roll.ms',
  'log.roll.jitter.ms',
  'log.flush.interval.ms',
])

/** Kafka fixes these when a broker starts, though others that mean the same may change. */
const fixedAtStart = new Set([
  'log.flush.scheduler.interval.ms',
  'log.retention.hours',
  'log.retention.minutes',
  'log.roll.hours',
  'log.roll.jitter.hours',
])

/** Of the broker's own configs, those that are read anew whenever they are used. */
const readAnew = new Set(['max.connections', 'max.connections.per.ip', 'producer.id.expiration.ms'])

/**
 * The configs of a broker, by Kafka's names: those of its own, those which are the defaults of
 * topic configs and take type, default and check from there, and those of Kafka that keep their
 * default here. `coordination.timeout.ms` is the only one that Kafka does not have.
 */
export const brokerConfigs: ReadonlyMap<string, ConfigDefinition> = new Map(
  [
    ...fixedBrokerConfigs.values(),
    ...[...ownConfigs.values()].map((own) => ({ ...own, dynamic: readAnew.has(own.name) })),
    ...synonymDefinitions(),
  ]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((definition) => [definition.name, definition]),
)

function* synonymDefinitions(): Iterable<ConfigDefinition> {
  for (const [topicName, synonyms] of topicConfigSynonyms) {
    const topicConfig = topicConfigs.get(topicName)!
    for (const { name, factor = 1 } of synonyms) {
      const inUnits = factor === 1 ? undefined : String(Number(topicConfig.default) / factor)
      yield {
        ...topicConfig,
        name,
        type: factor === 1 ? topicConfig.type : 'int',
        dynamic: !fixedAtStart.has(name),
        default: unsetByDefault.has(name) ? null : (inUnits ?? topicConfig.default),
        doc: `The default of the topic config ${topicName}. ${topicConfig.doc}${unitNote(factor)}`,
        ...checkOf(topicConfig, factor),
      }
    }
  }
}

function checkOf(topicConfig: ConfigDefinition, factor: number): { check?: ConfigCheck } {
  if (topicConfig.check === undefined) return {}
  // Retention alone knows -1, and whole hours are within what any topic config in ms allows.
  return {
    check: factor === 1 ? topicConfig.check : atLeast(topicConfig.name === 'retention.ms' ? -1 : 0),
  }
}

function unitNote(factor: number): string {
  if (factor === 1) return ''
  return factor === 60_000 ? ' Here in minutes.' : ' Here in hours.'
}
