import {
  type Assignment,
  assignmentFrom,
  toTopics,
} from '../../../src/group/consumer/assignment.js'
import type {
  ConsumerHeartbeatInput,
  ConsumerHeartbeatResult,
} from '../../../src/group/consumer/consumer-api.js'
import { ConsumerGroup } from '../../../src/group/consumer/consumer-group.js'
import type { ConsumerChange } from '../../../src/group/consumer/consumer-records.js'
import type { ConsumerEnvironment } from '../../../src/group/consumer/targets.js'

/** A group without surroundings: time, topics and matches are the test's. */
export class GroupDriver {
  now = 0
  readonly topics = new Map<string, { id: string; partitionCount: number }>()
  readonly changes: ConsumerChange[] = []
  limits = {
    maxSize: 1000,
    sessionTimeoutMs: 45_000,
    heartbeatIntervalMs: 5000,
    assignors: ['uniform', 'range'],
  }
  readonly group: ConsumerGroup

  constructor() {
    const environment: ConsumerEnvironment = {
      limits: () => this.limits,
      topic: (name) => this.topics.get(name),
      matches: (pattern) => ({
        topics: [...this.topics.keys()]
          .filter((name) => new RegExp(`^(?:${pattern})$`).test(name))
          .sort(),
        version: 1,
        timestamp: 1,
      }),
    }
    this.group = new ConsumerGroup('g', environment)
  }

  topic(name: string, partitionCount: number): void {
    this.topics.set(name, { id: `id-${name}`, partitionCount })
    this.group.topicsChanged([name])
  }

  heartbeat(input: Partial<ConsumerHeartbeatInput> = {}): ConsumerHeartbeatResult {
    const result = this.group.heartbeat(
      {
        apiVersion: 1,
        groupId: 'g',
        memberId: 'm',
        memberEpoch: 0,
        instanceId: null,
        rackId: null,
        rebalanceTimeoutMs: -1,
        topicNames: null,
        topicRegex: null,
        serverAssignor: null,
        owned: null,
        clientId: 'client',
        clientHost: '/127.0.0.1',
        ...input,
      },
      this.now,
    )
    this.changes.push(...this.group.drain())
    return result
  }

  join(memberId: string, input: Partial<ConsumerHeartbeatInput> = {}): ConsumerHeartbeatResult {
    const first = { rebalanceTimeoutMs: 60_000, topicNames: ['a'], owned: [] }
    return this.heartbeat({ memberId, memberEpoch: 0, ...first, ...input })
  }

  pass(ms: number): void {
    this.now += ms
    this.group.tick(this.now)
    this.changes.push(...this.group.drain())
  }
}

/** A client: has what it was told to have, and gives up at once what it shall give up. */
export class ModelMember {
  epoch = 0
  owned: Assignment = new Map()

  constructor(
    readonly driver: GroupDriver,
    readonly id: string,
    readonly topicNames: readonly string[],
  ) {}

  /** Sends a heartbeat; false when the coordinator knows it no more. */
  beat(): boolean {
    const { id: memberId, epoch: memberEpoch, topicNames } = this
    const result =
      memberEpoch === 0
        ? this.driver.join(memberId, { topicNames })
        : this.driver.heartbeat({ memberId, memberEpoch, owned: toTopics(this.owned) })
    if (result.errorCode !== 0) return false
    this.epoch = result.memberEpoch
    if (result.assignment !== null) this.owned = assignmentFrom(toTopics(result.assignment))
    return true
  }

  leave(): void {
    this.driver.heartbeat({ memberId: this.id, memberEpoch: -1 })
    this.owned = new Map()
  }

  get size(): number {
    return [...this.owned.values()].reduce((sum, { length }) => sum + length, 0)
  }
}
