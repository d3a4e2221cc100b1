import { apis, encodeConsumerAssignment, encodeConsumerSubscription } from '@kfk/protocol'
import type { Client } from '../client.js'
import { ClientError, kafkaError } from '../errors.js'

const groupIdNotFound = 69

/**
 * A group of the consumer protocol (KIP-848), told like a classic one: what its members subscribe
 * to and have been given as the bytes that consumers exchange. Undefined when there is no such
 * group, or the broker does not serve the protocol.
 */
export async function describeConsumerGroup(
  client: Client,
  groupId: string,
  bounds: { readonly signal: AbortSignal | undefined; readonly timeoutMs: number },
) {
  const answer = await client
    .request(
      apis.consumerGroupDescribe,
      { groupIds: [groupId], includeAuthorizedOperations: false },
      { group: groupId },
      { ...bounds, lane: 'main' },
    )
    .catch((error: unknown) => {
      const isUnserved = error instanceof ClientError && error.code === unsupported
      if (isUnserved) return undefined
      throw error
    })
  const group = answer?.groups[0]
  if (group === undefined || group.errorCode === groupIdNotFound) return undefined
  if (group.errorCode !== 0) throw kafkaError(group.errorCode, group.errorMessage, { groupId })
  return {
    groupId,
    state: group.groupState,
    protocolType: 'consumer',
    protocol: group.assignorName,
    members: group.members.map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.instanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      metadata: encodeConsumerSubscription({ topics: member.subscribedTopicNames }),
      assignment: encodeConsumerAssignment({
        assignedPartitions: member.assignment.topicPartitions.map(({ topicName, partitions }) => {
          return { topic: topicName, partitions }
        }),
      }),
    })),
  }
}

const unsupported = 'KFK_CLIENT_UNSUPPORTED_VERSION'
