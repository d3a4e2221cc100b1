import { apis, type RequestInput } from '@kfk/protocol'
import { eventually } from '../../../src/index'
import type { Peer, TestTopic } from '../support/peer'
import { scenario } from '../support/scenario'

type Heartbeat = RequestInput<typeof apis.consumerGroupHeartbeat>

/** A group and a topic of the scenario's own, and heartbeats of members of it. */
async function groupOf(peer: Peer, partitions = 4) {
  const topic = await peer.topic('topic', { partitions })
  const groupId = peer.name('group')
  const ask = { keyType: 0, coordinatorKeys: [groupId] }
  await eventually('the coordinator is there', async () => {
    await peer.ask(apis.findCoordinator, 4, ask)
    const probe = { groupId, memberId: 'probe', memberEpoch: 7 }
    const { errorCode } = await peer.ask(apis.consumerGroupHeartbeat, 1, probe)
    return errorCode === 69 || undefined
  })
  const beat = (body: Partial<Heartbeat>, version = 1) =>
    peer.send(
      apis.consumerGroupHeartbeat,
      version,
      { groupId, memberId: 'm', memberEpoch: 0, ...body },
      { note: JSON.stringify({ ...body, topicPartitions: body.topicPartitions?.length }) },
    )
  const first = {
    ...{ rebalanceTimeoutMs: 30_000, subscribedTopicNames: [topic.name], topicPartitions: [] },
  }
  const describe = async (of = groupId): Promise<void> => {
    const groupIds = [of]
    for (const version of peer.versions(apis.consumerGroupDescribe)) {
      const includeAuthorizedOperations = version === 1
      const body = { groupIds, includeAuthorizedOperations }
      await peer.send(apis.consumerGroupDescribe, version, body)
    }
  }
  return { topic, groupId, beat, first, describe }
}

const owned = (topic: TestTopic, ...partitions: number[]) => [{ topicId: topic.id, partitions }]

