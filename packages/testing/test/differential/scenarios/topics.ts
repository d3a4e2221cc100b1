import { apis, type RequestInput, ZERO_UUID } from '@kfk/protocol'
import { batchOf, recordsOf } from '../support/batches'
import type { Peer } from '../support/peer'
import { produce } from '../support/produced'
import { scenario } from '../support/scenario'

type NewTopic = RequestInput<typeof apis.createTopics>['topics'][number]

const unknownId = 'c2VlIHRoZSBub3RoaW5nbg'

function newTopic(name: string, more: Partial<NewTopic> = {}): NewTopic {
  return { name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [], ...more }
}

const setting = (name: string, value: string | null) => ({ configs: [{ name, value }] })
const assigned = (...brokers: number[][]) => ({
  numPartitions: -1,
  replicationFactor: -1,
  assignments: brokers.map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds })),
})

/** What may be wrong, or odd, with a topic that is to be made. */
const oddTopics: Readonly<Record<string, Partial<NewTopic>>> = {
  'nothing wrong': {},
  'default partitions': { numPartitions: -1 },
  'default replicas': { replicationFactor: -1 },
  'both defaults': { numPartitions: -1, replicationFactor: -1 },
  'no partitions': { numPartitions: 0 },
  'partitions -2': { numPartitions: -2 },
  'no replicas': { replicationFactor: 0 },
  'replicas -2': { replicationFactor: -2 },
  'two replicas': { replicationFactor: 2 },
  'replicas 32767': { replicationFactor: 32767 },
  assigned: assigned([1], [1]),
  'assigned to nobody': assigned([]),
  'assigned twice': assigned([1, 1]),
  'assigned to an absent broker': assigned([7]),
  'assigned to a negative broker': assigned([-1]),
  'assigned with a number': { ...assigned([1]), numPartitions: 1 },
  'assigned with a factor': { ...assigned([1]), replicationFactor: 1 },
  'assigned with both': { ...assigned([1]), numPartitions: 1, replicationFactor: 1 },
  'assigned from 1 on': {
    ...assigned(),
    assignments: [{ partitionIndex: 1, brokerIds: [1] }],
  },
  'assigned twice the same': {
    ...assigned(),
    assignments: [
      { partitionIndex: 0, brokerIds: [1] },
      { partitionIndex: 0, brokerIds: [1] },
    ],
  },
  'a good config': setting('retention.ms', '1000'),
  'an unknown config': setting('no.such.config', '1'),
  'a config of brokers': setting('log.dirs', '/tmp'),
  'a config without a value': setting('retention.ms', null),
  'an empty number': setting('retention.ms', ''),
  'no number': setting('retention.ms', 'soon'),
  'a number with blanks': setting('retention.ms', ' 1000 '),
  'a number below the least': setting('segment.bytes', '1'),
  'a number above the largest': setting('segment.bytes', '2147483648'),
  'a bad policy': setting('cleanup.policy', 'burn'),
  'both policies': setting('cleanup.policy', 'compact,delete'),
  'a bad codec': setting('compression.type', 'rar'),
  'a bad time type': setting('message.timestamp.type', 'CreatedAt'),
  'no boolean': setting('preallocate', 'maybe'),
  'a config twice': {
    configs: [
      { name: 'retention.ms', value: '1000' },
      { name: 'retention.ms', value: '2000' },
    ],
  },
  'more replicas in sync than there are': setting('min.insync.replicas', '2'),
}

const names = ['', '.', '..', 'a b', 'a/b', 'ä', 'a:b', 'a'.repeat(250), 'a\u0000b', 'a,b', '"']

async function create(peer: Peer, topics: NewTopic[], note: string, validateOnly = false) {
  for (const version of peer.versions(apis.createTopics)) {
    const named = topics.map((topic) => {
      const { name } = topic
      return {
        ...topic,
        name: name.startsWith('*') ? `${peer.name(name.slice(1))}-${version}` : name,
      }
    })
    const body = { topics: named, timeoutMs: 10_000, validateOnly }
    await peer.attempt(apis.createTopics, version, body, { note })
  }
}

