import { apis, readBatchHeader } from '@kfk/protocol'
import { settle } from '../../client/test/manual-clock.js'
import { AssignedPartition } from '../src/assigned-partition.js'
import { FetchSession, type Wanted } from '../src/fetch-session.js'
import { ConsumerCluster, text } from './consumer-cluster.js'

describe('what a fetch says', () => {
  const at = (index: number, position: number): AssignedPartition => {
    const each = new AssignedPartition({ topic: 't', partition: index })
    each.seek(position)
    return each
  }
  const wanted = (changes: Partial<Wanted> = {}): Wanted => ({
    ...{ maxBytes: 100, topicId: () => 'id', leaderEpoch: () => 3 },
    ...changes,
  })
  const shown = ({ sessionId, sessionEpoch, asked, forgotten }: ReturnType<FetchSession['next']>) =>
    `${sessionId}/${sessionEpoch} +${asked.map((one) => one.partition).join()} -${forgotten
      .map((one) => one.partition)
      .join()}`

  test('all at first, then what has changed', () => {
    const session = new FetchSession()
    const [a, b, c] = [at(0, 5), at(1, 5), at(2, 5)]
    expect(shown(session.next([a, b], wanted()))).toBe('0/0 +0,1 -')
    expect(session.isIncremental).toBe(false)
    session.answered(0, 77)
    expect(session.isIncremental).toBe(true)
    expect(shown(session.next([a, b], wanted()))).toBe('77/1 + -')
    session.answered(0, 77)
    a.position = 6
    expect(shown(session.next([a, b, c], wanted()))).toBe('77/2 +0,2 -')
    session.answered(0, 77)
    expect(shown(session.next([c], wanted()))).toBe('77/3 + -0,1')
    session.answered(0, 77)
    expect(shown(session.next([at(2, 5), b], wanted()))).toBe('77/4 +1 -')
    session.answered(0, 77)
    expect(shown(session.next([b, c], wanted({ maxBytes: 9 })))).toBe('77/5 +1,2 -')
    session.answered(0, 77)
    const newLeader = wanted({ maxBytes: 9, leaderEpoch: (each) => 3 + each.partition })
    expect(shown(session.next([b, c], newLeader))).toBe('77/6 +1,2 -')
    session.answered(0, 77)
    b.lastEpoch = 2
    expect(shown(session.next([b, c], newLeader))).toBe('77/7 +1 -')
  })

  test('all again after an error, a lost answer, the end of the session or of a topic', () => {
    const session = new FetchSession()
    const both = [at(0, 5), at(1, 5)]
    const begin = (): void => {
      session.next(both, wanted())
      session.answered(0, 77)
      session.next(both, wanted())
    }
    begin()
    expect(session.answered(70, 0)).toBe(true)
    expect(shown(session.next(both, wanted()))).toBe('0/0 +0,1 -')
    // A full fetch cannot fail for the session's sake: who asks must not go in circles.
    expect(session.answered(70, 0)).toBe(false)
    begin()
    expect(session.answered(71, 0)).toBe(true)
    expect(shown(session.next(both, wanted()))).toBe('77/0 +0,1 -')
    session.answered(0, 78)
    session.next(both, wanted())
    session.failed()
    expect(shown(session.next(both, wanted()))).toBe('78/0 +0,1 -')
    begin()
    session.answered(0, 77)
    expect(shown(session.next(both, wanted({ topicId: () => 'other' })))).toBe('77/0 +0,1 -')
    begin()
    expect(session.answered(0, 0)).toBe(false)
    expect(shown(session.next(both, wanted()))).toBe('0/0 +0,1 -')
  })

  test('one partition alone begins no session', () => {
    const session = new FetchSession()
    const only = [at(0, 5)]
    expect(shown(session.next(only, wanted()))).toBe('0/-1 +0 -')
    session.answered(0, 0)
    expect(shown(session.next(only, wanted()))).toBe('0/-1 +0 -')
  })
})