export const consumerGroupScenarios = [
  scenario('consumer groups: requests that are wrong by themselves', async (peer) => {
    const { topic, beat, first } = await groupOf(peer)
    for (const version of peer.versions(apis.consumerGroupHeartbeat)) {
      for (const wrong of [
        { groupId: '' },
        { instanceId: '' },
        { rackId: '' },
        { rebalanceTimeoutMs: -1 },
        { topicPartitions: null },
        { topicPartitions: owned(topic, 0) },
        { subscribedTopicNames: null },
        { serverAssignor: 'none' },
        { memberEpoch: -3 },
        { memberEpoch: -2 },
        { memberEpoch: -2, instanceId: 'i' },
        { memberEpoch: -1 },
        { memberEpoch: 1 },
        { memberEpoch: 1, memberId: '' },
      ]) {
        await beat({ ...first, ...wrong }, version)
      }
    }
    await beat({ ...first, memberId: '' })
    for (const subscribedTopicRegex of ['(', '[', '*', 'a{2,1}', '(?=a)', '\\1', 'a{1001}']) {
      await beat({ ...first, subscribedTopicNames: null, subscribedTopicRegex })
    }
  }),
  scenario('consumer groups: one member comes, stays and goes', async (peer) => {
    const { topic, groupId, beat, first, describe } = await groupOf(peer)
    await beat(first)
    await beat({ memberEpoch: 1 })
    await beat({ memberEpoch: 1, topicPartitions: owned(topic, 0, 1, 2, 3) })
    await beat({ ...first, memberEpoch: 1, topicPartitions: owned(topic, 0, 1, 2, 3) })
    await beat({ memberEpoch: 2 })
    await beat({ memberEpoch: 0, ...first })
    await beat({ memberEpoch: 1, memberId: 'unknown' })
    await beat({ memberEpoch: -1, memberId: 'unknown' })
    await describe()
    await describe('unknown')
    for (const version of peer.versions(apis.describeGroups)) {
      await peer.send(apis.describeGroups, version, { groups: [groupId] })
    }
    await peer.send(apis.deleteGroups, 2, { groupsNames: [groupId] })
    await beat({ memberEpoch: -1 })
    await describe()
    const filters = { statesFilter: ['EMPTY'], typesFilter: ['Consumer'] }
    const { groups } = await peer.ask(apis.listGroups, 5, filters)
    peer.note(
      'listed',
      groups.find((group) => group.groupId === groupId),
    )
    await peer.send(apis.deleteGroups, 2, { groupsNames: [groupId] })
    await describe()
  }),
  scenario('consumer groups: partitions move when they are given up', async (peer) => {
    const { topic, beat, first } = await groupOf(peer)
    await beat(first)
    await beat({ ...first, memberId: 'n' })
    await beat({ memberEpoch: 1 })
    await beat({ memberEpoch: 1 })
    await beat({ memberEpoch: 2, memberId: 'n' })
    await beat({ memberEpoch: 1, topicPartitions: owned(topic, 0, 1, 2, 3) })
    await beat({ memberEpoch: 1, topicPartitions: owned(topic, 0, 1) })
    // The answer with the new epoch was lost.
    await beat({ memberEpoch: 1, topicPartitions: owned(topic, 0, 1) })
    await beat({ memberEpoch: 1, topicPartitions: owned(topic, 0, 1, 2) })
    await beat({ memberEpoch: 2, memberId: 'n' })
    await beat({ memberEpoch: 2, memberId: 'n', topicPartitions: owned(topic, 2, 3) })
    await beat({ memberEpoch: -1, memberId: 'n' })
    await beat({ memberEpoch: 2 })
    const grown = { topics: [{ name: topic.name, count: 6, assignments: null }] }
    const asked = { ...grown, timeoutMs: 10_000, validateOnly: false }
    await peer.ask(apis.createPartitions, 3, asked)
    await peer.ready(topic.name, 6)
    await eventually('the new partitions are assigned', async () => {
      const { groupId } = await peer
        .ask(apis.consumerGroupDescribe, 1, {
          ...{ groupIds: [peer.name('group')], includeAuthorizedOperations: false },
        })
        .then(({ groups }) => groups[0]!)
      const beating = { groupId, memberId: 'm', memberEpoch: 3 }
      const { errorCode, memberEpoch, assignment } = await peer.ask(
        apis.consumerGroupHeartbeat,
        1,
        beating,
      )
      if (memberEpoch < 4) return undefined
      peer.note('grown', { errorCode, memberEpoch, assignment })
      return true
    })
  }),
  scenario('consumer groups: range', async (peer) => {
    const { topic, beat, first } = await groupOf(peer, 5)
    await beat({ ...first, serverAssignor: 'range', memberId: 'b' })
    await beat({ ...first, serverAssignor: 'range', memberId: 'a' })
    await beat({ memberEpoch: 1, memberId: 'b' })
    await beat({ memberEpoch: 1, memberId: 'b', topicPartitions: owned(topic, 3, 4) })
    await beat({ memberEpoch: 2, memberId: 'a' })
  }),
  scenario('consumer groups: static members', async (peer) => {
    const { beat, first, describe } = await groupOf(peer)
    const i = { instanceId: 'i' }
    await beat({ ...first, ...i })
    await beat({ ...first, ...i, memberId: 'n' })
    await beat({ ...i, memberEpoch: 1, memberId: 'n' })
    await beat({ memberEpoch: 1 })
    await beat({ instanceId: 'other', memberEpoch: 1 })
    await beat({ ...i, memberEpoch: -2, memberId: 'n' })
    await beat({ ...i, memberEpoch: -2 })
    await describe()
    await beat({ ...i, memberEpoch: 1 })
    await beat({ ...first, ...i, memberId: 'n' })
    await beat({ ...i, memberEpoch: 1 })
    await beat({ ...i, memberEpoch: -1 })
    await beat({ ...i, memberEpoch: -1, memberId: 'n' })
    await describe()
  }),
  scenario('consumer groups: offsets by epoch', async (peer) => {
    const { topic, groupId, beat, first } = await groupOf(peer)
    const commit = (memberId: string, epoch: number, version: number) =>
      peer.send(
        apis.offsetCommit,
        version,
        {
          ...{ groupId, memberId, generationIdOrMemberEpoch: epoch },
          topics: [
            {
              ...{ name: topic.name, topicId: topic.id },
              partitions: [{ partitionIndex: 0, committedOffset: 5, committedMetadata: 'm' }],
            },
          ],
        },
        { note: `${memberId} ${epoch}` },
      )
    const fetch = (memberId: string | null, memberEpoch: number) =>
      peer.send(
        apis.offsetFetch,
        9,
        {
          groups: [
            {
              ...{ groupId, memberId, memberEpoch },
              topics: [{ name: topic.name, partitionIndexes: [0, 1] }],
            },
          ],
        },
        { note: `${memberId} ${memberEpoch}` },
      )
    await beat(first)
    for (const version of [8, 9, 10]) {
      for (const epoch of [-1, 0, 1, 2]) {
        await commit('m', epoch, version)
        await commit('', epoch, version)
      }
    }
    for (const epoch of [-1, 0, 1, 2]) {
      for (const memberId of ['', 'm', 'n']) await fetch(memberId, epoch)
    }
    // With another epoch this is a null pointer in Kafka.
    await fetch(null, -1)
    const body = { groupId, topics: [{ name: topic.name, partitions: [{ partitionIndex: 0 }] }] }
    await peer.send(apis.offsetDelete, 0, body)
    await beat({ memberEpoch: -1 })
    await commit('', -1, 9)
    await peer.send(apis.offsetDelete, 0, body)
  }),
  scenario('consumer groups: one that only has offsets becomes one', async (peer) => {
    const { topic, groupId, beat, first, describe } = await groupOf(peer)
    await peer.send(apis.offsetCommit, 9, {
      ...{ groupId, memberId: '', generationIdOrMemberEpoch: -1 },
      topics: [
        {
          name: topic.name,
          partitions: [{ partitionIndex: 0, committedOffset: 5, committedMetadata: '' }],
        },
      ],
    })
    await describe()
    await beat({ memberEpoch: 1 })
    await beat({ memberEpoch: -1 })
    await beat(first)
    await describe()
  }),
]
