// Enums have the numbers of the protocol.
/* eslint-disable @typescript-eslint/no-unsafe-enum-assignment */
import { inspect } from 'node:util'
import type { Client, Target } from '@kfk/client'
import { apis, type ResponseOf } from '@kfk/protocol'
import type {
  AlterConfigResponse,
  ConfigsAdmin,
  DescribeConfigResponse,
  IResourceConfig,
  ResourceConfigQuery,
} from './admin-api.js'
import { ConfigResourceTypes, ConfigSource } from './enums.js'
import { throwIfFailed } from './error-translation.js'
import { KafkaJSNonRetriableError } from './errors.js'
import { givenFields } from './given.js'
import type { Link } from './link.js'

type DescribedResource = ResponseOf<typeof apis.describeConfigs>['results'][number]

/** Calls about configs. */
export function configsAdmin(link: Link): ConfigsAdmin {
  return {
    async describeConfigs(options) {
      const { resources, includeSynonyms = false } = givenFields(options)
      checkResources(resources)
      return link.call(async (client) => {
        const described = await Promise.all(
          resources.map((each) => describe(client, each, includeSynonyms)),
        )
        return { resources: described.map(kafkajsResource), throttleTime: 0 }
      })
    },
    async alterConfigs(options) {
      const { resources, validateOnly = false } = givenFields(options)
      checkResources(resources)
      for (const each of resources) checkEntries(each)
      return link.call(async (client) => {
        const altered = await Promise.all(
          resources.map((each) => alter(client, each, validateOnly)),
        )
        return { resources: altered.flat(), throttleTime: 0 }
      })
    },
  }
}

async function describe(
  client: Client,
  { type, name, configNames }: ResourceConfigQuery,
  includeSynonyms: boolean,
): Promise<DescribedResource> {
  const resource = {
    resourceType: type,
    resourceName: name,
    configurationKeys: configNames ?? null,
  }
  const body = { resources: [resource], includeSynonyms }
  const { results } = await client.request(apis.describeConfigs, body, targetOf(type, name))
  const [result] = results
  throwIfFailed(result?.errorCode ?? -1, result?.errorMessage)
  return result!
}

/** What was set before and is not named is taken back. */
async function alter(
  client: Client,
  { type, name, configEntries }: IResourceConfig,
  validateOnly: boolean,
): Promise<AlterConfigResponse['resources']> {
  const resource = { resourceType: type, resourceName: name, configs: configEntries }
  const body = { resources: [resource], validateOnly }
  const { responses } = await client.request(apis.alterConfigs, body, targetOf(type, name))
  for (const { errorCode, errorMessage } of responses) throwIfFailed(errorCode, errorMessage)
  return responses.map(({ errorCode, errorMessage, resourceName, resourceType }) => ({
    errorCode,
    errorMessage,
    resourceName,
    resourceType,
  }))
}

function kafkajsResource(result: DescribedResource): DescribeConfigResponse['resources'][number] {
  return {
    errorCode: result.errorCode,
    // kafkajs's types know no null, its answers do.
    errorMessage: result.errorMessage as string,
    resourceType: result.resourceType,
    resourceName: result.resourceName,
    configEntries: result.configs.map((each) => ({
      configName: each.name,
      configValue: each.value as string,
      readOnly: each.readOnly,
      isDefault: (each.configSource as ConfigSource) === ConfigSource.DEFAULT_CONFIG,
      configSource: each.configSource,
      isSensitive: each.isSensitive,
      configSynonyms: each.synonyms.map(({ name, value, source }) => ({
        configName: name,
        configValue: value as string,
        configSource: source,
      })),
    })),
  }
}

/** Only a broker itself knows its configs. */
function targetOf(type: ConfigResourceTypes, name: string): Target {
  const isBroker = type === ConfigResourceTypes.BROKER || type === ConfigResourceTypes.BROKER_LOGGER
  return isBroker && /^\d+$/.test(name) ? { nodeId: Number(name) } : 'any'
}

function checkResources<T>(resources: readonly T[] | undefined): asserts resources is readonly T[] {
  if (!Array.isArray(resources)) {
    throw new KafkaJSNonRetriableError(`Invalid resources array ${inspect(resources)}`)
  }
  if (resources.length === 0) {
    throw new KafkaJSNonRetriableError('Resources array cannot be empty')
  }
  for (const resource of resources) {
    const { type, name, configNames } = resource as Readonly<Record<string, unknown>>
    const text = JSON.stringify(resource)
    if (typeof type !== 'number' || ConfigResourceTypes[type] === undefined) {
      throw new KafkaJSNonRetriableError(`Invalid resource type ${inspect(type)}: ${text}`)
    }
    if (!name || typeof name !== 'string') {
      throw new KafkaJSNonRetriableError(`Invalid resource name ${inspect(name)}: ${text}`)
    }
    if (configNames != null && !Array.isArray(configNames)) {
      throw new KafkaJSNonRetriableError(
        `Invalid resource configNames ${inspect(configNames)}: ${text}`,
      )
    }
  }
}

function checkEntries(resource: IResourceConfig): void {
  const entries: unknown = resource.configEntries
  const text = JSON.stringify(resource)
  if (!Array.isArray(entries)) {
    throw new KafkaJSNonRetriableError(
      `Invalid resource configEntries ${inspect(entries)}: ${text}`,
    )
  }
  for (const { name, value } of entries as readonly { name: unknown; value: unknown }[]) {
    if (typeof name === 'string' && typeof value === 'string') continue
    throw new KafkaJSNonRetriableError(`Invalid resource config value: ${text}`)
  }
}
