import { errorCodes } from '@kfk/protocol'
import type { JoinInput, JoinResult } from '../../src/group/group-api.js'
import type { GroupCoordinator } from '../../src/group/group-coordinator.js'
import { bytes, protocols } from './machine-driver.js'
import { settle } from './fake-cluster.js'

/** A JoinGroup with ordinary values. */
export function joinInput(change: Partial<JoinInput> = {}): JoinInput {
  return {
    groupId: 'g',
    memberId: '',
    groupInstanceId: null,
    clientId: 'client',
    clientHost: '/127.0.0.1',
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 30_000,
    protocolType: 'consumer',
    protocols: protocols('range'),
    requireKnownMemberId: false,
    supportsSkippingAssignment: true,
    reason: null,
    ...change,
  }
}

/**
 * Members that have joined a group together; the first leads, and has assigned `part of <id>` to
 * each.
 */
export async function stableGroup(
  coordinator: GroupCoordinator,
  options: { size?: number; groupId?: string; instances?: readonly string[] } = {},
): Promise<JoinResult[]> {
  const { size = 1, groupId = 'g', instances = [] } = options
  let members: JoinResult[] = []
  for (let count = 1; count <= size; count++) {
    const instance = (index: number) => instances[index] ?? null
    // The newcomer first: its join makes the others come back.
    const newcomer = coordinator.joinGroup(
      joinInput({ groupId, groupInstanceId: instance(count - 1) }),
    )
    await settle()
    const others = members.map(({ memberId }, index) =>
      coordinator.joinGroup(joinInput({ groupId, memberId, groupInstanceId: instance(index) })),
    )
    members = await Promise.all([...others, newcomer])
  }
  const assignments = members.map(({ memberId }) => ({
    memberId,
    assignment: bytes(`part of ${memberId}`),
  }))
  const synced = await Promise.all(
    members.map(({ memberId, generation, leader }, index) =>
      coordinator.syncGroup({
        groupId,
        memberId,
        generation,
        groupInstanceId: instances[index] ?? null,
        protocolType: null,
        protocolName: null,
        assignments: memberId === leader ? assignments : [],
      }),
    ),
  )
  if (synced.some(({ errorCode }) => errorCode !== errorCodes.NONE)) throw new Error('no sync')
  await settle()
  return members
}

/** A commit of one offset. */
export function commitInput(offset: number, change: object = {}) {
  return {
    groupId: 'g',
    memberId: '',
    groupInstanceId: null,
    generation: -1,
    apiVersion: 8,
    partitions: [
      {
        topic: 'activity',
        topicId: 'activityTopicIdAAAAAAA',
        partition: 0,
        offset,
        leaderEpoch: 7,
        metadata: 'note',
      },
    ],
    ...change,
  }
}

/** What one partition's committed offset is. */
export async function committed(coordinator: GroupCoordinator, groupId = 'g') {
  const topics = [{ topic: 'activity', partitions: [0] }]
  const { errorCode, offsets } = await coordinator.fetchOffsets(groupId, topics)
  return errorCode === errorCodes.NONE ? offsets[0]!.offset : { errorCode }
}
