import { apis } from '@kfk/protocol'
import type { Client } from '../client.js'
import { kafkaError } from '../errors.js'
import type { Target } from '../request-router.js'
import { defaultCallTimeoutMs } from './call-options.js'
import type { CallOptions } from './call-options.js'

/** Numbers of Kafka's ConfigResource.Type. */
const resourceTypes = { topic: 2, broker: 4, group: 32 } as const

export interface ConfigResource {
  readonly type: keyof typeof resourceTypes
  /** Topic name, node id as text, or group id. */
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
}

export interface ConfigsAdmin {
  /** Configs of each resource, in the order of `resources`. */
  describeConfigs(
    resources: readonly ConfigResource[],
    options?: CallOptions,
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
  options: CallOptions = {},
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
      },
      targetOf(resource),
      bounds,
    )
    const details = { type: resource.type, name: resource.name }
    const result = results[0]
    if (result === undefined) throw kafkaError(-1, 'the answer lacks the resource', details)
    if (result.errorCode !== 0) throw kafkaError(result.errorCode, result.errorMessage, details)
    return result.configs.map(({ name, value, configSource, readOnly, isSensitive }) => ({
      name,
      value,
      source: sources[configSource] ?? 'unknown',
      readOnly,
      sensitive: isSensitive,
    }))
  }, bounds)
}

/** Only a broker itself knows its static configs. */
function targetOf({ type, name }: ConfigResource): Target {
  return type === 'broker' && /^\d+$/.test(name) ? { nodeId: Number(name) } : 'any'
}