describe('a consumer in sessions', () => {
  async function reading(sessionCode?: ConsumerCluster['sessionCode']) {
    const cluster = new ConsumerCluster({ topics: { t: 4 } })
    cluster.sessions = true
    if (sessionCode) cluster.sessionCode = sessionCode
    const consumer = cluster.consumer({ topics: ['t'] })
    const seen: string[] = []
    const ended = consumer.run((record) => void seen.push(text(record)))
    const close = async (): Promise<void> => {
      await consumer.close()
      await ended
    }
    return { cluster, consumer, seen, close }
  }

  const polls = (cluster: ConsumerCluster) =>
    cluster.requestsOf(apis.fetch).filter(({ maxWaitMs }) => maxWaitMs > 0)

  test('reads everything, and names only the partitions that have moved', async () => {
    const { cluster, seen, close } = await reading()
    await cluster.until(() => polls(cluster).length >= 3)
    for (let round = 0; round < 20; round++) {
      cluster.append('t', round % 4, [`${round}`])
      await cluster.until(() => seen.length === round + 1)
    }
    expect(seen).toEqual(Array.from({ length: 20 }, (_, round) => `${round}`))
    const later = polls(cluster).slice(3)
    expect(later.length).toBeGreaterThan(15)
    for (const { sessionId, sessionEpoch, topics } of later) {
      expect([sessionId, sessionEpoch > 0]).toEqual([1, true])
      expect(topics.flatMap(({ partitions }) => partitions).length).toBeLessThanOrEqual(2)
    }
    await close()
  })

  test('loses and repeats nothing when sessions end again and again', async () => {
    let fetches = 0
    const codes = [70, 71, 106]
    const { cluster, seen, close } = await reading(({ sessionEpoch }) =>
      sessionEpoch > 0 && ++fetches % 3 === 0 ? codes[(fetches / 3) % 3]! : 0,
    )
    for (let round = 0; round < 30; round++) {
      cluster.append('t', round % 4, [`${round}`])
      await cluster.until(() => seen.length === round + 1)
    }
    expect(seen).toEqual(Array.from({ length: 30 }, (_, round) => `${round}`))
    expect(fetches).toBeGreaterThan(10)
    await close()
  })

  test('paused and sought partitions are forgotten and named again', async () => {
    const { cluster, consumer, seen, close } = await reading()
    for (let index = 0; index < 4; index++) cluster.append('t', index, [`a${index}`, `b${index}`])
    await cluster.until(() => seen.length === 8)
    const paused = [{ topic: 't', partition: 1 }]
    consumer.pause(paused)
    await cluster.until(() =>
      polls(cluster)
        .at(-1)!
        .forgottenTopicsData.some(({ partitions }) => partitions.includes(1)),
    )
    cluster.append('t', 1, ['c1'])
    cluster.append('t', 2, ['c2'])
    await cluster.until(() => seen.includes('c2'))
    await settle()
    expect(seen).not.toContain('c1')
    consumer.resume(paused)
    await cluster.until(() => seen.includes('c1'))
    consumer.seek({ topic: 't', partition: 3 }, 0n)
    await cluster.until(() => seen.length === 12)
    expect(seen.slice(-2)).toEqual(['a3', 'b3'])
    await close()
  })
})

describe('a log that has lost what was read (KIP-320)', () => {
  /** Reads four records; then the log says once that it parts at 2. */
  async function diverging(from: 'earliest' | 'committed') {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    cluster.committed.set('t/0', 0)
    const consumer = cluster.consumer({ topics: ['t'], group: 'g', from, autoCommit: false })
    const seen: string[] = []
    const ended = consumer.run((record) => void seen.push(text(record)))
    cluster.append('t', 0, ['a', 'b', 'c', 'd'])
    await cluster.until(() => seen.length === 4)
    let tells = 0
    cluster.divergesAt = ({ fetchOffset }) => (fetchOffset > 2 && ++tells === 1 ? 2 : undefined)
    return { cluster, consumer, seen, ended }
  }

  test('is read on from where they part', async () => {
    const { cluster, consumer, seen, ended } = await diverging('earliest')
    await cluster.until(() => seen.length === 6)
    expect(seen).toEqual(['a', 'b', 'c', 'd', 'c', 'd'])
    await consumer.close()
    await ended
  })

  test("ends the loop under 'committed', until a seek", async () => {
    const { cluster, consumer, seen, ended } = await diverging('committed')
    const failed = expect(ended).rejects.toMatchObject({
      code: 'KFK_CLIENT_SERVER',
      kafkaName: 'OFFSET_OUT_OF_RANGE',
      details: { topic: 't', partition: 0, offset: 4, endOffset: 2 },
    })
    let isOver = false
    const over = failed.then(() => (isOver = true))
    await cluster.until(() => isOver)
    await over
    expect(seen).toEqual(['a', 'b', 'c', 'd'])
    await consumer.close()
  })

  test('is told the epoch of the last record that was read', async () => {
    const { cluster, consumer, ended } = await diverging('earliest')
    const asked = cluster.requestsOf(apis.fetch).at(-1)!.topics[0]!.partitions[0]!
    const [batch] = cluster.fake.partition('t', 0).batches
    expect(asked.lastFetchedEpoch).toBe(readBatchHeader(batch!.bytes).partitionLeaderEpoch)
    expect(asked.fetchOffset).toBe(4)
    await consumer.close()
    await ended
  })
})
