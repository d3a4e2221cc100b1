import { apis } from '@kfk/protocol'
import { baseTime, batchOf, recordsOf } from '../support/batches'
import { produce } from '../support/produced'
import { scenario } from '../support/scenario'

const times = [
  ...[-1, -2, -3, -4, -5, -6, -7, -100],
  ...[0, 1, baseTime - 1, baseTime, baseTime + 1, baseTime + 1500, baseTime + 4000],
  ...[baseTime + 4001, baseTime * 2, Number.MAX_SAFE_INTEGER],
]

export const listOffsetsScenarios = [
  scenario('list offsets: every kind in every version', async (peer) => {
    const full = await peer.topic('full')
    const empty = await peer.topic('empty')
    await produce(peer, { topic: full, records: batchOf(recordsOf(5)) })
    await produce(peer, { topic: full, records: batchOf(recordsOf(2)) })
    for (const version of peer.versions(apis.listOffsets)) {
      for (const isolationLevel of version >= 2 ? [0, 1] : [0]) {
        for (const timestamp of times) {
          const partitions = [{ partitionIndex: 0, timestamp }]
          const topics = [full, empty].map(({ name }) => ({ name, partitions }))
          const body = { replicaId: -1, isolationLevel, topics }
          await peer.attempt(apis.listOffsets, version, body, { note: `time ${timestamp}` })
        }
      }
    }
  }),
  scenario('list offsets: unknown partitions, doubled ones and epochs', async (peer) => {
    const topic = await peer.topic()
    await produce(peer, { topic, records: batchOf() })
    const epoch = await peer.leaderEpoch(topic)
    const asked = [
      [topic.name, [0, 1, -1], -1],
      [topic.name, [0, 0], -1],
      ['no-such-topic', [0], -1],
      ['', [0], -1],
      ['a b', [0], -1],
      [topic.name, [0], epoch],
      [topic.name, [0], epoch + 1],
      [topic.name, [0], 2147483647],
      [topic.name, [0], -2],
    ] as const
    for (const version of peer.versions(apis.listOffsets)) {
      for (const [at, [name, indexes, currentLeaderEpoch]] of asked.entries()) {
        for (const replicaId of [-1, -2, 1, 5]) {
          const partitions = indexes.map((partitionIndex) => {
            return { partitionIndex, currentLeaderEpoch, timestamp: -1 }
          })
          await peer.attempt(
            apis.listOffsets,
            version,
            { replicaId, topics: [{ name, partitions }] },
            { note: `asked ${at} as ${replicaId}` },
          )
        }
      }
    }
  }),
  scenario('list offsets: where epochs ended', async (peer) => {
    const full = await peer.topic('full')
    const empty = await peer.topic('empty')
    await produce(peer, { topic: full, records: batchOf(recordsOf(5)) })
    const epoch = await peer.leaderEpoch(full)
    const epochs = [epoch, epoch + 1, -1, -2, 2147483647]
    for (const version of peer.versions(apis.offsetForLeaderEpoch)) {
      for (const topic of [full.name, empty.name, 'no-such-topic']) {
        for (const [one, currentLeaderEpoch] of epochs.entries()) {
          for (const [other, leaderEpoch] of epochs.entries()) {
            const partitions = [{ partition: 0, currentLeaderEpoch, leaderEpoch }]
            await peer.attempt(
              apis.offsetForLeaderEpoch,
              version,
              { replicaId: -1, topics: [{ topic, partitions }] },
              { note: `${topic} epoch ${other}, current ${one}` },
            )
          }
        }
      }
    }
  }),
]
