import type { Api } from '@kfk/protocol'
import { ClientError } from './errors.js'

/** What one broker speaks: API key to its first and last version. */
export type ApiRanges = ReadonlyMap<number, readonly [min: number, max: number]>

export interface VersionLimits {
  /** The broker's address, for the error message. */
  readonly broker: string
  /** Lowest version the caller can use. */
  readonly minVersion?: number | undefined
  /** Highest version the caller can use. */
  readonly maxVersion?: number | undefined
}

/**
 * The version to speak: the smaller of both maxima.
 * @throws ClientError KFK_CLIENT_UNSUPPORTED_VERSION, naming both ranges, when they do not overlap
 */
export function negotiateVersion(api: Api, ranges: ApiRanges, limits: VersionLimits): number {
  const min = Math.max(api.versions[0], limits.minVersion ?? 0)
  const max = Math.min(api.versions[1], limits.maxVersion ?? Infinity)
  const offered = ranges.get(api.key)
  if (offered === undefined) {
    throw unsupported(
      `The broker ${limits.broker} does not offer ${api.name} (API key ${api.key}); this client speaks versions ${min} to ${max}.`,
      { api: api.name, client: [min, max] },
    )
  }
  const version = Math.min(max, offered[1])
  if (version < min || version < offered[0]) {
    throw unsupported(
      `The broker ${limits.broker} offers ${api.name} versions ${offered[0]} to ${offered[1]}, this client needs one of ${min} to ${max}.`,
      { api: api.name, broker: offered, client: [min, max] },
    )
  }
  return version
}

function unsupported(message: string, details: Record<string, unknown>): ClientError {
  return new ClientError('KFK_CLIENT_UNSUPPORTED_VERSION', message, { details })
}
