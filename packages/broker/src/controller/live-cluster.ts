import type { BrokerImage, ClusterChange, ClusterView, Logger, TopicImage } from '../context.js'
import type { ClusterImage } from './cluster-image.js'
import type { MemberEntry } from './coordination-entries.js'
import { Condition } from './waiting.js'

/** Leader epochs are `counter * 1024 + node id`: unique per broker, and higher after each start. */
const EPOCHS_PER_COUNT = 1024

/** The topics of the metadata log together with the brokers that coordination says are alive. */
export class LiveCluster implements ClusterView {
  /** Notified with each change. */
  readonly changed = new Condition()
  readonly #image: ClusterImage
  readonly #self: { readonly nodeId: number; readonly epochCounter: number }
  readonly #logger: Logger
  readonly #members = new Map<number, MemberEntry>()
  readonly #listeners = new Set<(change: ClusterChange) => void>()
  #identity = { clusterId: '', controllerNodeId: -1 }
  /** Ascending by node id; made anew when it changes, because every Metadata answer reads it. */
  #alive: readonly BrokerImage[] = []

  constructor(
    image: ClusterImage,
    self: { readonly nodeId: number; readonly epochCounter: number },
    logger: Logger,
  ) {
    this.#image = image
    this.#self = self
    this.#logger = logger
  }

  get clusterId(): string {
    return this.#identity.clusterId
  }

  /** The one writer of the metadata log, alive or not. */
  get controllerNodeId(): number {
    return this.#identity.controllerNodeId
  }

  get controllerId(): number {
    const { controllerNodeId } = this.#identity
    // Every broker takes admin requests and forwards them, so the one asked will do while the
    // controller is away.
    return this.#members.has(controllerNodeId) ? controllerNodeId : this.#self.nodeId
  }

  get metadataLeader(): { readonly leaderId: number; readonly leaderEpoch: number } {
    const leaderId = this.#identity.controllerNodeId
    return { leaderId, leaderEpoch: this.#epochOf(leaderId) }
  }

  get metadataOffset(): number {
    return this.#image.nextOffset
  }

  brokers(): readonly BrokerImage[] {
    return this.#alive
  }

  topic(name: string): TopicImage | undefined {
    return this.#image.topics.get(name)
  }

  topicById(id: string): TopicImage | undefined {
    return this.#image.topicById(id)
  }

  topics(): Iterable<TopicImage> {
    return this.#image.topics.values()
  }

  leaderOf(
    topic: string,
    partition: number,
  ): { readonly leaderId: number; readonly leaderEpoch: number } | undefined {
    const replica = this.#image.topics.get(topic)?.partitions[partition]?.replicas[0]
    if (replica === undefined) return undefined
    const isAlive = replica === this.#self.nodeId || this.#members.has(replica)
    return { leaderId: isAlive ? replica : -1, leaderEpoch: this.#epochOf(replica) }
  }

  onChange(listener: (change: ClusterChange) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Which cluster this is: known once, before anything is served. */
  settle(identity: { readonly clusterId: string; readonly controllerNodeId: number }): void {
    this.#identity = { ...identity }
  }

  member(nodeId: number): MemberEntry | undefined {
    return this.#members.get(nodeId)
  }

  members(): Iterable<MemberEntry> {
    return this.#members.values()
  }

  /** Replaces who is alive. */
  setMembers(members: Iterable<MemberEntry>): void {
    const before = new Map(this.#members)
    this.#members.clear()
    for (const member of members) this.#members.set(member.nodeId, member)
    const isSame =
      before.size === this.#members.size &&
      [...this.#members.values()].every(
        (member) => before.get(member.nodeId)?.incarnation === member.incarnation,
      )
    if (isSame) return
    this.#alive = [...this.#members.values()]
      .sort((a, b) => a.nodeId - b.nodeId)
      .map(({ nodeId, host, port, rack }) => ({ nodeId, host, port, rack }))
    this.applied({ added: [], changed: [], removed: [], brokersChanged: true })
  }

  /** Tells everybody of a change of the image. */
  applied(change: ClusterChange): void {
    const { added, changed, removed, brokersChanged, configsChanged = false } = change
    const topics = added.length + changed.length + removed.length
    if (topics > 0 || brokersChanged || configsChanged) {
      for (const listener of this.#listeners) {
        try {
          listener(change)
        } catch (error) {
          this.#logger.error(`a listener of cluster changes failed: ${String(error)}`, { error })
        }
      }
    }
    this.changed.notify()
  }

  #epochOf(nodeId: number): number {
    return this.#epochCounterOf(nodeId) * EPOCHS_PER_COUNT + nodeId
  }

  #epochCounterOf(nodeId: number): number {
    if (nodeId === this.#self.nodeId) return this.#self.epochCounter
    const live = this.#members.get(nodeId)?.epochCounter ?? 0
    const recorded = this.#image.brokers.get(nodeId)?.epochCounter ?? 0
    return Math.max(live, recorded)
  }
}
