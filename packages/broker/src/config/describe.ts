import type { BrokerConfig } from '../context.js'
import { brokerConfigs, topicConfigSynonyms } from './broker-configs.js'
import type { ConfigDefinition, ConfigType } from './config-definition.js'
import { groupConfigs } from './group-configs.js'
import { topicConfigs } from './topic-configs.js'

/** DescribeConfigs' numbers for where a value comes from. */
export const configSources = {
  topic: 1,
  dynamicBroker: 2,
  dynamicDefaultBroker: 3,
  staticBroker: 4,
  default: 5,
} as const

const typeNumbers: Readonly<Record<ConfigType, number>> = {
  boolean: 1,
  string: 2,
  int: 3,
  short: 4,
  long: 5,
  double: 6,
  list: 7,
  class: 8,
  password: 9,
}

/** One place that a config's value could come from. */
export interface ConfigSynonym {
  readonly name: string
  readonly value: string | null
  readonly source: number
}

/** One row of DescribeConfigs. The field names are those of the response. */
export interface ConfigRow {
  readonly name: string
  readonly value: string | null
  readonly readOnly: boolean
  /** DescribeConfigs 0 only. */
  readonly isDefault: boolean
  readonly configSource: number
  /** What would be a secret in Kafka. None can be set here, so there is nothing to hide. */
  readonly isSensitive: boolean
  /** All that could give the value, the one in force first. */
  readonly synonyms: readonly ConfigSynonym[]
  readonly configType: number
  readonly documentation: string
}

/** Every config of a topic, sorted by name. They can all be altered. */
export function describeTopicConfigs(
  config: BrokerConfig,
  overrides: ReadonlyMap<string, string>,
): ConfigRow[] {
  return [...topicConfigs.values()].map((definition) => {
    const { name } = definition
    const synonyms: ConfigSynonym[] = []
    const own = overrides.get(name)
    if (own !== undefined) synonyms.push({ name, value: own, source: configSources.topic })
    synonyms.push(...topicSynonyms(config, synonymNames(name)))
    const value = own ?? config.topicDefault(name)
    return row(definition, { value, readOnly: false, synonyms })
  })
}

/** Every config of this broker, sorted by name. */
export function describeBrokerConfigs(config: BrokerConfig): ConfigRow[] {
  return [...brokerConfigs.values()].map((definition) => {
    const [own] = brokerSynonyms(config, [definition.name])
    const value = own?.value ?? null
    // What an unset config falls back to is told of only where it is set itself, as in Kafka.
    const synonyms = own === undefined ? [] : brokerSynonyms(config, fallbacks(definition.name))
    return row(definition, { value, readOnly: definition.dynamic !== true, synonyms })
  })
}

/** What was set for all brokers at once while they ran, sorted by name. */
export function describeClusterDefaults(config: BrokerConfig): ConfigRow[] {
  return [...config.dynamic.cluster].sort().flatMap(([name, value]) => {
    const definition = brokerConfigs.get(name)
    const synonyms = [{ name, value, source: configSources.dynamicDefaultBroker }]
    // A name that only a newer release knows says nothing here.
    return definition === undefined ? [] : [row(definition, { value, readOnly: false, synonyms })]
  })
}

/** Every config of a consumer group, sorted by name: all have their defaults. */
export function describeGroupConfigs(): ConfigRow[] {
  return [...groupConfigs.values()].map((definition) =>
    row(definition, {
      value: definition.default,
      readOnly: false,
      synonyms: defaultSynonym(definition),
    }),
  )
}

/** As Kafka, which leaves out defaults in another unit than that of the topic config. */
function topicSynonyms(config: BrokerConfig, names: readonly string[]): ConfigSynonym[] {
  const found = brokerSynonyms(config, names)
  const isSet = found.some(({ source }) => source !== configSources.default)
  return isSet || found[0]?.name === names[0] ? found : []
}

function synonymNames(topicConfig: string): string[] {
  return (topicConfigSynonyms.get(topicConfig) ?? []).map(({ name }) => name)
}

/** A broker config, and those that count where it is unset. */
function fallbacks(name: string): string[] {
  for (const [topicConfig] of topicConfigSynonyms) {
    const names = synonymNames(topicConfig)
    if (names.includes(name)) return names.slice(names.indexOf(name))
  }
  return [name]
}

/** By source, and within each in the order of the names. */
function brokerSynonyms(config: BrokerConfig, names: readonly string[]): ConfigSynonym[] {
  const from = (values: ReadonlyMap<string, string>, source: number): ConfigSynonym[] =>
    names.flatMap((name) => {
      const value = values.get(name)
      return value === undefined ? [] : [{ name, value, source }]
    })
  return [
    ...from(config.dynamic.own, configSources.dynamicBroker),
    ...from(config.dynamic.cluster, configSources.dynamicDefaultBroker),
    ...from(config.explicit, configSources.staticBroker),
    ...names.flatMap((name) => defaultSynonym(brokerConfigs.get(name)!)),
  ]
}

function defaultSynonym({ name, default: value }: ConfigDefinition): ConfigSynonym[] {
  return value === null ? [] : [{ name, value, source: configSources.default }]
}

function row(
  definition: ConfigDefinition,
  found: { value: string | null; readOnly: boolean; synonyms: ConfigSynonym[] },
): ConfigRow {
  const configSource = found.synonyms[0]?.source ?? configSources.default
  return {
    name: definition.name,
    value: found.value,
    readOnly: found.readOnly,
    isDefault: configSource === configSources.default,
    configSource,
    isSensitive: definition.type === 'password',
    synonyms: found.synonyms,
    configType: typeNumbers[definition.type],
    documentation: definition.doc,
  }
}
