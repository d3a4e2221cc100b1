import { apiByKey, apis } from '@kfk/protocol'
import type { Client } from '../client.js'
import { kafkaError } from '../errors.js'
import type { ClusterMetadata } from '../metadata.js'
import { defaultCallTimeoutMs } from './call-options.js'
import type { CallOptions } from './call-options.js'

export interface ApiVersionRange {
  readonly key: number
  /** Undefined for an API that this client has no schema of. */
  readonly name: string | undefined
  readonly min: number
  readonly max: number
}

export interface ClusterAdmin {
  /** Cluster id, controller and live brokers, asked for now. */
  describeCluster(options?: CallOptions): Promise<ClusterMetadata>
  /** What a broker (default: any) says it speaks. */
  apiVersions(options?: CallOptions & { readonly nodeId?: number }): Promise<ApiVersionRange[]>
}

export function clusterAdmin(client: Client): ClusterAdmin {
  return {
    describeCluster(options) {
      const signal = options?.signal
      return client.retrying(() => client.metadata.cluster({ signal, refresh: true }), {
        signal,
        timeoutMs: options?.timeoutMs ?? defaultCallTimeoutMs,
      })
    },
    apiVersions(options = {}) {
      const { signal, nodeId, timeoutMs = defaultCallTimeoutMs } = options
      const target = nodeId === undefined ? 'any' : { nodeId }
      return client.retrying(
        async () => {
          const body = { clientSoftwareName: 'kfk', clientSoftwareVersion: '0.1.0' }
          const response = await client.request(apis.apiVersions, body, target, {
            signal,
            timeoutMs,
          })
          if (response.errorCode !== 0) throw kafkaError(response.errorCode)
          return response.apiKeys.map(({ apiKey, minVersion, maxVersion }) => ({
            key: apiKey,
            name: apiByKey.get(apiKey)?.name,
            min: minVersion,
            max: maxVersion,
          }))
        },
        { signal, timeoutMs },
      )
    },
  }
}
