import { type ConfigDefinition, type ConfigType, only } from './config-definition.js'

const reason = 'groups take what the broker is configured with'

const rows: readonly (readonly [name: string, type: ConfigType, value: string])[] = [
  ['consumer.heartbeat.interval.ms', 'int', '5000'],
  ['consumer.session.timeout.ms', 'int', '45000'],
  ['share.auto.offset.reset', 'string', 'latest'],
  ['share.heartbeat.interval.ms', 'int', '5000'],
  ['share.isolation.level', 'string', 'read_uncommitted'],
  ['share.record.lock.duration.ms', 'int', '30000'],
  ['share.session.timeout.ms', 'int', '45000'],
  ['streams.heartbeat.interval.ms', 'int', '5000'],
  ['streams.initial.rebalance.delay.ms', 'int', '3000'],
  ['streams.num.standby.replicas', 'int', '0'],
  ['streams.session.timeout.ms', 'int', '45000'],
]

/** The configs that Kafka has for single groups. Each keeps its default here. */
export const groupConfigs: ReadonlyMap<string, ConfigDefinition> = new Map(
  rows.map(([name, type, value]) => [
    name,
    {
      ...{ name, type, default: value, importance: 'low' },
      doc: `Keeps its default: ${reason}.`,
      check: only(value, reason),
    },
  ]),
)
