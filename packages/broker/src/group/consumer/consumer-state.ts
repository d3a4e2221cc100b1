import { type Assignment, NO_PARTITIONS } from './assignment.js'
import type { ConsumerGroupState } from './consumer-api.js'
import type { ConsumerMember, MemberMetadata } from './consumer-member.js'
import type { ConsumerChange, ResolvedRegex } from './consumer-records.js'
import { type AssignmentFields, memberState, NO_ASSIGNMENT } from './reconcile.js'

/**
 * What is known of a group of the consumer protocol: what its records say, one after the other.
 * `apply` is the only way to change it, for what was read from the log and for what is decided now.
 */
export class ConsumerState {
  epoch = 0
  metadataHash = 0n
  /** The epoch that the targets are for. */
  targetEpoch = 0
  readonly #members = new Map<string, ConsumerMember>()
  /** Member id by instance id. */
  readonly #instances = new Map<string, string>()
  readonly #targets = new Map<string, Assignment>()
  readonly #regexes = new Map<string, ResolvedRegex>()
  /** Partitions that some member has or is giving up. */
  readonly #owned = new Map<string, Set<number>>()

  get size(): number {
    return this.#members.size
  }

  members(): IterableIterator<ConsumerMember> {
    return this.#members.values()
  }

  member(id: string): ConsumerMember | undefined {
    return this.#members.get(id)
  }

  staticMember(instanceId: string): ConsumerMember | undefined {
    const id = this.#instances.get(instanceId)
    return id === undefined ? undefined : this.#members.get(id)
  }

  target(memberId: string): Assignment | undefined {
    return this.#targets.get(memberId)
  }

  regexes(): IterableIterator<[pattern: string, resolved: ResolvedRegex]> {
    return this.#regexes.entries()
  }

  regex(pattern: string): ResolvedRegex | undefined {
    return this.#regexes.get(pattern)
  }

  isOwned(topicId: string, partition: number): boolean {
    return this.#owned.get(topicId)?.has(partition) ?? false
  }

  get state(): ConsumerGroupState {
    if (this.#members.size === 0) return 'Empty'
    if (this.epoch > this.targetEpoch) return 'Assigning'
    for (const { epoch, state } of this.#members.values()) {
      if (epoch !== this.targetEpoch || state !== memberState.stable) return 'Reconciling'
    }
    return 'Stable'
  }

  /** By name whether somebody subscribes to it, by itself or by an expression. */
  subscribedTopics(): Set<string> {
    const names = new Set<string>()
    for (const member of this.#members.values())
      for (const name of this.topicsOf(member)) names.add(name)
    return names
  }

  topicsOf({ topicNames, topicRegex }: MemberMetadata): Iterable<string> {
    if (topicRegex === '') return topicNames
    const matched = this.#regexes.get(topicRegex)?.topics ?? []
    return topicNames.length === 0 ? matched : new Set([...topicNames, ...matched])
  }

  apply(change: ConsumerChange): void {
    switch (change.type) {
      case 'epoch':
        this.epoch = change.value?.epoch ?? 0
        this.metadataHash = change.value?.metadataHash ?? 0n
        return
      case 'targetEpoch':
        this.targetEpoch = change.value ?? 0
        return
      case 'member':
        this.#applyMember(change.subject, change.value)
        return
      case 'target':
        if (change.value === null) this.#targets.delete(change.subject)
        else this.#targets.set(change.subject, change.value)
        return
      case 'current':
        this.#applyCurrent(change.subject, change.value ?? NO_ASSIGNMENT)
        return
      case 'regex':
        if (change.value === null) this.#regexes.delete(change.subject)
        else this.#regexes.set(change.subject, change.value)
    }
  }

  #applyMember(id: string, metadata: MemberMetadata | null): void {
    const before = this.#members.get(id)
    if (metadata !== null) {
      this.#members.set(id, { ...(before ?? NO_ASSIGNMENT), ...metadata, id })
      if (metadata.instanceId !== null) this.#instances.set(metadata.instanceId, id)
      return
    }
    if (before === undefined) return
    this.#applyCurrent(id, NO_ASSIGNMENT)
    this.#members.delete(id)
    const { instanceId } = before
    if (instanceId !== null && this.#instances.get(instanceId) === id) {
      this.#instances.delete(instanceId)
    }
  }

  #applyCurrent(id: string, to: AssignmentFields): void {
    const member = this.#members.get(id)
    if (member === undefined) return
    const { epoch, previousEpoch, state, assigned, revoking } = to
    if (assigned !== member.assigned || revoking !== member.revoking) {
      this.#mark(member.assigned, false)
      this.#mark(member.revoking, false)
      this.#mark(assigned, true)
      this.#mark(revoking, true)
    }
    this.#members.set(id, { ...member, epoch, previousEpoch, state, assigned, revoking })
  }

  #mark(assignment: Assignment, owned: boolean): void {
    if (assignment === NO_PARTITIONS) return
    for (const [topicId, partitions] of assignment) {
      let set = this.#owned.get(topicId)
      if (set === undefined) this.#owned.set(topicId, (set = new Set()))
      if (owned) for (const partition of partitions) set.add(partition)
      else for (const partition of partitions) set.delete(partition)
      if (set.size === 0) this.#owned.delete(topicId)
    }
  }
}
