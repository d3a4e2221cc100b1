import { errorCodes } from '@kfk/protocol'
import type {
  ConsumerHeartbeatInput,
  ConsumerHeartbeatResult,
} from '../../../src/group/consumer/consumer-api.js'
import { FakeCluster, settle, TOPIC_ID } from '../fake-cluster.js'

let cluster: FakeCluster

beforeEach(async () => {
  cluster = new FakeCluster()
  await cluster.start()
  // The client finds its coordinator.
  await cluster.coordinator.coordinatorFor('g')
  await settle()
})

async function beat(input: Partial<ConsumerHeartbeatInput>): Promise<ConsumerHeartbeatResult> {
  return cluster.coordinator.consumerHeartbeat({
    ...{ apiVersion: 1, groupId: 'g', memberId: 'm', memberEpoch: 0, instanceId: null },
    ...{ rackId: null, rebalanceTimeoutMs: -1, topicNames: null, topicRegex: null },
    ...{ serverAssignor: null, owned: null, clientId: 'c', clientHost: '/127.0.0.1' },
    ...input,
  })
}

const join = (memberId: string, input: Partial<ConsumerHeartbeatInput> = {}) =>
  beat({ memberId, rebalanceTimeoutMs: 60_000, topicNames: ['activity'], owned: [], ...input })

const commit = (memberId: string, generation: number, apiVersion = 9) =>
  cluster.coordinator.commitOffsets({
    ...{ groupId: 'g', memberId, groupInstanceId: null, generation, apiVersion },
    partitions: [
      {
        topic: 'activity',
        topicId: TOPIC_ID,
        partition: 0,
        offset: 7,
        leaderEpoch: 1,
        metadata: '',
      },
    ],
  })

const described = () => cluster.coordinator.describeConsumerGroup('g')

test('nothing of a group is told before it is durable', async () => {
  cluster.partition.autoCommit = false
  let result: ConsumerHeartbeatResult | undefined
  void join('m').then((told) => {
    result = told
  })
  await settle()
  expect(result).toBeUndefined()
  cluster.partition.commit()
  await settle()
  expect(result).toMatchObject({ errorCode: 0, memberEpoch: 1 })
})

test('a group goes on after a restart, and members that are silent then are gone', async () => {
  await join('m')
  await join('n')
  await beat({ memberEpoch: 1, owned: [{ topicId: TOPIC_ID, partitions: [0, 1] }] })
  await beat({ memberId: 'n', memberEpoch: 2 })
  const before = await described()
  expect(before).toMatchObject({ state: 'Stable', epoch: 2, targetEpoch: 2 })
  await cluster.crash()
  await cluster.coordinator.coordinatorFor('g')
  await settle()
  expect(await described()).toEqual(before)
  await cluster.pass(40)
  expect(await beat({ memberEpoch: 2 })).toMatchObject({ errorCode: 0, memberEpoch: 2 })
  await cluster.pass(10)
  expect((await described()).members.map(({ memberId }) => memberId)).toEqual(['m'])
  const result = await beat({ memberEpoch: 2 })
  expect(result).toMatchObject({ memberEpoch: 3, assignment: new Map([[TOPIC_ID, [0, 1, 2, 3]]]) })
})

test('what the log has lost is undone in memory', async () => {
  await join('m')
  cluster.partition.autoCommit = false
  const joining = join('n')
  await settle()
  cluster.partition.rollback()
  expect(await joining).toMatchObject({ errorCode: errorCodes.COORDINATOR_NOT_AVAILABLE })
  cluster.partition.autoCommit = true
  expect((await described()).members.map(({ memberId }) => memberId)).toEqual(['m'])
  cluster.partition.refusal = errorCodes.NOT_ENOUGH_REPLICAS
  expect(await join('n')).toMatchObject({ errorCode: errorCodes.COORDINATOR_NOT_AVAILABLE })
  cluster.partition.refusal = errorCodes.NONE
  expect(await described()).toMatchObject({ epoch: 1, members: [{ memberId: 'm' }] })
  expect(await join('n')).toMatchObject({ errorCode: 0, memberEpoch: 2 })
})

test('a member that does not give up its partitions in time is fenced', async () => {
  await join('m', { rebalanceTimeoutMs: 20_000 })
  await join('n')
  const owned = [{ topicId: TOPIC_ID, partitions: [0, 1, 2, 3] }]
  expect(await beat({ memberEpoch: 1, owned })).toMatchObject({
    assignment: new Map([[TOPIC_ID, [0, 1]]]),
  })
  await cluster.pass(19)
  expect(await beat({ memberEpoch: 1, owned })).toMatchObject({ errorCode: 0 })
  await cluster.pass(2)
  const late = await beat({ memberEpoch: 1, owned })
  expect(late).toMatchObject({ errorCode: errorCodes.UNKNOWN_MEMBER_ID })
  expect(await beat({ memberId: 'n', memberEpoch: 2 })).toMatchObject({
    assignment: new Map([[TOPIC_ID, [0, 1, 2, 3]]]),
  })
})

test('members commit in their epoch, and nobody else while there are members', async () => {
  expect(await commit('', -1)).toEqual([0])
  await join('m')
  expect(await commit('m', 1)).toEqual([0])
  expect(await commit('m', 2)).toEqual([errorCodes.STALE_MEMBER_EPOCH])
  expect(await commit('m', 1, 8)).toEqual([errorCodes.UNSUPPORTED_VERSION])
  expect(await commit('', -1)).toEqual([errorCodes.UNKNOWN_MEMBER_ID])
  const { coordinator } = cluster
  const reader = (memberId: string, memberEpoch: number) =>
    coordinator.fetchOffsets('g', null, { memberId, memberEpoch })
  expect(await reader('m', 1)).toMatchObject({ errorCode: 0, offsets: [{ offset: 7 }] })
  expect(await reader('m', 0)).toMatchObject({ errorCode: errorCodes.STALE_MEMBER_EPOCH })
  expect(await reader('x', 1)).toMatchObject({ errorCode: errorCodes.UNKNOWN_MEMBER_ID })
})

