import { defineApi } from '../api.js'
import { array, bool, int16, int32, int8, string, struct, uuid } from '../schema.js'

/**
 * The group protocol in which the coordinator assigns (KIP-848): one request joins, keeps alive,
 * reports what is owned, and leaves. `memberEpoch` 0 joins, -1 leaves, -2 is a static member that
 * will be back.
 */
export const consumerGroupHeartbeat = defineApi({
  key: 68,
  name: 'ConsumerGroupHeartbeat',
  versions: [0, 1],
  flexibleSince: 0,
  request: struct({
    groupId: string(),
    /** From version 1 on the client makes its own, before the first request. */
    memberId: string(),
    memberEpoch: int32(),
    instanceId: string({ nullable: true, default: null }),
    rackId: string({ nullable: true, default: null }),
    /** Milliseconds; -1 when it has not changed. */
    rebalanceTimeoutMs: int32({ default: -1 }),
    /** Null: as before. */
    subscribedTopicNames: array(string(), { nullable: true, default: null }),
    /** RE2 syntax; null: as before, empty: none. */
    subscribedTopicRegex: string({ since: 1, nullable: 1, default: null }),
    serverAssignor: string({ nullable: true, default: null }),
    /** What the member owns; null: as before. */
    topicPartitions: array(struct({ topicId: uuid(), partitions: array(int32()) }), {
      nullable: true,
      default: null,
    }),
  }),
  response: struct({
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullable: true, default: null }),
    memberId: string({ nullable: true, default: null }),
    memberEpoch: int32(),
    heartbeatIntervalMs: int32(),
    /** Null: as before. */
    assignment: struct(
      {
        topicPartitions: array(struct({ topicId: uuid(), partitions: array(int32()) })),
      },
      { nullable: true, default: null },
    ),
  }),
})

const describedAssignment = struct({
  topicPartitions: array(
    struct({ topicId: uuid(), topicName: string(), partitions: array(int32()) }),
  ),
})

/** State, members and assignments of groups of this protocol. */
export const consumerGroupDescribe = defineApi({
  key: 69,
  name: 'ConsumerGroupDescribe',
  versions: [0, 1],
  flexibleSince: 0,
  request: struct({
    groupIds: array(string()),
    includeAuthorizedOperations: bool(),
  }),
  response: struct({
    throttleTimeMs: int32(),
    groups: array(
      struct({
        errorCode: int16(),
        errorMessage: string({ nullable: true, default: null }),
        groupId: string(),
        groupState: string(),
        groupEpoch: int32(),
        assignmentEpoch: int32(),
        assignorName: string(),
        members: array(
          struct({
            memberId: string(),
            instanceId: string({ nullable: true, default: null }),
            rackId: string({ nullable: true, default: null }),
            memberEpoch: int32(),
            clientId: string(),
            clientHost: string(),
            subscribedTopicNames: array(string()),
            subscribedTopicRegex: string({ nullable: true, default: null }),
            assignment: describedAssignment,
            targetAssignment: describedAssignment,
            /** 0 a member by the classic protocol, 1 by this one; -1 not known. */
            memberType: int8({ since: 1, default: -1, ignorable: true }),
          }),
        ),
        authorizedOperations: int32({ default: -2147483648 }),
      }),
    ),
  }),
})
