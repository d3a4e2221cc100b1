import { apis, type RequestInput } from '@kfk/protocol'
import { eventually } from '../../../src/index'
import { batchOf, recordsOf } from '../support/batches'
import type { Peer, TestTopic } from '../support/peer'
import { produce } from '../support/produced'
import { scenario } from '../support/scenario'

type Body = RequestInput<typeof apis.fetch>
type Asked = Partial<Body['topics'][number]['partitions'][number]>

/** Partition, offset, and what else is unusual. */
type Wanted = readonly [partition: number, fetchOffset: number, more?: Asked]

const unknownId = 'QAAAAAAAAAAAAAAAAAAAAA'

function bodyOf(topic: TestTopic, wanted: readonly Wanted[], changes: Partial<Body> = {}): Body {
  const partitions = wanted.map(([partition, fetchOffset, more]) => ({
    ...{ partition, fetchOffset, partitionMaxBytes: 100_000, ...more },
  }))
  const topics = wanted.length === 0 ? [] : [{ topic: topic.name, topicId: topic.id, partitions }]
  const limits = { maxWaitMs: 0, minBytes: 1, maxBytes: 1_000_000 }
  return { ...limits, topics, forgottenTopicsData: [], ...changes }
}

/** Three batches in partition 0, one in 1, none in 2. */
async function filled(peer: Peer, suffix?: string): Promise<TestTopic> {
  const topic = await peer.topic(suffix, { partitions: 3 })
  for (const partition of [0, 0, 0, 1]) {
    await produce(peer, { topic, partition, records: batchOf(recordsOf(2)) })
  }
  return topic
}

function requests(topic: TestTopic, epoch: number, version: number): [string, Body][] {
  const body = (wanted: readonly Wanted[], changes?: Partial<Body>) =>
    bodyOf(topic, wanted, changes)
  const other = (name: string, id: string): TestTopic => ({ name, id })
  const replica = (id: number): Partial<Body> =>
    version >= 15 ? { replicaState: { replicaId: id, replicaEpoch: 1n } } : { replicaId: id }
  const offsets = [0, 1, 3, 5, 6, 7, 100, -1, -5, Number.MAX_SAFE_INTEGER]
  return [
    ...offsets.map((offset): [string, Body] => [`offset ${offset}`, body([[0, offset]])]),
    [
      'three partitions',
      body([
        [0, 2],
        [1, 0],
        [2, 0],
      ]),
    ],
    ['no partition', body([])],
    ['partition 9', body([[9, 0]])],
    [
      'partition -1 and one that is there',
      body([
        [-1, 0],
        [1, 0],
      ]),
    ],
    ['unknown topic', bodyOf(other('no-such-topic', unknownId), [[0, 0]])],
    ['no topic', bodyOf(other('', 'AAAAAAAAAAAAAAAAAAAAAA'), [[0, 0]])],
    [
      'said twice',
      body([
        [0, 0],
        [0, 4],
      ]),
    ],
    [
      'isolation 1',
      body(
        [
          [0, 0],
          [2, 0],
        ],
        { isolationLevel: 1 },
      ),
    ],
    ['isolation 7', body([[0, 0]], { isolationLevel: 7 })],
    ['isolation -1', body([[0, 0]], { isolationLevel: -1 })],
    [
      'max.bytes 0',
      body(
        [
          [0, 0],
          [1, 0],
        ],
        { maxBytes: 0 },
      ),
    ],
    [
      'max.bytes 100',
      body(
        [
          [0, 0],
          [1, 0],
        ],
        { maxBytes: 100 },
      ),
    ],
    ['max.bytes -1', body([[0, 0]], { maxBytes: -1 })],
    [
      'one batch',
      body([
        [0, 0, { partitionMaxBytes: 100 }],
        [1, 0],
      ]),
    ],
    [
      'no bytes of a partition',
      body([
        [0, 0, { partitionMaxBytes: 0 }],
        [1, 0],
      ]),
    ],
    [
      'negative bytes of a partition',
      body([
        [0, 0, { partitionMaxBytes: -1 }],
        [1, 0],
      ]),
    ],
    ['min.bytes above max.bytes', body([[0, 0]], { minBytes: 5000, maxBytes: 10, maxWaitMs: 50 })],
    ['waits', body([[0, 6]], { maxWaitMs: 20 })],
    ['min.bytes -1', body([[0, 6]], { minBytes: -1, maxWaitMs: 60_000 })],
    ['a negative wait', body([[0, 6]], { maxWaitMs: -1 })],
    ['as replica 5', body([[0, 0]], replica(5))],
    ...(version < 9
      ? []
      : [epoch, epoch + 1].map((currentLeaderEpoch, at): [string, Body] => [
          `leader epoch ${at}`,
          body([[0, 0, { currentLeaderEpoch }]]),
        ])),
    ...(version < 12
      ? []
      : [6, 9, 0, -3].flatMap((offset) =>
          [epoch, epoch + 5].map((lastFetchedEpoch, at): [string, Body] => [
            `last epoch ${at} before ${offset}`,
            body([[0, offset, { lastFetchedEpoch }]]),
          ]),
        )),
    ...(version < 11 ? [] : [['rack', body([[0, 0]], { rackId: 'r1' })] as [string, Body]]),
  ]
}

