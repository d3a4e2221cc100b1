import { apis, ZERO_UUID } from '@kfk/protocol'
import type { Peer } from '../support/peer'
import { scenario } from '../support/scenario'

const unknownId = 'c2VlIHRoZSBub3RoaW5nbg'

/** Names that are no topic's. */
const badNames = ['', '.', '..', 'a b', 'a/b', 'ä', 'a:b', 'a'.repeat(250), 'a\u0000b', '-', '_']

function named(...names: string[]) {
  return names.map((name) => ({ name, topicId: ZERO_UUID }))
}

async function cluster(peer: Peer): Promise<void> {
  for (const version of peer.versions(apis.describeCluster)) {
    for (const endpointType of version >= 1 ? [1, 2, 0, 3, -1] : [1]) {
      for (const includeClusterAuthorizedOperations of [false, true]) {
        await peer.send(
          apis.describeCluster,
          version,
          {
            includeClusterAuthorizedOperations,
            endpointType,
            includeFencedBrokers: version >= 2 && includeClusterAuthorizedOperations,
          },
          { note: `endpoint type ${endpointType}` },
        )
      }
    }
  }
}

export const metadataScenarios = [
  scenario('metadata: topics that exist', async (peer) => {
    const one = await peer.topic('one', { partitions: 3 })
    const two = await peer.topic('two')
    for (const version of peer.versions(apis.metadata)) {
      const old = { includeClusterAuthorizedOperations: version >= 8 && version <= 10 }
      await peer.send(apis.metadata, version, {
        topics: named(one.name, two.name),
        allowAutoTopicCreation: version < 4,
        includeTopicAuthorizedOperations: version >= 8,
        ...old,
      })
      await peer.send(
        apis.metadata,
        version,
        { topics: named(two.name, two.name), allowAutoTopicCreation: true },
        { note: 'the same twice' },
      )
      if (version >= 1) {
        await peer.send(apis.metadata, version, { topics: [] }, { note: 'none' })
      }
    }
  }),
  scenario('metadata: unknown topics and bad names', async (peer) => {
    for (const version of peer.versions(apis.metadata)) {
      const allowAutoTopicCreation = version < 4
      const names = allowAutoTopicCreation ? badNames.slice(0, -2) : badNames
      for (const name of names) {
        await peer.send(
          apis.metadata,
          version,
          { topics: named(name), allowAutoTopicCreation },
          { note: JSON.stringify(name).slice(0, 30) },
        )
      }
    }
  }),
  scenario('metadata: ids', async (peer) => {
    const one = await peer.topic('one')
    for (const version of peer.versions(apis.metadata).filter((version) => version >= 10)) {
      const asked = [
        [{ name: null, topicId: one.id }],
        [{ name: null, topicId: unknownId }],
        [{ name: one.name, topicId: one.id }],
        [{ name: one.name, topicId: unknownId }],
        [{ name: 'no-such-topic', topicId: one.id }],
        [
          { name: null, topicId: one.id },
          { name: one.name, topicId: ZERO_UUID },
        ],
      ]
      for (const [at, topics] of asked.entries()) {
        await peer.attempt(
          apis.metadata,
          version,
          { topics, allowAutoTopicCreation: false },
          { note: `asked ${at}` },
        )
      }
    }
  }),
  scenario('metadata: topics are made on demand', async (peer) => {
    for (const version of peer.versions(apis.metadata)) {
      const name = peer.name(`auto-${version}`)
      const body = { topics: named(name), allowAutoTopicCreation: true }
      const { topics } = await peer.ask(apis.metadata, version, body)
      // Kafka tells that it is being made; kfk answers when it is.
      expect([0, 3, 5]).toContain(topics[0]!.errorCode)
      await peer.ready(name, 1)
      await peer.send(apis.metadata, version, body)
    }
  }),
  scenario('metadata: the cluster', cluster),
  scenario('metadata: neither a name nor an id', async (peer) => {
    // Since version 12 Kafka fails with UNKNOWN_SERVER_ERROR, where kfk says UNKNOWN_TOPIC_ID.
    for (const version of [10, 11]) {
      await peer.attempt(apis.metadata, version, { topics: [{ name: null }] })
    }
  }),
  scenario('metadata: topics page by page', async (peer) => {
    const names: string[] = []
    for (const [at, partitions] of [3, 1, 2].entries()) {
      names.push((await peer.topic(`t${at}`, { partitions })).name)
    }
    const asked = [...names, 'no-such-topic'].map((name) => ({ name }))
    for (const responsePartitionLimit of [2000, 1, 2, 4, 5, 6, 0, -1]) {
      await peer.attempt(
        apis.describeTopicPartitions,
        0,
        { topics: asked, responsePartitionLimit },
        { note: `limit ${responsePartitionLimit}` },
      )
    }
    for (const cursor of [
      { topicName: names[0]!, partitionIndex: 2 },
      { topicName: names[1]!, partitionIndex: 0 },
      { topicName: names[2]!, partitionIndex: 9 },
      { topicName: 'no-such-topic', partitionIndex: 0 },
      { topicName: 'zzz', partitionIndex: 0 },
      { topicName: names[0]!, partitionIndex: -1 },
    ]) {
      await peer.attempt(
        apis.describeTopicPartitions,
        0,
        { topics: asked, responsePartitionLimit: 2, cursor },
        { note: `from ${cursor.topicName} ${cursor.partitionIndex}` },
      )
    }
  }),
]
