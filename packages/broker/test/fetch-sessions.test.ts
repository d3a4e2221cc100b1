// Incremental fetches (KIP-227), compared with what Kafka 4.2 answers to the same requests.
import { apis, batches, errorCodes, type RequestInput } from '@kfk/protocol'
import type { AskedPartition } from '../src/context.js'
import { FetchSessionCache } from '../src/partition/fetch-sessions.js'
import { batchOf, Harness, type RawClient } from './harness.js'

const harness = new Harness()
afterEach(() => harness.close())

type Changes = Partial<RequestInput<typeof apis.fetch>>

/** A topic of three partitions, with one batch each in the first two. */
async function withRecords(config: Record<string, string> = {}) {
  const broker = await harness.broker({ config: { 'num.partitions': '3', ...config } })
  const client = await harness.client(broker)
  const topicId = await client.topic('events')
  await client.produce('events', batchOf(['a', 'b', 'c']), { index: 0 })
  await client.produce('events', batchOf(['a', 'b']), { index: 1 })
  return { broker, client, topicId }
}

/** What a fetch says: `P:E` for a partition with an error, `P:@O+O` for one with batches. */
async function fetch(
  client: RawClient,
  version: number,
  changes: Changes,
): Promise<{ errorCode: number; sessionId: number; told: string[] }> {
  const response = await client.request(apis.fetch, version, {
    ...{ maxWaitMs: 0, minBytes: 1, topics: [], forgottenTopicsData: [] },
    ...changes,
  })
  const told = response.responses.flatMap(({ partitions }) =>
    partitions.map(({ partitionIndex, errorCode, records }) => {
      const offsets = [...batches(records!)].map(({ header }) => header.baseOffset)
      return `${partitionIndex}:${errorCode === 0 ? `@${offsets.join('+')}` : errorCode}`
    }),
  )
  return { errorCode: response.errorCode, sessionId: response.sessionId, told }
}

const from = (topicId: string, ...offsets: [partition: number, fetchOffset: number][]) => [
  {
    ...{ topic: 'events', topicId },
    partitions: offsets.map(([partition, fetchOffset]) => ({
      ...{ partition, fetchOffset, partitionMaxBytes: 10_000 },
    })),
  },
]

test.each([7, 12, 13, 18])('version %i: only what is new is told', async (version) => {
  const { client, topicId } = await withRecords()
  const forget = (...partitions: number[]) => [{ topic: 'events', topicId, partitions }]
  const all = from(topicId, [0, 0], [1, 2], [2, 0])
  const { sessionId, told } = await fetch(client, version, { sessionEpoch: 0, topics: all })
  expect(sessionId).toBeGreaterThan(0)
  expect(told).toEqual(['0:@0', '1:@', '2:@'])
  const next = (sessionEpoch: number, changes: Changes = {}) =>
    fetch(client, version, { sessionId, sessionEpoch, ...changes })
  const answer = (...told: string[]) => ({ errorCode: 0, sessionId, told })
  expect(await next(1)).toEqual(answer('0:@0'))
  expect(await next(2, { topics: from(topicId, [0, 3]) })).toEqual(answer())
  await client.produce('events', batchOf(['d']), { index: 1 })
  expect(await next(3)).toEqual(answer('1:@2'))
  expect(await next(4, { forgottenTopicsData: forget(1) })).toEqual(answer())
  expect(await next(4)).toEqual({ ...refused(errorCodes.INVALID_FETCH_SESSION_EPOCH) })
  const other = version < 13 ? 13 : 12
  expect(await fetch(client, other, { sessionId, sessionEpoch: 5 })).toEqual(
    refused(errorCodes.FETCH_SESSION_TOPIC_ID_ERROR),
  )
  // An error is told as long as it lasts, and then that it is over.
  expect(await next(5, { topics: from(topicId, [0, 99]) })).toEqual(answer('0:1'))
  expect(await next(6)).toEqual(answer('0:1'))
  expect(await next(7, { topics: from(topicId, [0, 3]) })).toEqual(answer('0:@'))
  expect(await next(8)).toEqual(answer())
  expect(await next(9, { forgottenTopicsData: forget(0, 2) })).toMatchObject({ sessionId: 0 })
  expect(await next(10)).toEqual(refused(errorCodes.FETCH_SESSION_ID_NOT_FOUND))
})

const refused = (errorCode: number) => ({ errorCode, sessionId: 0, told: [] })