test('a group is listed, described and deleted as what it is', async () => {
  await join('m')
  await commit('m', 1)
  const { coordinator } = cluster
  expect(await coordinator.listGroups()).toMatchObject({
    groups: [{ groupId: 'g', type: 'consumer', protocolType: 'consumer', state: 'Stable' }],
  })
  expect(await coordinator.describeGroup('g')).toMatchObject({
    errorCode: errorCodes.GROUP_ID_NOT_FOUND,
    errorMessage: 'Group g is not a classic group.',
  })
  const topics = [{ topic: 'activity', partitions: [0] }]
  expect(await coordinator.deleteOffsets('g', topics)).toEqual({
    ...{ errorCode: 0, partitions: [errorCodes.GROUP_SUBSCRIBED_TO_TOPIC] },
  })
  expect(await coordinator.deleteGroup('g')).toBe(errorCodes.NON_EMPTY_GROUP)
  await beat({ memberEpoch: -1 })
  expect(await coordinator.deleteGroup('g')).toBe(0)
  expect(await coordinator.listGroups()).toEqual({ errorCode: 0, groups: [] })
  await cluster.crash()
  expect(await cluster.coordinator.listGroups()).toEqual({ errorCode: 0, groups: [] })
})

test('an expression follows the topics, and a bad one is refused', async () => {
  const regex = { topicNames: null, topicRegex: 'act.*' }
  expect(await join('m', regex)).toMatchObject({
    assignment: new Map([[TOPIC_ID, [0, 1, 2, 3]]]),
  })
  cluster.changeTopic('actors', 1)
  cluster.changeTopic('others', 1)
  const grown = new Map<string, number[]>([[TOPIC_ID, [0, 1, 2, 3]], ['actors'.padEnd(22, 'A'), [0]]]) // prettier-ignore
  expect(await beat({ memberEpoch: 1 })).toMatchObject({ memberEpoch: 2, assignment: grown })
  cluster.removeTopic('actors')
  const owned = [{ topicId: TOPIC_ID, partitions: [0, 1, 2, 3] }]
  expect(await beat({ memberEpoch: 2, owned })).toMatchObject({
    ...{ memberEpoch: 3, assignment: new Map([[TOPIC_ID, [0, 1, 2, 3]]]) },
  })
  for (const topicRegex of ['(', 'a'.repeat(2000), '(a{9}){900}b{999}c{999}'.repeat(20)]) {
    const refused = await join('x', { topicNames: null, topicRegex })
    expect(refused.errorCode).toBe(errorCodes.INVALID_REGULAR_EXPRESSION)
  }
})

test('a topic that grows is divided anew with the next heartbeat', async () => {
  await join('m')
  cluster.changeTopic('activity', 6)
  expect(await beat({ memberEpoch: 1 })).toMatchObject({
    ...{ memberEpoch: 2, assignment: new Map([[TOPIC_ID, [0, 1, 2, 3, 4, 5]]]) },
  })
})

test('an empty group changes its protocol either way, and keeps its offsets', async () => {
  await commit('', -1)
  await join('m')
  await beat({ memberEpoch: -1 })
  const protocols = [{ name: 'range', metadata: new Uint8Array([0]) }]
  const classic = {
    ...{ groupId: 'g', memberId: '', groupInstanceId: null, clientId: 'c', clientHost: '/h' },
    ...{ sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 10_000, protocolType: 'consumer' },
    ...{ protocols, requireKnownMemberId: false, supportsSkippingAssignment: true, reason: null },
  }
  const { coordinator } = cluster
  const joined = await coordinator.joinGroup(classic)
  expect(joined).toMatchObject({ errorCode: 0, generation: 1 })
  expect(await join('m')).toMatchObject({ errorCode: errorCodes.GROUP_ID_NOT_FOUND })
  const { memberId } = joined
  const members = [{ memberId, groupInstanceId: null, reason: null }]
  await coordinator.leaveGroup({ groupId: 'g', members })
  expect(await join('m')).toMatchObject({ errorCode: 0, memberEpoch: 1 })
  expect(await coordinator.fetchOffsets('g', null)).toMatchObject({ offsets: [{ offset: 7 }] })
  await cluster.crash()
  expect(await cluster.coordinator.listGroups()).toMatchObject({ groups: [{ type: 'consumer' }] })
})

test('offsets of topics that members read stay, and an empty group goes with its last', async () => {
  cluster.config['offsets.retention.minutes'] = 1
  cluster.config['offsets.retention.check.interval.ms'] = 10_000
  await cluster.crash()
  await cluster.coordinator.coordinatorFor('g')
  await settle()
  await join('m')
  await commit('m', 1)
  await cluster.pass(40)
  await beat({ memberEpoch: 1 })
  await cluster.pass(40)
  await beat({ memberEpoch: 1 })
  const offsets = async () => (await cluster.coordinator.fetchOffsets('g', null)).offsets.length
  expect(await offsets()).toBe(1)
  await beat({ memberEpoch: -1 })
  await cluster.pass(30)
  expect(await offsets()).toBe(0)
  expect(await cluster.coordinator.listGroups()).toEqual({ errorCode: 0, groups: [] })
})

test('a subscription beyond all measure is refused', async () => {
  const topicNames = Array.from({ length: 1000 }, (_, at) => `${at}`.padEnd(3000, 'x'))
  expect(await join('m', { topicNames })).toMatchObject({
    ...{ errorCode: errorCodes.INVALID_REQUEST },
  })
})
