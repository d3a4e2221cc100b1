import type { StaticBrokerConfig } from '../config/broker-config.js'
import type { ClusterImage } from './cluster-image.js'
import type { MetadataRecord } from './metadata-records.js'

/**
 * What the controller decided. The response may be sent once the records are committed and
 * replayed.
 */
export interface Decision<Response> {
  readonly records: readonly MetadataRecord[]
  readonly response: Response
}

/** What a decision depends on besides the request. */
export interface ControllerContext {
  readonly image: ClusterImage
  /** Defaults of topics. */
  readonly config: StaticBrokerConfig
  /** Node ids of the brokers that are alive. */
  readonly liveBrokers: readonly number[]
  /** Where topic ids come from. */
  readonly randomBytes: (count: number) => Uint8Array
}