test('a full fetch ends the session that it names', async () => {
  const { client, topicId } = await withRecords()
  const topics = from(topicId, [0, 0])
  const first = await fetch(client, 13, { sessionEpoch: 0, topics })
  const { sessionId } = first
  const second = await fetch(client, 13, { sessionId, sessionEpoch: 0, topics })
  expect(second.sessionId).not.toBe(sessionId)
  expect(await fetch(client, 13, { sessionId, sessionEpoch: 1 })).toEqual(
    refused(errorCodes.FETCH_SESSION_ID_NOT_FOUND),
  )
  const last = { sessionId: second.sessionId, sessionEpoch: -1, topics }
  expect(await fetch(client, 13, last)).toEqual({ errorCode: 0, sessionId: 0, told: ['0:@0'] })
  expect(await fetch(client, 13, { ...last, sessionEpoch: 1, topics: [] })).toEqual(
    refused(errorCodes.FETCH_SESSION_ID_NOT_FOUND),
  )
})

test('who was given records has its turn after the others', async () => {
  const { client, topicId } = await withRecords()
  await client.produce('events', batchOf(['a']), { index: 2 })
  const topics = from(topicId, [0, 0], [1, 0], [2, 0])
  const { sessionId } = await fetch(client, 13, { sessionEpoch: 0, topics, maxBytes: 1 })
  const turns: string[] = []
  for (let sessionEpoch = 1; sessionEpoch <= 6; sessionEpoch++) {
    turns.push(...(await fetch(client, 13, { sessionId, sessionEpoch, maxBytes: 1 })).told)
  }
  expect(turns).toEqual(['0:@0', '1:@0', '2:@0', '0:@0', '1:@0', '2:@0'])
})

test('a waiting incremental fetch is answered when a record comes, and tells of it alone', async () => {
  const { broker, client, topicId } = await withRecords()
  const topics = from(topicId, [0, 3], [1, 2], [2, 0])
  const { sessionId } = await fetch(client, 13, { sessionEpoch: 0, topics })
  const other = await harness.client(broker)
  const waiting = fetch(client, 13, { sessionId, sessionEpoch: 1, maxWaitMs: 20_000 })
  await other.produce('events', batchOf(['c']), { index: 2 })
  expect((await waiting).told).toEqual(['2:@0'])
})

test('a fetch that another one has overtaken is told so', async () => {
  const { broker, client, topicId } = await withRecords()
  const { sessionId } = await fetch(client, 13, { sessionEpoch: 0, topics: from(topicId, [2, 0]) })
  const waiting = fetch(client, 13, { sessionId, sessionEpoch: 1, maxWaitMs: 20_000 })
  const other = await harness.client(broker)
  await eventually(async () => {
    const next = await fetch(other, 13, { sessionId, sessionEpoch: 2 })
    return next.errorCode === 0
  })
  await other.produce('events', batchOf(['c']), { index: 2 })
  expect(await waiting).toEqual({
    ...{ errorCode: errorCodes.INVALID_FETCH_SESSION_EPOCH, sessionId, told: [] },
  })
})

/** Asks until the broker has come as far. */
async function eventually(condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 1000; tries++) if (await condition()) return
  throw new Error('it never came to that')
}

test('a session does not read a topic that was created again under the same name', async () => {
  const { client, topicId } = await withRecords()
  const topics = from(topicId, [0, 0], [1, 0])
  const { sessionId } = await fetch(client, 13, { sessionEpoch: 0, topics })
  await client.request(apis.deleteTopics, 5, { topicNames: ['events'], timeoutMs: 5000 })
  const next = (sessionEpoch: number) => fetch(client, 13, { sessionId, sessionEpoch })
  expect((await next(1)).told).toEqual(['0:3', '1:3'])
  const newId = await client.topic('events')
  await client.produce('events', batchOf(['new']))
  expect((await next(2)).told).toEqual(['0:103', '1:103'])
  // Somebody who has never found the old topic knows nothing of it.
  expect((await fetch(client, 13, { sessionEpoch: 0, topics })).told).toEqual(['0:100', '1:100'])
  expect((await fetch(client, 13, { topics: from(newId, [0, 0]) })).told).toEqual(['0:@0'])
})

test('without room every fetch is a full one', async () => {
  const slots = { 'max.incremental.fetch.session.cache.slots': '0' }
  const { client, topicId } = await withRecords(slots)
  const topics = from(topicId, [0, 0])
  expect(await fetch(client, 13, { sessionEpoch: 0, topics })).toEqual({
    ...{ errorCode: 0, sessionId: 0, told: ['0:@0'] },
  })
})

