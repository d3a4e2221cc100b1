import type { Client } from '@kfk/client'
import type { Assignor, AssignorInput, TopicPartition } from '@kfk/consumer'
import { kafkajsRoundRobinAssignor } from '@kfk/consumer'
import type { Assigner, Cluster, GroupMember, PartitionAssigner } from './assigner-api.js'
import { AssignerProtocol } from './assigner-protocol.js'
import type { Logger } from './logger.js'
import { partitionMetadataOf } from './topic-metadata.js'

const { MemberMetadata, MemberAssignment } = AssignerProtocol
/** Version of the subscriptions and assignments of kafkajs's members. */
const version = 0

/** Deals all partitions of all topics out one by one: what kafkajs does by default. */
const roundRobin: PartitionAssigner = ({ cluster }): Assigner => ({
  name: kafkajsRoundRobinAssignor.name,
  version,
  protocol({ topics }) {
    const metadata = MemberMetadata.encode({ version, topics, userData: Buffer.alloc(0) })
    return { name: kafkajsRoundRobinAssignor.name, metadata }
  },
  assign({ members, topics }) {
    const shares = new Map<string, Record<string, number[]>>()
    const order = members.map(({ memberId }) => memberId).sort()
    const partitions = topics.flatMap((topic) =>
      cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => ({ topic, partitionId })),
    )
    for (const [index, { topic, partitionId }] of partitions.entries()) {
      const memberId = order[index % order.length]!
      const share = shares.get(memberId) ?? {}
      share[topic] = [...(share[topic] ?? []), partitionId]
      shares.set(memberId, share)
    }
    const result = [...shares].map(([memberId, assignment]) => ({
      memberId,
      memberAssignment: MemberAssignment.encode({
        version,
        assignment,
        userData: Buffer.alloc(0),
      }),
    }))
    return Promise.resolve(result)
  },
})

/** `partitionAssigners` of a consumer. */
export const PartitionAssigners: { readonly roundRobin: PartitionAssigner } = { roundRobin }

export interface AssignorsOptions {
  readonly client: Client
  readonly groupId: string
  readonly logger: Logger
  readonly topics: readonly string[]
}

/** kafkajs's assigners as our consumer takes them. */
export function ourAssignors(
  assigners: readonly PartitionAssigner[],
  options: AssignorsOptions,
): Assignor[] {
  return assigners.map((each) =>
    each === roundRobin ? kafkajsRoundRobinAssignor : customAssignor(each, options),
  )
}

/** Calls an assigner of the program in kafkajs's terms. */
function customAssignor(
  create: PartitionAssigner,
  { client, groupId, logger, topics }: AssignorsOptions,
): Assignor {
  const cluster: Cluster = {
    isConnected: () => true,
    findTopicPartitionMetadata(topic) {
      const known = client.metadata.cached(topic)
      return known === undefined ? [] : partitionMetadataOf(known)
    },
  }
  const assigner = create({ cluster, groupId, logger })
  return {
    name: assigner.name,
    protocol: 'eager',
    userData: () =>
      MemberMetadata.decode(assigner.protocol({ topics: [...topics] }).metadata)?.userData ?? null,
    async assign(input) {
      const members = input.members.map(groupMember)
      const shares = await assigner.assign({ members, topics: [...topics] })
      return new Map(
        shares.map(({ memberId, memberAssignment }) => [memberId, partitionsOf(memberAssignment)]),
      )
    },
  }
}

function groupMember(member: AssignorInput['members'][number]): GroupMember {
  const { memberId, topics, userData } = member
  const metadata = { version, topics: [...topics], userData: Buffer.from(userData ?? []) }
  return { memberId, memberMetadata: MemberMetadata.encode(metadata) }
}

function partitionsOf(assignment: Buffer): TopicPartition[] {
  const byTopic = MemberAssignment.decode(assignment)?.assignment ?? {}
  return Object.entries(byTopic).flatMap(([topic, partitions]) =>
    partitions.map((partition) => ({ topic, partition })),
  )
}
