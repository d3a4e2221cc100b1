import type { BrokerConfig } from '../context.js'
import { brokerConfigs, topicConfigSynonyms } from './broker-configs.js'
import type { ConfigDefinition, ConfigType } from './config-definition.js'
import { topicConfigs } from './topic-configs.js'

/** DescribeConfigs' numbers for where a value comes from. */
export const configSources = { topic: 1, staticBroker: 4, default: 5 } as const

const typeNumbers: Readonly<Record<ConfigType, number>> = {
  boolean: 1,
  string: 2,
  int: 3,
  long: 5,
  double: 6,
  list: 7,
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
  /** No config of kfk holds a secret. */
  readonly isSensitive: false
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
    const brokerNames = topicConfigSynonyms.get(name) ?? []
    for (const synonym of brokerNames) {
      synonyms.push(...staticSynonym(config, synonym.name))
    }
    for (const synonym of brokerNames) {
      synonyms.push(...defaultSynonym(brokerConfigs.get(synonym.name)!))
    }
    const value = own ?? config.topicDefault(name)
    return row(definition, { value, readOnly: false, synonyms })
  })
}

/** Every config of this broker, sorted by name. They are fixed when it starts. */
export function describeBrokerConfigs(config: BrokerConfig): ConfigRow[] {
  return [...brokerConfigs.values()].map((definition) => {
    const synonyms = [...staticSynonym(config, definition.name), ...defaultSynonym(definition)]
    const value = synonyms[0]?.value ?? null
    return row(definition, { value, readOnly: true, synonyms })
  })
}

function staticSynonym(config: BrokerConfig, name: string): ConfigSynonym[] {
  const value = config.explicit.get(name)
  return value === undefined ? [] : [{ name, value, source: configSources.staticBroker }]
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
    isSensitive: false,
    synonyms: found.synonyms,
    configType: typeNumbers[definition.type],
    documentation: definition.doc,
  }
}
