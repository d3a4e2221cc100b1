import type { Assignment } from './assignment.js'
import type { AssigneeMember, AssignmentTask } from './assignment-task.js'

/** Rounds over all topics in which subscriptions that overlap come to balance, at most. */
const MAX_ROUNDS = 16

/**
 * As many partitions for each member as for any other, give or take one, and as few of them moved
 * as that allows. Members that subscribe to different topics get as near to it as moving single
 * partitions between subscribers of a topic can bring them.
 */
export function assignUniformly(task: AssignmentTask): Map<string, Assignment> {
  const division = new Division(task)
  if (isHomogeneous(task.members)) division.fillToQuota()
  else division.fillByLoad()
  return division.result()
}

function isHomogeneous(members: readonly AssigneeMember[]): boolean {
  const first = members[0]?.topicIds ?? new Set<string>()
  return members.every(
    ({ topicIds }) =>
      topicIds === first ||
      (topicIds.size === first.size && [...topicIds].every((each) => first.has(each))),
  )
}

interface Topic {
  readonly id: string
  /** Indices of members. */
  readonly subscribers: number[]
  /** By partition the index of its member; -1: none yet. */
  readonly owners: Int32Array
}

class Division {
  readonly #members: readonly AssigneeMember[]
  readonly #topics = new Map<string, Topic>()
  /** Partitions by member. */
  readonly #loads: Int32Array

  constructor({ members, partitionCount }: AssignmentTask) {
    this.#members = members
    this.#loads = new Int32Array(members.length)
    for (const [index, { topicIds, target }] of members.entries()) {
      for (const id of topicIds) {
        let topic = this.#topics.get(id)
        if (topic === undefined) {
          const owners = new Int32Array(partitionCount(id)).fill(-1)
          this.#topics.set(id, (topic = { id, subscribers: [], owners }))
        }
        topic.subscribers.push(index)
        for (const partition of target.get(id) ?? []) {
          if (topic.owners[partition] === -1) this.#give(topic, partition, index)
        }
      }
    }
  }

  /** All members subscribe to the same: each has a quota, and what is above it moves. */
  fillToQuota(): void {
    const memberCount = this.#members.length
    if (memberCount === 0) return
    let total = 0
    for (const { owners } of this.#topics.values()) total += owners.length
    const quota = Math.floor(total / memberCount)
    const quotas = new Int32Array(memberCount).fill(quota)
    let extra = total % memberCount
    // Those that have more than the quota keep one of it before others get one.
    const byLoad = Array.from(this.#loads.keys()).sort((a, b) => this.#loads[b]! - this.#loads[a]!)
    for (const index of byLoad) if (extra-- > 0) quotas[index]! += 1
    const free = this.#takeAbove(quotas)
    let next = 0
    for (let index = 0; index < memberCount; index++) {
      while (this.#loads[index]! < quotas[index]!) {
        const { topic, partition } = free[next++]!
        this.#give(topic, partition, index)
      }
    }
  }

  /** Everything without an owner, once members above their quota have given up the rest. */
  #takeAbove(quotas: Int32Array): { topic: Topic; partition: number }[] {
    const free: { topic: Topic; partition: number }[] = []
    for (const topic of [...this.#topics.values()].reverse()) {
      for (let partition = topic.owners.length - 1; partition >= 0; partition--) {
        const owner = topic.owners[partition]!
        const keeps = owner >= 0 && this.#loads[owner]! <= quotas[owner]!
        if (keeps) continue
        if (owner >= 0) this.#take(topic, partition)
        free.push({ topic, partition })
      }
    }
    return free.reverse()
  }

  /** Topics of which subscribers have most to read come first, and then level the loads. */
  fillByLoad(): void {
    const perSubscriber = ({ owners, subscribers }: Topic) => owners.length / subscribers.length
    const topics = [...this.#topics.values()].sort(
      (left, right) =>
        perSubscriber(right) - perSubscriber(left) ||
        left.subscribers.length - right.subscribers.length ||
        (left.id < right.id ? -1 : 1),
    )
    for (const topic of topics) {
      for (const [partition, owner] of topic.owners.entries()) {
        if (owner === -1) this.#give(topic, partition, this.#leastLoaded(topic))
      }
    }
    for (let round = 0; round < MAX_ROUNDS; round++) {
      let moved = 0
      for (const topic of topics) moved += this.#level(topic)
      if (moved === 0) return
    }
  }

  #leastLoaded({ subscribers }: Topic): number {
    let least = subscribers[0]!
    for (const index of subscribers) if (this.#loads[index]! < this.#loads[least]!) least = index
    return least
  }

  /** Moves partitions of the topic to subscribers that have two or more less; tells how many. */
  #level(topic: Topic): number {
    const owned = new Map<number, number[]>()
    for (const [partition, owner] of topic.owners.entries()) {
      const list = owned.get(owner)
      if (list === undefined) owned.set(owner, [partition])
      else list.push(partition)
    }
    let moved = 0
    for (;;) {
      let most = -1
      for (const [index, { length }] of owned) {
        if (length > 0 && (most < 0 || this.#loads[index]! > this.#loads[most]!)) most = index
      }
      const least = this.#leastLoaded(topic)
      if (most < 0 || this.#loads[most]! - this.#loads[least]! < 2) return moved
      const partition = owned.get(most)!.pop()!
      this.#take(topic, partition)
      this.#give(topic, partition, least)
      moved += 1
    }
  }

  #give(topic: Topic, partition: number, index: number): void {
    topic.owners[partition] = index
    this.#loads[index]! += 1
  }

  #take(topic: Topic, partition: number): void {
    this.#loads[topic.owners[partition]!]! -= 1
    topic.owners[partition] = -1
  }

  result(): Map<string, Assignment> {
    const shares = this.#members.map(() => new Map<string, number[]>())
    for (const { id, owners } of this.#topics.values()) {
      for (let partition = 0; partition < owners.length; partition++) {
        const share = shares[owners[partition]!]
        if (share === undefined) continue
        const list = share.get(id)
        if (list === undefined) share.set(id, [partition])
        else list.push(partition)
      }
    }
    return new Map(this.#members.map(({ id }, index) => [id, shares[index]!]))
  }
}