export const fetchScenarios = [
  scenario(
    'fetch: offsets, limits, epochs and unknown partitions in every version',
    async (peer) => {
      const topic = await filled(peer)
      const epoch = await peer.leaderEpoch(topic)
      for (const version of peer.versions(apis.fetch)) {
        for (const [note, body] of requests(topic, epoch, version)) {
          await peer.attempt(apis.fetch, version, body, { note })
        }
      }
    },
    [
      {
        path: 'nodeEndpoints',
        step: 'as replica',
        why: 'Kafka names a leader without its address',
      },
    ],
  ),
  scenario('fetch: sessions in every version', async (peer) => {
    const topic = await filled(peer)
    for (const version of peer.versions(apis.fetch).filter((one) => one >= 7)) {
      let sessionId = 0
      let sessionEpoch = 0
      const send = async (note: string, wanted: readonly Wanted[], forgotten: number[] = []) => {
        const { name, id } = topic
        const response = await peer.send(
          apis.fetch,
          version,
          bodyOf(topic, wanted, {
            ...{ sessionId, sessionEpoch },
            ...(forgotten.length > 0 && {
              forgottenTopicsData: [{ topic: name, topicId: id, partitions: forgotten }],
            }),
          }),
          { note },
        )
        sessionId = response.sessionId === 0 ? sessionId : response.sessionId
        sessionEpoch += 1
        return response
      }
      await send('begins', [
        [0, 0],
        [1, 2],
        [2, 0],
      ])
      await send('records again', [])
      await send('moves to the end', [[0, 6]])
      await send('nothing new', [])
      await send('forgets', [], [1])
      sessionEpoch -= 1
      await send('an epoch that was', [])
      await peer.attempt(
        apis.fetch,
        version < 13 ? 13 : 12,
        bodyOf(topic, [], { sessionId, sessionEpoch }),
        { note: 'names and ids mixed' },
      )
      await send('out of range', [[0, 99]])
      await send('out of range still', [])
      await send('back', [[0, 6]])
      await send('nothing new again', [])
      await send(
        'adds, moves and forgets',
        [
          [1, 0],
          [0, 2],
        ],
        [2, 9],
      )
      await send('an unknown partition', [[9, 0]])
      await send('an unknown partition still', [])
      await send('forgets all', [], [0, 1, 9])
      await send('is over', [])
      sessionEpoch = -1
      await send('a full fetch that names it', [[0, 0]])
      sessionId = 0
      sessionEpoch = 0
      await send('begins with nothing', [])
      await send('gets its first partition', [[0, 0]])
      sessionEpoch = -1
      await send('ends it', [])
      sessionEpoch = 2
      await send('has ended', [])
    }
  }),
  scenario('fetch: a session outlives its topic', async (peer) => {
    const topic = await filled(peer)
    const begin = { sessionEpoch: 0 }
    const begun = await peer.send(
      apis.fetch,
      13,
      bodyOf(
        topic,
        [
          [0, 0],
          [1, 0],
        ],
        begin,
      ),
    )
    let sessionEpoch = 0
    const next = (note: string) => {
      sessionEpoch += 1
      const { sessionId } = begun
      return peer.send(apis.fetch, 13, bodyOf(topic, [], { sessionId, sessionEpoch }), { note })
    }
    await peer.ask(apis.deleteTopics, 5, { topicNames: [topic.name], timeoutMs: 10_000 })
    await eventually('the topic is gone', async () => {
      const asked = { topics: [{ name: topic.name }], allowAutoTopicCreation: false }
      const { topics } = await peer.ask(apis.metadata, 12, asked)
      return topics[0]!.errorCode === 3 || undefined
    })
    await next('deleted')
    await peer.topic('topic', { partitions: 3 })
    await next('created again')
  }),
  scenario('fetch: partitions take turns', async (peer) => {
    const topic = await filled(peer)
    const all: Wanted[] = [
      [0, 0],
      [1, 0],
      [2, 0],
    ]
    const begun = await peer.send(
      apis.fetch,
      13,
      bodyOf(topic, all, { sessionEpoch: 0, maxBytes: 1 }),
    )
    for (let sessionEpoch = 1; sessionEpoch <= 5; sessionEpoch++) {
      const { sessionId } = begun
      await peer.send(apis.fetch, 13, bodyOf(topic, [], { sessionId, sessionEpoch, maxBytes: 1 }))
    }
  }),
]
