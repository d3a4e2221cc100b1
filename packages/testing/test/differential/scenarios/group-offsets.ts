import { apis, ZERO_UUID } from '@kfk/protocol'
import type { Peer, TestTopic } from '../support/peer'
import { scenario } from '../support/scenario'
import { coordinated } from './groups'

const unknownId = 'c2VlIHRoZSBub3RoaW5nbg'

interface Commit {
  readonly topic?: TestTopic
  readonly partition?: number
  readonly offset?: number
  readonly epoch?: number
  readonly metadata?: string | null
  readonly generation?: number
  readonly member?: string
  readonly instance?: string
  readonly group?: string
}

async function commit(
  peer: Peer,
  version: number,
  what: Required<Pick<Commit, 'group' | 'topic'>> & Commit,
  note: string,
) {
  const { topic, partition = 0, offset = 5, epoch = -1, metadata = 'm' } = what
  await peer.attempt(
    apis.offsetCommit,
    version,
    {
      groupId: what.group,
      generationIdOrMemberEpoch: what.generation ?? -1,
      memberId: what.member ?? '',
      ...(version >= 7 && { groupInstanceId: what.instance ?? null }),
      topics: [
        {
          name: topic.name,
          topicId: topic.id,
          partitions: [
            {
              partitionIndex: partition,
              committedOffset: offset,
              committedLeaderEpoch: epoch,
              committedMetadata: metadata,
            },
          ],
        },
      ],
    },
    { note },
  )
}

async function fetchOffsets(
  peer: Peer,
  [version, group]: readonly [version: number, group: string],
  topics: readonly (TestTopic & { readonly partitions: number[] })[] | null,
  note = 'read',
): Promise<void> {
  const named = topics?.map(({ name, partitions }) => ({ name, partitionIndexes: partitions }))
  const both = topics?.map(({ name, id, partitions }) => {
    return { name, topicId: id, partitionIndexes: partitions }
  })
  const body =
    version < 8
      ? { groupId: group, topics: named ?? null }
      : { groups: [{ groupId: group, topics: both ?? null }] }
  await peer.attempt(apis.offsetFetch, version, body, { note })
}

export const groupOffsetsScenarios = [
  scenario('group offsets: committed and read in every version', async (peer) => {
    const topic = await peer.topic('topic', { partitions: 2 })
    for (const version of peer.versions(apis.offsetCommit)) {
      const group = await coordinated(peer, peer.name(`g${version}`))
      await commit(peer, version, { group, topic }, 'first')
      await commit(peer, version, { group, topic, partition: 1, offset: 0, metadata: '' }, 'second')
      await commit(peer, version, { group, topic, offset: 7, metadata: null }, 'no metadata')
      for (const of of peer.versions(apis.offsetFetch)) {
        await fetchOffsets(
          peer,
          [of, group],
          [{ ...topic, partitions: [0, 1, 2] }],
          `of ${version}`,
        )
      }
    }
  }),
  scenario('group offsets: odd commits', async (peer) => {
    const topic = await peer.topic()
    const unknown = { name: 'no-such-topic', id: unknownId }
    const odd: readonly Commit[] = [
      { offset: -1 },
      { offset: -2 },
      { partition: 7 },
      { partition: -1 },
      { topic: unknown },
      { topic: { name: 'a b', id: ZERO_UUID } },
      { metadata: 'x'.repeat(4096) },
      { metadata: 'x'.repeat(4097) },
      { epoch: 5 },
      { generation: 0 },
      { generation: 5 },
      { generation: 0, member: 'nobody' },
      { member: 'nobody' },
      { group: '' },
    ]
    for (const version of peer.versions(apis.offsetCommit)) {
      const group = await coordinated(peer, peer.name(`g${version}`))
      for (const [at, what] of odd.entries()) {
        await commit(peer, version, { group, topic, ...what }, `odd ${at}`)
      }
      if (version >= 7) await commit(peer, version, { group, topic, instance: 'i' }, 'an instance')
      await fetchOffsets(peer, [8, group], null, 'all')
    }
  }),
  scenario('group offsets: odd reads', async (peer) => {
    const topic = await peer.topic()
    const group = await coordinated(peer, peer.name('g'))
    await commit(peer, 8, { group, topic }, 'first')
    const unknown = { name: 'no-such-topic', id: unknownId, partitions: [0] }
    for (const version of peer.versions(apis.offsetFetch)) {
      await fetchOffsets(peer, [version, group], [unknown], 'unknown topic')
      await fetchOffsets(peer, [version, group], [], 'no topics')
      await fetchOffsets(peer, [version, group], [{ ...topic, partitions: [] }], 'no partitions')
      await fetchOffsets(peer, [version, group], [{ ...topic, partitions: [0, -1, 9] }], 'odd ones')
      await fetchOffsets(peer, [version, peer.name('nothing')], [{ ...topic, partitions: [0] }])
      await fetchOffsets(peer, [version, ''], [{ ...topic, partitions: [0] }], 'no name')
      if (version >= 2) await fetchOffsets(peer, [version, group], null, 'all')
      if (version < 8) continue
      const groups = [group, peer.name('nothing'), group].map((groupId) => {
        return { groupId, topics: null }
      })
      await peer.attempt(apis.offsetFetch, version, { groups }, { note: 'three' })
      await peer.attempt(apis.offsetFetch, version, { groups: [] }, { note: 'none' })
    }
  }),
  scenario('group offsets: deleted', async (peer) => {
    const topic = await peer.topic('topic', { partitions: 2 })
    const group = await coordinated(peer, peer.name('g'))
    await commit(peer, 8, { group, topic }, 'first')
    await commit(peer, 8, { group, topic, partition: 1 }, 'second')
    const asked: readonly [string, string, number[]][] = [
      [group, topic.name, [1]],
      [group, topic.name, [1]],
      [group, topic.name, [7]],
      [group, 'no-such-topic', [0]],
      [peer.name('nothing'), topic.name, [0]],
      ['', topic.name, [0]],
      [group, topic.name, [0]],
    ]
    for (const [at, [groupId, name, indexes]] of asked.entries()) {
      const partitions = indexes.map((partitionIndex) => ({ partitionIndex }))
      const topics = [{ name, partitions }]
      await peer.attempt(apis.offsetDelete, 0, { groupId, topics }, { note: `asked ${at}` })
    }
    // kfk forgets the group at once now, Kafka when it looks for what has expired.
    await fetchOffsets(peer, [8, group], null, 'all')
  }),
]
