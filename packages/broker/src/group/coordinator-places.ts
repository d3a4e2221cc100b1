import { errorCodes } from '@kfk/protocol'
import type { ClusterView, ControllerGateway } from '../context.js'
import type { CoordinatorAddress } from './group-api.js'

export interface CoordinatorPlacesOptions {
  readonly nodeId: number
  readonly cluster: ClusterView
  readonly controller: Pick<ControllerGateway, 'ensureTopic'>
  /** Of the coordinators. */
  readonly topic: string
  /** Which of its partitions an id belongs to. */
  readonly partitionOf: (id: string, partitionCount: number) => number
}

/** Who coordinates what: the leader of a partition of a coordinator's topic, all ids in it. */
export class CoordinatorPlaces {
  readonly #options: CoordinatorPlacesOptions

  constructor(options: CoordinatorPlacesOptions) {
    this.#options = options
  }

  /** The partition of an id; undefined before there is a topic. */
  partitionOf(id: string): number | undefined {
    const { cluster, topic, partitionOf } = this.#options
    const count = cluster.topic(topic)?.partitions.length
    return count === undefined ? undefined : partitionOf(id, count)
  }

  /** The same if this broker leads it, else undefined. */
  ownPartitionOf(id: string): number | undefined {
    const index = this.partitionOf(id)
    return index !== undefined && this.#isOwn(index) ? index : undefined
  }

  /** All partitions that this broker leads. */
  own(): number[] {
    const { cluster, topic } = this.#options
    const all = cluster.topic(topic)?.partitions ?? []
    return all.map(({ index }) => index).filter((index) => this.#isOwn(index))
  }

  /** Where the coordinator of an id is, or an error code; creates the topic if need be. */
  async addressOf(id: string): Promise<CoordinatorAddress | number> {
    const { cluster, controller, topic } = this.#options
    if (cluster.topic(topic) === undefined) {
      const code = await controller.ensureTopic(topic)
      if (code !== errorCodes.NONE) return errorCodes.COORDINATOR_NOT_AVAILABLE
    }
    const index = this.partitionOf(id)
    const leader = index === undefined ? undefined : cluster.leaderOf(topic, index)
    const broker = cluster.brokers().find(({ nodeId }) => nodeId === leader?.leaderId)
    if (broker === undefined) return errorCodes.COORDINATOR_NOT_AVAILABLE
    return { nodeId: broker.nodeId, host: broker.host, port: broker.port }
  }

  #isOwn(index: number): boolean {
    const { cluster, nodeId, topic } = this.#options
    return cluster.leaderOf(topic, index)?.leaderId === nodeId
  }
}
