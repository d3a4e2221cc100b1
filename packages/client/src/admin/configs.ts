import { apis } from '@kfk/protocol'
import type { Client } from '../client.js'
import { kafkaError } from '../errors.js'
import type { Target } from '../request-router.js'
import { defaultCallTimeoutMs } from './call-options.js'
import type { CallOptions } from './call-options.js'

/** Numbers of Kafka's ConfigResource.Type. */
export const resourceTypes = {
  topic: 2,
  broker: 4,
  'broker-logger': 8,
  'client-metrics': 16,
  group: 32,
} as const

export type ConfigResourceType = keyof typeof resourceTypes

/** The name of a type by its number. */
export function resourceTypeName(number: number): ConfigResourceType | 'unknown' {
  const names = Object.keys(resourceTypes) as ConfigResourceType[]
  return names.find((name) => resourceTypes[name] === number) ?? 'unknown'
}

export interface ConfigResource {
  readonly type: ConfigResourceType
  /** Topic name, node id as text ('': the default of all brokers), group id or subscription. */
  readonly name: string
  /** Default: all. */
  readonly keys?: readonly string[]
}

/** Where a value comes from (ConfigSource of KIP-226), most specific first. */
export type ConfigSource =
  | 'topic'
  | 'dynamic-broker'
  | 'dynamic-default-broker'
  | 'static-broker'
  | 'default'
  | 'dynamic-broker-logger'
  | 'client-metrics'
  | 'group'
  | 'unknown'

const sources: readonly ConfigSource[] = [
  'unknown',
  'topic',
  'dynamic-broker',
  'dynamic-default-broker',
  'static-broker',
  'default',
  'dynamic-broker-logger',
  'client-metrics',
  'group',
]

export interface ConfigEntry {
  readonly name: string
  /** Null when unset or sensitive. */
  readonly value: string | null
  readonly source: ConfigSource
  readonly readOnly: boolean
  readonly sensitive: boolean
  /** Every place that could give the value, the one in force first; empty unless asked for. */
  readonly synonyms: readonly ConfigSynonym[]
}

/** One place that a value could come from. */
export interface ConfigSynonym {
  readonly name: string
  readonly value: string | null
  readonly source: ConfigSource
}

export interface DescribeConfigsOptions extends CallOptions {
  /** Whether to tell of every place that a value could come from. Default false. */
  readonly synonyms?: boolean
}

export interface ConfigsAdmin {
  /** Configs of each resource, in the order of `resources`. */
  describeConfigs(
    resources: readonly ConfigResource[],
    options?: DescribeConfigsOptions,
  ): Promise<{ resource: ConfigResource; entries: ConfigEntry[] }[]>
}

export function configsAdmin(client: Client): ConfigsAdmin {
  return {
    describeConfigs: (resources, options) =>
      Promise.all(
        resources.map(async (resource) => ({
          resource,
          entries: await describe(client, resource, options),
        })),
      ),
  }
}

function describe(
  client: Client,
  resource: ConfigResource,
  options: DescribeConfigsOptions = {},
): Promise<ConfigEntry[]> {
  const bounds = { signal: options.signal, timeoutMs: options.timeoutMs ?? defaultCallTimeoutMs }
  return client.retrying(async () => {
    const { results } = await client.request(
      apis.describeConfigs,
      {
        resources: [
          {
            resourceType: resourceTypes[resource.type],
            resourceName: resource.name,
            configurationKeys: resource.keys ?? null,
          },
        ],
        includeSynonyms: options.synonyms ?? false,
      },
      configTarget(resource),
      bounds,
    )
    const details = { type: resource.type, name: resource.name }
    const result = results[0]
    if (result === undefined) throw kafkaError(-1, 'the answer lacks the resource', details)
    if (result.errorCode !== 0) throw kafkaError(result.errorCode, result.errorMessage, details)
    return result.configs.map((config) => ({
      name: config.name,
      value: config.value,
      source: sources[config.configSource] ?? 'unknown',
      readOnly: config.readOnly,
      sensitive: config.isSensitive,
      synonyms: config.synonyms.map(({ name, value, source }) => ({
        ...{ name, value },
        source: sources[source] ?? 'unknown',
      })),
    }))
  }, bounds)
}

/** Whom to ask: only a broker itself knows its static configs, and alters its own. */
export function configTarget({ type, name }: Pick<ConfigResource, 'type' | 'name'>): Target {
  return (type === 'broker' || type === 'broker-logger') && /^\d+$/.test(name)
    ? { nodeId: Number(name) }
    : 'any'
}
