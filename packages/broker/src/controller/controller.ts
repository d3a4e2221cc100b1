import type { apis, RequestOf, ResponseOf } from '@kfk/protocol'
import type { StaticBrokerConfig } from '../config/broker-config.js'
import { allocateProducerIds } from './allocate-producer-ids.js'
import { alterConfigs, replaceConfigs } from './alter-configs.js'
import type { ClusterImage } from './cluster-image.js'
import { createPartitions } from './create-partitions.js'
import { createTopics } from './create-topics.js'
import { deleteTopics } from './delete-topics.js'
import type { ControllerContext, Decision } from './decision.js'
import type { BrokerRegistered, MetadataRecord } from './metadata-records.js'

/** The APIs that change the metadata log. */
export interface ControllerApis {
  readonly createTopics: typeof apis.createTopics
  readonly deleteTopics: typeof apis.deleteTopics
  readonly createPartitions: typeof apis.createPartitions
  readonly alterConfigs: typeof apis.alterConfigs
  readonly incrementalAlterConfigs: typeof apis.incrementalAlterConfigs
  readonly allocateProducerIds: typeof apis.allocateProducerIds
}

/** A wish for the metadata log: a request of one of the APIs. */
export type ControllerCommand = {
  readonly [K in keyof ControllerApis]: {
    readonly api: K
    readonly request: RequestOf<ControllerApis[K]>
  }
}[keyof ControllerApis]

/**
 * Decides over changes of the metadata log. Event-sourced: a decision is records and a response,
 * and changes nothing; the image changes when the records are replayed, which must be before the
 * next decision.
 */
export class Controller {
  readonly #image: ClusterImage
  readonly #config: StaticBrokerConfig
  readonly #randomBytes: (count: number) => Uint8Array

  constructor(options: Omit<ControllerContext, 'liveBrokers'>) {
    this.#image = options.image
    this.#config = options.config
    this.#randomBytes = options.randomBytes
  }

  /** Decides over a request; errors are in the response. */
  handle(
    command: ControllerCommand,
    now: { readonly liveBrokers: readonly number[] },
  ): Decision<ResponseOf<ControllerApis[keyof ControllerApis]>> {
    const context: ControllerContext = {
      image: this.#image,
      config: this.#config,
      randomBytes: this.#randomBytes,
      liveBrokers: now.liveBrokers,
    }
    switch (command.api) {
      case 'createTopics':
        return createTopics(command.request, context)
      case 'deleteTopics':
        return deleteTopics(command.request, context)
      case 'createPartitions':
        return createPartitions(command.request, context)
      case 'alterConfigs':
        return replaceConfigs(command.request, context)
      case 'incrementalAlterConfigs':
        return alterConfigs(command.request, context)
      case 'allocateProducerIds':
        return allocateProducerIds(command.request, context)
    }
  }

  /** The record to write when a broker's registration is seen; none when the image has it. */
  register(broker: Omit<BrokerRegistered, 'type'>): readonly MetadataRecord[] {
    const known = this.#image.brokers.get(broker.nodeId)
    const same =
      known !== undefined &&
      known.host === broker.host &&
      known.port === broker.port &&
      known.rack === broker.rack &&
      known.incarnation === broker.incarnation &&
      known.epochCounter === broker.epochCounter
    if (same) return []
    // An older run of the broker, seen late: its epochs must not come back.
    if (known !== undefined && known.epochCounter > broker.epochCounter) return []
    return [{ type: 'broker-registered', ...broker }]
  }
}
