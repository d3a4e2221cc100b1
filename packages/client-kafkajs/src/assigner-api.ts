import type { Logger } from './logger.js'
import type { PartitionMetadata } from './producer-api.js'

/** Partitions by topic. */
export interface Assignment {
  [topic: string]: number[]
}

export interface GroupMember {
  memberId: string
  memberMetadata: Buffer
}

export interface GroupMemberAssignment {
  memberId: string
  memberAssignment: Buffer
}

export interface GroupState {
  name: string
  metadata: Buffer
}

/** Divides partitions among the members of a group; the group's leader runs it. */
export interface Assigner {
  name: string
  version: number
  assign(group: { members: GroupMember[]; topics: string[] }): Promise<GroupMemberAssignment[]>
  protocol(subscription: { topics: string[] }): GroupState
}

/** What an assigner may ask of the cluster. */
export interface Cluster {
  isConnected(): boolean
  /** Partitions of a topic that any member of the group wants. */
  findTopicPartitionMetadata(topic: string): PartitionMetadata[]
}

export type PartitionAssigner = (config: {
  cluster: Cluster
  groupId: string
  logger: Logger
}) => Assigner

export interface ISerializer<T> {
  encode(value: T): Buffer
  decode(buffer: Buffer): T | null
}

export interface MemberMetadata {
  version: number
  topics: string[]
  userData: Buffer
}

export interface MemberAssignment {
  version: number
  assignment: Assignment
  userData: Buffer
}