describe('the cache', () => {
  function cache(options: { slots?: number; partitionsMax?: number } = {}) {
    const { slots = 2, partitionsMax = 1000 } = options
    const time = { ms: 0 }
    let id = 0
    const sessions = new FetchSessionCache({
      ...{ nowMs: () => time.ms, newId: () => ++id, slots: () => slots, partitionsMax },
    })
    return { sessions, time }
  }

  const asked = (count: number, first = 0): AskedPartition[] =>
    Array.from({ length: count }, (_, index) => ({
      ...{ topic: 'events', topicId: '', index: first + index, fetchOffset: 0 },
      ...{ partitionMaxBytes: 1, currentLeaderEpoch: -1, lastFetchedEpoch: -1 },
      ...{ partition: undefined, foundAs: undefined, committedBefore: 0 },
      ...{ toldHighWatermark: -1, toldLogStartOffset: -1 },
    }))

  const use = (sessions: FetchSessionCache, sessionId: number, sessionEpoch: number) =>
    sessions.resume({ sessionId, sessionEpoch, byId: false, asked: [], forgotten: [] })

  test('a session that is not used for two minutes makes room, whatever its size', () => {
    const { sessions, time } = cache()
    const first = sessions.open(asked(9), false)
    const second = sessions.open(asked(9), false)
    time.ms = 120_000
    expect(use(sessions, first, 1)).toMatchObject({ id: first, epoch: 2 })
    expect(sessions.open(asked(1), false)).toBe(0)
    time.ms = 120_001
    expect(sessions.open(asked(1), false)).toBeGreaterThan(0)
    expect(use(sessions, second, 1)).toBe(errorCodes.FETCH_SESSION_ID_NOT_FOUND)
    expect(use(sessions, first, 2)).toMatchObject({ epoch: 3 })
    expect([sessions.size, sessions.partitions]).toEqual([2, 10])
  })

  test('among those in use only a smaller one that is old enough does', () => {
    const { sessions, time } = cache()
    const small = sessions.open(asked(3), false)
    const large = sessions.open(asked(5), false)
    time.ms = 100_000
    for (const id of [small, large]) use(sessions, id, 1)
    expect(sessions.open(asked(9), false)).toBe(0)
    time.ms = 130_000
    expect(sessions.open(asked(3), false)).toBe(0)
    expect(sessions.open(asked(4), false)).toBeGreaterThan(0)
    expect(use(sessions, small, 2)).toBe(errorCodes.FETCH_SESSION_ID_NOT_FOUND)
    expect(use(sessions, large, 2)).toMatchObject({ id: large })
  })

  test('partitions are bounded, of all sessions and of each', () => {
    const { sessions } = cache({ slots: 100, partitionsMax: 100 })
    expect(sessions.open(asked(26), false)).toBe(0)
    const first = sessions.open(asked(25), false)
    for (let more = 0; more < 3; more++) expect(sessions.open(asked(25), false)).not.toBe(0)
    expect(sessions.open(asked(1), false)).toBe(0)
    const change = { sessionId: first, sessionEpoch: 1, byId: false, forgotten: [] }
    // One that grows beyond its share is to begin anew.
    expect(sessions.resume({ ...change, asked: asked(1, 25) })).toBe(
      errorCodes.FETCH_SESSION_ID_NOT_FOUND,
    )
    expect([sessions.size, sessions.partitions]).toEqual([3, 75])
    expect(sessions.open(asked(25), false)).not.toBe(0)
  })

  test('what is added, repeated and forgotten counts once; epochs begin again at 1', () => {
    const { sessions } = cache()
    const sessionId = sessions.open([...asked(3), ...asked(2)], false)
    expect(sessions.partitions).toBe(3)
    const change = { sessionId, byId: false, asked: asked(4), forgotten: [] }
    expect(sessions.resume({ ...change, sessionEpoch: 1 })).toMatchObject({ epoch: 2 })
    expect(sessions.partitions).toBe(4)
    const forgotten = [{ topic: 'events', topicId: '', partitions: [0, 0, 9] }]
    const session = sessions.resume({ ...change, sessionEpoch: 2, asked: [], forgotten })
    expect(sessions.partitions).toBe(3)
    if (typeof session !== 'object') throw new Error('no session')
    Object.assign(session, { epoch: 0x7fffffff })
    expect(use(sessions, sessionId, 0x7fffffff)).toMatchObject({ epoch: 1 })
  })
})
