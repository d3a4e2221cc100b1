import { apis } from '@kfk/protocol'
import type { Client } from '../client.js'
import { kafkaError } from '../errors.js'
import type { Target } from '../request-router.js'
import { defaultCallTimeoutMs } from './call-options.js'
import type { CallOptions } from './call-options.js'
import { configTarget, resourceTypeName, resourceTypes } from './configs.js'
import type { ConfigResource, ConfigResourceType } from './configs.js'
import { throwFailures } from './controller-call.js'

/** What to change of one resource. What is not named stays as it is. */
export interface ConfigChange extends Pick<ConfigResource, 'type' | 'name'> {
  /** New values. */
  readonly set?: Readonly<Record<string, string>>
  /** Names whose values return to what holds without them. */
  readonly unset?: readonly string[]
  /** Comma-separated items that lists get besides those that they have. */
  readonly append?: Readonly<Record<string, string>>
  /** Comma-separated items that lists lose. */
  readonly subtract?: Readonly<Record<string, string>>
}

/** Something that has configs. */
export interface ListedResource {
  readonly type: ConfigResourceType | 'unknown'
  readonly name: string
}

export interface ConfigChangesAdmin {
  /**
   * Changes single configs (KIP-339). Brokers are named by their node id, or by '' for the default
   * of all of them. A resource is changed wholly or not at all; others are changed though one is
   * refused, and `details.failed` lists each that was: INVALID_CONFIG for what does not exist or
   * cannot be honoured, INVALID_REQUEST for what cannot change while a broker runs.
   */
  alterConfigs(
    changes: readonly ConfigChange[],
    options?: CallOptions & { readonly validateOnly?: boolean },
  ): Promise<void>
  /**
   * What there is that has configs (KIP-1142), of all types or of those named. Brokers before Kafka
   * 4.1 know only 'client-metrics': UNSUPPORTED_VERSION.
   */
  listConfigResources(
    options?: CallOptions & { readonly types?: readonly ConfigResourceType[] },
  ): Promise<ListedResource[]>
}

const operations = { set: 0, delete: 1, append: 2, subtract: 3 } as const
/** First version of ListConfigResources that tells of more than metrics of clients. */
const allTypesVersion = 1

export function configChangesAdmin(client: Client): ConfigChangesAdmin {
  return {
    alterConfigs: (changes, options) => alterConfigs(client, changes, options),
    async listConfigResources(options = {}) {
      const { signal, timeoutMs = defaultCallTimeoutMs, types = [] } = options
      const response = await client.retrying(
        async () => {
          const body = { resourceTypes: types.map((type) => resourceTypes[type]) }
          const answer = await client.request(apis.listConfigResources, body, 'any', {
            ...{ signal, timeoutMs, minVersion: allTypesVersion },
          })
          if (answer.errorCode !== 0) throw kafkaError(answer.errorCode)
          return answer
        },
        { signal, timeoutMs },
      )
      return response.configResources.map(({ resourceType, resourceName }) => ({
        type: resourceTypeName(resourceType),
        name: resourceName,
      }))
    },
  }
}

async function alterConfigs(
  client: Client,
  changes: readonly ConfigChange[],
  options: Parameters<ConfigChangesAdmin['alterConfigs']>[1] = {},
): Promise<void> {
  const bounds = { signal: options.signal, timeoutMs: options.timeoutMs ?? defaultCallTimeoutMs }
  const ask = (target: Target, some: readonly ConfigChange[]) =>
    client.retrying(async () => {
      const body = {
        resources: some.map(toResource),
        validateOnly: options.validateOnly ?? false,
      }
      const { responses } = await client.request(apis.incrementalAlterConfigs, body, target, bounds)
      const results = responses.map((each) => ({ ...each, name: each.resourceName }))
      // All of them: the whole may be asked again, because setting twice is setting once.
      if (results.every(({ errorCode }) => errorCode !== 0)) throwFailures(results)
      return results
    }, bounds)
  const results = await Promise.all(
    [...byTarget(changes)].map(([nodeId, some]) =>
      ask(nodeId === undefined ? 'any' : { nodeId }, some),
    ),
  )
  throwFailures(results.flat())
}

/** A broker alters its own configs; everything else any of them passes on. */
function byTarget(changes: readonly ConfigChange[]): Map<number | undefined, ConfigChange[]> {
  const targets = new Map<number | undefined, ConfigChange[]>()
  for (const change of changes) {
    const target = configTarget(change)
    const nodeId = typeof target === 'object' && 'nodeId' in target ? target.nodeId : undefined
    targets.set(nodeId, [...(targets.get(nodeId) ?? []), change])
  }
  return targets
}

function toResource({ type, name, set, unset, append, subtract }: ConfigChange) {
  const each = (values: Readonly<Record<string, string>> = {}, configOperation: number) =>
    Object.entries(values).map(([key, value]) => ({ name: key, configOperation, value }))
  return {
    resourceType: resourceTypes[type],
    resourceName: name,
    configs: [
      ...each(set, operations.set),
      ...(unset ?? []).map((key) => ({
        name: key,
        configOperation: operations.delete,
        value: null,
      })),
      ...each(append, operations.append),
      ...each(subtract, operations.subtract),
    ],
  }
}
