import { apis, errorCodes } from '@kfk/protocol'
import { type ClusterView, defineHandler, type Handler } from '../context.js'
import { type Assignment, toTopics } from '../group/consumer/assignment.js'
import { clientHostOf } from './client-host.js'
import { authorizedGroupOperations } from './group-admin.js'

/*
 * Groups of the consumer protocol (KIP-848). Version 1 of the heartbeat takes an expression as
 * subscription, and the member id from the client (KIP-1082); version 1 of the description tells
 * members of the classic protocol apart (KIP-1099).
 */

const consumerGroupHeartbeat = defineHandler<typeof apis.consumerGroupHeartbeat>({
  api: apis.consumerGroupHeartbeat,
  versions: [0, 1],
  handle({ apiVersion, clientId, peer, services }, request) {
    const result = services.groups.consumerHeartbeat({
      apiVersion,
      groupId: request.groupId,
      memberId: request.memberId,
      memberEpoch: request.memberEpoch,
      instanceId: request.instanceId,
      rackId: request.rackId,
      rebalanceTimeoutMs: request.rebalanceTimeoutMs,
      topicNames: request.subscribedTopicNames,
      topicRegex: request.subscribedTopicRegex,
      serverAssignor: request.serverAssignor,
      owned: request.topicPartitions,
      clientId: clientId ?? '',
      clientHost: clientHostOf(peer),
    })
    return result instanceof Promise ? result.then(heartbeatResponse) : heartbeatResponse(result)
  },
})

function heartbeatResponse<R extends { readonly assignment: Assignment | null }>(result: R) {
  const { assignment } = result
  return {
    ...result,
    throttleTimeMs: 0,
    assignment: assignment && { topicPartitions: toTopics(assignment) },
  }
}

const consumerGroupDescribe = defineHandler<typeof apis.consumerGroupDescribe>({
  api: apis.consumerGroupDescribe,
  versions: [0, 1],
  async handle({ services }, request) {
    const { cluster } = services
    const groups = await Promise.all(
      request.groupIds.map(async (groupId) => {
        const found = await services.groups.describeConsumerGroup(groupId)
        const asked = request.includeAuthorizedOperations && found.errorCode === errorCodes.NONE
        return {
          errorCode: found.errorCode,
          errorMessage: found.errorMessage,
          groupId,
          groupState: found.state,
          groupEpoch: found.epoch,
          assignmentEpoch: found.targetEpoch,
          assignorName: found.assignor,
          members: found.members.map(({ epoch, topicNames, topicRegex, ...member }) => ({
            ...member,
            memberEpoch: epoch,
            subscribedTopicNames: topicNames,
            subscribedTopicRegex: topicRegex,
            assignment: { topicPartitions: named(cluster, member.assigned) },
            targetAssignment: { topicPartitions: named(cluster, member.target) },
            memberType: member.isClassic ? 0 : 1,
          })),
          authorizedOperations: authorizedGroupOperations(asked),
        }
      }),
    )
    return { throttleTimeMs: 0, groups }
  },
})

/** Topics that were deleted meanwhile have no name to be told. */
function named(cluster: ClusterView, assignment: Assignment) {
  return toTopics(assignment).flatMap(({ topicId, partitions }) => {
    const topic = cluster.topicById(topicId)
    return topic === undefined ? [] : [{ topicId, topicName: topic.name, partitions }]
  })
}

/** ConsumerGroupHeartbeat, ConsumerGroupDescribe. */
export const consumerGroupHandlers: readonly Handler[] = [
  consumerGroupHeartbeat,
  consumerGroupDescribe,
]