export const topicsScenarios = [
  scenario(
    'topics: created, and refused',
    async (peer) => {
      for (const [note, more] of Object.entries(oddTopics)) {
        await create(peer, [newTopic(`*${note}`.replace(/ /g, '-'), more)], note)
      }
    },
    [
      {
        step: '(a number with blanks)',
        path: 'topics[].configs[].value',
        why: 'kfk leaves the blanks out of what it keeps',
      },
      {
        step: '(more replicas in sync than there are)',
        path: '',
        why: 'kfk refuses what could never be written to',
      },
    ],
  ),
  scenario(
    'topics: only validated',
    async (peer) => {
      for (const note of ['nothing wrong', 'two replicas', 'an unknown config', 'assigned']) {
        await create(peer, [newTopic(`*${note}`.replace(/ /g, '-'), oddTopics[note])], note, true)
      }
      const { topics } = await peer.ask(apis.metadata, 12, { topics: null })
      peer.note(
        'none was made',
        topics.filter(({ name }) => name!.startsWith(peer.name(''))).length,
      )
    },
    [{ path: 'topics[].topicId', why: 'Kafka gives the topic that it does not make an id' }],
  ),
  scenario('topics: names', async (peer) => {
    for (const name of names) await create(peer, [newTopic(name)], JSON.stringify(name))
    await create(peer, [newTopic('*one.dot')], 'a dot')
    await create(peer, [newTopic('*one_dot')], 'an underscore in its place')
    await create(peer, [newTopic('*one.dot')], 'there already')
    await create(peer, [newTopic('__consumer_offsets')], 'the topic of offsets')
    await create(peer, [newTopic('__cluster_metadata')], 'the topic of metadata')
  }),
  scenario(
    'topics: several in a request',
    async (peer) => {
      await create(peer, [], 'none')
      await create(peer, [newTopic('*a'), newTopic('*a')], 'the same twice')
      await create(peer, [newTopic('*b'), newTopic('*b'), newTopic('*b')], 'three times')
      await create(peer, [newTopic('*c'), newTopic('a b'), newTopic('*d')], 'one bad')
      await create(peer, [newTopic('*e.f'), newTopic('*e_f')], 'two that collide')
    },
    [
      {
        step: '(two that collide)',
        path: 'topics[]',
        why: 'Kafka refuses the second only when it comes in a request of its own',
      },
    ],
  ),
  scenario('topics: deleted', async (peer) => {
    for (const version of peer.versions(apis.deleteTopics)) {
      const [one, two] = [await peer.topic(`one-${version}`), await peer.topic(`two-${version}`)]
      const lists =
        version < 6
          ? [
              [one.name],
              [one.name],
              [''],
              ['a b'],
              [],
              ['no-such-topic', two.name, two.name],
              [two.name],
            ]
          : []
      for (const [at, topicNames] of lists.entries()) {
        const body = { topicNames, timeoutMs: 10_000 }
        await peer.attempt(apis.deleteTopics, version, body, { note: `asked ${at}` })
      }
      const byId = (topicId: string, name: string | null = null) => ({ name, topicId })
      const more =
        version < 6
          ? []
          : [
              [byId(ZERO_UUID, one.name)],
              [byId(ZERO_UUID, one.name)],
              [byId(one.id)],
              [byId(unknownId)],
              [byId(two.id, two.name)],
              [byId(two.id), byId(two.id)],
              [byId(two.id), byId(ZERO_UUID, two.name)],
              [byId(ZERO_UUID, two.name), byId(ZERO_UUID, two.name)],
              [byId(two.id)],
              [byId(ZERO_UUID)],
              [],
            ]
      for (const [at, topics] of more.entries()) {
        const body = { topics, timeoutMs: 10_000 }
        await peer.attempt(apis.deleteTopics, version, body, { note: `asked ${at}` })
      }
    }
  }),
  scenario('topics: more partitions', async (peer) => {
    for (const version of peer.versions(apis.createPartitions)) {
      const { name } = await peer.topic(`topic-${version}`, { partitions: 2 })
      const grown = (count: number, brokers: number[][] | null = null, topic = name) => {
        return {
          name: topic,
          count,
          assignments: brokers?.map((brokerIds) => ({ brokerIds })) ?? null,
        }
      }
      const asked = [
        [grown(3)],
        [grown(3)],
        [grown(2)],
        [grown(0)],
        [grown(-1)],
        [grown(4, [[1]])],
        [grown(6, [[1]])],
        [grown(5, [[1], [1]])],
        [grown(5, [[7]])],
        [grown(5, [[1, 1]])],
        [grown(5, [[]])],
        [grown(5, [])],
        [grown(5, null, 'no-such-topic')],
        [grown(5, null, 'a b')],
        [grown(5), grown(6)],
        [],
      ]
      for (const validateOnly of [true, false]) {
        for (const [at, topics] of asked.entries()) {
          await peer.attempt(
            apis.createPartitions,
            version,
            { topics, timeoutMs: 10_000, validateOnly },
            { note: `asked ${at}${validateOnly ? ', only validated' : ''}` },
          )
        }
      }
      await peer.ready(name, 4)
      await peer.send(apis.metadata, 12, { topics: [{ name }], allowAutoTopicCreation: false })
    }
  }),
  scenario('topics: records deleted', async (peer) => {
    for (const version of peer.versions(apis.deleteRecords)) {
      const topic = await peer.topic(`topic-${version}`, { partitions: 2 })
      for (let at = 0; at < 3; at++) await produce(peer, { topic, records: batchOf(recordsOf(4)) })
      const asked: [string, number, number][] = [
        [topic.name, 0, 0],
        [topic.name, 0, 5],
        [topic.name, 0, 3],
        [topic.name, 0, 13],
        [topic.name, 0, -2],
        [topic.name, 0, -1],
        [topic.name, 0, 12],
        [topic.name, 1, 0],
        [topic.name, 1, 1],
        [topic.name, 1, -1],
        [topic.name, 2, 0],
        ['no-such-topic', 0, 0],
        ['a b', 0, 0],
        ['', 0, 0],
      ]
      for (const [at, [name, partitionIndex, offset]] of asked.entries()) {
        const topics = [{ name, partitions: [{ partitionIndex, offset }] }]
        const body = { topics, timeoutMs: 10_000 }
        await peer.attempt(apis.deleteRecords, version, body, { note: `asked ${at}` })
        for (const timestamp of [-2, -1]) {
          const partitions = [{ partitionIndex: 0, timestamp }]
          const of = { replicaId: -1, topics: [{ name: topic.name, partitions }] }
          await peer.send(apis.listOffsets, 7, of, { note: `${timestamp} after ${at}` })
        }
      }
    }
  }),
]
