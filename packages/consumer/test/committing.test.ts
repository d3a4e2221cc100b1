import { apis } from '@kfk/protocol'
import { settle } from '../../client/test/manual-clock.js'
import { ConsumerCluster, take, text } from './consumer-cluster.js'

const t0 = { topic: 't', partition: 0 }
const values = (count: number): string[] => Array.from({ length: count }, (_, at) => `v${at}`)

function clusterWith(count: number): ConsumerCluster {
  const cluster = new ConsumerCluster({ topics: { t: 1 } })
  cluster.append('t', 0, values(count))
  return cluster
}

const offsetsSent = (cluster: ConsumerCluster): number[] =>
  cluster
    .requestsOf(apis.offsetCommit)
    .flatMap(({ topics }) => topics.flatMap(({ partitions }) => partitions))
    .map(({ committedOffset }) => committedOffset)

describe('what is committed', () => {
  test('is what was processed, on a timer and on close; never what was only fetched', async () => {
    const cluster = clusterWith(10)
    const consumer = cluster.consumer({
      topics: ['t'],
      group: 'g',
      autoCommit: { intervalMs: 1000 },
    })
    const iterator = consumer[Symbol.asyncIterator]()
    for (let count = 0; count < 4; count++) await iterator.next()
    await cluster.clock.advance(1000)
    expect(cluster.committed.get('t/0')).toBe(3)
    await iterator.next()
    await iterator.return()
    await consumer.close()
    expect(cluster.committed.get('t/0')).toBe(4)
  })

  test('nothing without autoCommit, until the application says so', async () => {
    const cluster = clusterWith(5)
    const consumer = cluster.consumer({ topics: ['t'], group: 'g', autoCommit: false })
    for await (const batch of consumer.batches({ maxRecords: 2 })) {
      if (batch.nextOffset === 4n) break
      await batch.commit()
    }
    await cluster.clock.advance(60_000)
    await consumer.close()
    expect(offsetsSent(cluster)).toEqual([2])
  })

  test('with an assignment of its own a consumer commits as no member', async () => {
    const cluster = clusterWith(5)
    await using consumer = cluster.consumer({ assignment: [t0], group: 'g' })
    await take(consumer, 3)
    await consumer.commit()
    expect(cluster.requestsOf(apis.offsetCommit)[0]).toMatchObject({
      memberId: '',
      generationIdOrMemberEpoch: -1,
    })
    expect(cluster.committed.get('t/0')).toBe(2)
  })

  test('without a group it is an error', async () => {
    const cluster = clusterWith(1)
    await using consumer = cluster.consumer({ topics: ['t'] })
    await expect(consumer.commit()).rejects.toMatchObject({ code: 'KFK_CLIENT_INVALID_ARGUMENT' })
  })
})

describe('how it is committed', () => {
  test('one after the other: a repetition never takes a newer offset back', async () => {
    const cluster = clusterWith(9)
    const consumer = cluster.consumer({ topics: ['t'], group: 'g', autoCommit: false })
    await take(consumer, 1)
    cluster.codes.commit.push(14)
    const commits = [3n, 6n].map((offset) => consumer.commit([{ ...t0, offset }]))
    await cluster.clock.advance(1000)
    await Promise.all(commits)
    expect(offsetsSent(cluster)).toEqual([3, 3, 6])
    await consumer.close()
  })

  test('REBALANCE_IN_PROGRESS: it joins again, and the commit follows in the new generation', async () => {
    const cluster = clusterWith(9)
    const consumer = cluster.consumer({ topics: ['t'], group: 'g', autoCommit: false })
    await take(consumer, 1)
    cluster.codes.commit.push(27)
    const commit = consumer.commit([{ ...t0, offset: 5n }])
    await cluster.clock.advance(1000)
    await commit
    expect(cluster.generation).toBe(2)
    expect(
      cluster.requestsOf(apis.offsetCommit).map((sent) => sent.generationIdOrMemberEpoch),
    ).toEqual([1, 2])
    await consumer.close()
  })

  test('ILLEGAL_GENERATION: the partitions are lost, the caller is told, and it joins again', async () => {
    const cluster = clusterWith(9)
    const lost: number[] = []
    const consumer = cluster.consumer({
      topics: ['t'],
      group: 'g',
      autoCommit: false,
      rebalance: { lost: (partitions) => void lost.push(partitions.length) },
    })
    await take(consumer, 1)
    cluster.codes.commit.push(22)
    await expect(consumer.commit([{ ...t0, offset: 5n }])).rejects.toMatchObject({
      kafkaName: 'ILLEGAL_GENERATION',
    })
    expect(await take(consumer, 1)).toEqual(['v0'])
    expect(lost).toEqual([1])
    expect(cluster.generation).toBe(2)
    await consumer.close()
  })

  test('only partitions that are held, and only known ones', async () => {
    const cluster = clusterWith(9)
    const consumer = cluster.consumer({ topics: ['t'], group: 'g' })
    await take(consumer, 1)
    await expect(consumer.commit([{ topic: 't', partition: 7, offset: 1n }])).rejects.toMatchObject(
      { kafkaName: 'ILLEGAL_GENERATION' },
    )
    await expect(consumer.commit([{ ...t0, offset: -1n }])).rejects.toMatchObject({
      code: 'KFK_CLIENT_INVALID_ARGUMENT',
    })
    expect(offsetsSent(cluster)).toEqual([])
    await consumer.close()
  })

  test('an error of a partition comes out as it is; a signal ends the wait', async () => {
    const cluster = clusterWith(9)
    const consumer = cluster.consumer({ topics: ['t'], group: 'g', autoCommit: false })
    await take(consumer, 1)
    cluster.codes.commit.push(12)
    await expect(consumer.commit([{ ...t0, offset: 1n }])).rejects.toMatchObject({
      kafkaName: 'OFFSET_METADATA_TOO_LARGE',
    })
    cluster.codes.commit.push(...Array.from({ length: 50 }, () => 15))
    const stop = new AbortController()
    const commit = consumer.commit([{ ...t0, offset: 1n }], { signal: stop.signal })
    await settle()
    stop.abort()
    await expect(commit).rejects.toMatchObject({ code: 'KFK_CLIENT_ABORTED' })
    cluster.codes.commit.length = 0
    await consumer.close()
  })

  test('a commit that cannot be done in time fails, also on close', async () => {
    const cluster = clusterWith(9)
    const consumer = cluster.consumer({ topics: ['t'], group: 'g' })
    await take(consumer, 5)
    cluster.codes.commit.push(...Array.from({ length: 10_000 }, () => 15))
    const failing = expect(consumer.commit(undefined, { timeoutMs: 3000 })).rejects.toMatchObject({
      kafkaName: 'COORDINATOR_NOT_AVAILABLE',
    })
    await cluster.clock.advance(3000)
    await failing
    const closing = consumer.close({ timeoutMs: 4000 })
    await cluster.clock.advance(4000)
    await closing
    expect(cluster.committed.size).toBe(0)
  })

  test('values read are those of their offsets', async () => {
    const cluster = clusterWith(3)
    await using consumer = cluster.consumer({ topics: ['t'] })
    let count = 0
    for await (const record of consumer) {
      expect(text(record)).toBe(`v${record.offset}`)
      if (++count === 3) break
    }
  })
})
