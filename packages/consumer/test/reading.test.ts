import { Readable } from 'node:stream'
import { apis, writeControlRecord } from '@kfk/protocol'
import { settle } from '../../client/test/manual-clock.js'
import { ConsumerCluster, take, text } from './consumer-cluster.js'

const values = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, at) => `${prefix}${at}`)

describe('loops', () => {
  test('records of a partition come in order; a loop that was left goes on with the record in hand', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    cluster.append('t', 0, ['a', 'b'])
    cluster.append('t', 0, ['c', 'd'])
    await using consumer = cluster.consumer({ topics: ['t'] })
    expect(await take(consumer, 3)).toEqual(['a', 'b', 'c'])
    const fetches = cluster.requestsOf(apis.fetch).length
    expect(await take(consumer, 2)).toEqual(['c', 'd'])
    // What was fetched and not processed was kept.
    expect(cluster.requestsOf(apis.fetch)).toHaveLength(fetches)
  })

  test('an error inside of a loop leaves it in the same way', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    cluster.append('t', 0, ['a', 'b'])
    await using consumer = cluster.consumer({ topics: ['t'] })
    const loop = async (): Promise<void> => {
      for await (const record of consumer) if (text(record) === 'b') throw new Error('no b')
    }
    await expect(loop()).rejects.toThrow('no b')
    expect(consumer.position({ topic: 't', partition: 0 })).toBe(1n)
    expect(await take(consumer, 1)).toEqual(['b'])
  })

  test('batches span record batches and have at most `maxRecords`', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    for (const value of values('v', 7)) cluster.append('t', 0, [value])
    await using consumer = cluster.consumer({ topics: ['t'] })
    const sizes: number[] = []
    for await (const batch of consumer.batches({ maxRecords: 3 })) {
      sizes.push(batch.records.length)
      expect(batch.highWatermark).toBe(7n)
      if (batch.nextOffset === 7n) break
    }
    expect(sizes).toEqual([3, 3, 1])
  })

  test('two loops share the records, each partition in one of them at a time', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 2 } })
    cluster.append('t', 0, values('a', 50))
    cluster.append('t', 1, values('b', 50))
    await using consumer = cluster.consumer({ topics: ['t'] })
    const inHand = new Set<number>()
    const seen: string[] = []
    const loop = async (): Promise<void> => {
      for await (const record of consumer) {
        expect(inHand).not.toContain(record.partition)
        inHand.add(record.partition)
        await settle()
        inHand.delete(record.partition)
        seen.push(text(record))
        if (seen.length === 100) void consumer.close()
      }
    }
    await Promise.all([loop(), loop()])
    expect(seen.filter((value) => value.startsWith('a'))).toEqual(values('a', 50))
    expect(seen.filter((value) => value.startsWith('b'))).toEqual(values('b', 50))
  })

  test('partitions() gives each partition as an iterable of its own', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 3 } })
    for (const at of [0, 1, 2]) cluster.append('t', at, values(`p${at}-`, 5))
    await using consumer = cluster.consumer({ topics: ['t'] })
    const seen: string[][] = []
    const reading: Promise<void>[] = []
    for await (const partition of consumer.partitions()) {
      const read = async (): Promise<void> => {
        seen[partition.partition] = await take(partition, 5)
      }
      reading.push(read())
      if (reading.length === 3) break
    }
    await Promise.all(reading)
    expect(seen).toEqual([0, 1, 2].map((at) => values(`p${at}-`, 5)))
  })

  test('Readable.from(consumer) is a stream of records', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    cluster.append('t', 0, values('v', 40))
    const consumer = cluster.consumer({ topics: ['t'] })
    const seen: string[] = []
    for await (const record of Readable.from(consumer)) {
      seen.push(text(record as { value: Uint8Array }))
      if (seen.length === 40) break
    }
    expect(seen).toEqual(values('v', 40))
    await consumer.close()
  })

  test('a signal ends batches() with KFK_CLIENT_ABORTED, before and while it waits', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    await using consumer = cluster.consumer({ topics: ['t'] })
    await expect(consumer.batches({ signal: AbortSignal.abort() }).next()).rejects.toMatchObject({
      code: 'KFK_CLIENT_ABORTED',
    })
    const stop = new AbortController()
    const next = consumer.batches({ signal: stop.signal }).next()
    await settle()
    stop.abort(new Error('enough'))
    await expect(next).rejects.toMatchObject({
      code: 'KFK_CLIENT_ABORTED',
      cause: expect.objectContaining({ message: 'enough' }),
    })
  })

  test('however small record batches are, all their records come, in order', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    const wanted = values('v', 2500)
    for (const value of wanted) cluster.append('t', 0, [value])
    await using consumer = cluster.consumer({ topics: ['t'] })
    const seen: string[][] = []
    for await (const { records, nextOffset } of consumer.batches({ maxRecords: 10_000 })) {
      seen.push(records.map(text))
      expect(nextOffset).toBe(BigInt(seen.flat().length))
      if (nextOffset === 2500n) break
    }
    expect(seen.flat()).toEqual(wanted)
    expect(seen[0]).toHaveLength(1000)
  })

  test.each([0, 1.5, -1])('maxRecords %p is refused', async (maxRecords) => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    await using consumer = cluster.consumer({ topics: ['t'] })
    await expect(consumer.batches({ maxRecords }).next()).rejects.toMatchObject({
      code: 'KFK_CLIENT_INVALID_ARGUMENT',
    })
  })
})

describe('run', () => {
  test.each([
    { bytes: 100, what: 'few records are handled before the next fetch is sent' },
    { bytes: 100_000, what: 'many records are handled while the next fetch is under way' },
  ])('$what', async ({ bytes }) => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    await using consumer = cluster.consumer({ topics: ['t'] })
    const requests = jest.spyOn(cluster.client, 'request')
    const fetches = (): number => requests.mock.calls.filter(([api]) => api === apis.fetch).length
    let atHandler = 0
    const done = consumer.run(() => {
      atHandler = fetches()
      void consumer.close()
    })
    await cluster.until(() => fetches() > 0)
    const before = fetches()
    cluster.append('t', 0, ['x'.repeat(bytes)])
    await done
    expect(atHandler - before).toBe(bytes > 16_384 ? 1 : 0)
  })

  test('one handler for each partition at a time, `concurrency` at most', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 4 } })
    for (const at of [0, 1, 2, 3]) cluster.append('t', at, values(`p${at}-`, 10))
    await using consumer = cluster.consumer({ topics: ['t'] })
    let running = 0
    let most = 0
    let count = 0
    const seen: string[] = []
    const done = consumer.run(
      async (record) => {
        running += 1
        most = Math.max(most, running)
        await settle()
        running -= 1
        seen.push(text(record))
        if (++count === 40) void consumer.close()
      },
      { concurrency: 3 },
    )
    await done
    expect(most).toBe(3)
    for (const at of [0, 1, 2, 3]) {
      expect(seen.filter((value) => value.startsWith(`p${at}-`))).toEqual(values(`p${at}-`, 10))
    }
  })

  test('rejects with what a handler throws, after the others; that record comes again', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 2 } })
    cluster.append('t', 0, ['a0', 'a1', 'a2'])
    cluster.append('t', 1, ['b0', 'b1'])
    await using consumer = cluster.consumer({ topics: ['t'] })
    const ended: string[] = []
    let onBegun: () => void = () => undefined
    const begun = new Promise<void>((resolve) => (onBegun = resolve))
    const failing = consumer.run(async (record) => {
      if (text(record) === 'a1') {
        await begun
        throw new Error('no a1')
      }
      if (text(record) === 'b0') {
        onBegun()
        await settle()
      }
      ended.push(text(record))
    })
    await expect(failing).rejects.toThrow('no a1')
    expect(ended).toEqual(['a0', 'b0'])
    const again: string[] = []
    await consumer.run((record) => {
      again.push(text(record))
      if (again.length === 3) void consumer.close()
    })
    expect(again.sort()).toEqual(['a1', 'a2', 'b1'])
  })

  test('a signal ends it with KFK_CLIENT_ABORTED after the record in hand', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    cluster.append('t', 0, ['a', 'b', 'c'])
    await using consumer = cluster.consumer({ topics: ['t'] })
    const stop = new AbortController()
    const seen: string[] = []
    const done = consumer.run(
      (record) => {
        seen.push(text(record))
        stop.abort()
      },
      { signal: stop.signal },
    )
    await expect(done).rejects.toMatchObject({ code: 'KFK_CLIENT_ABORTED' })
    expect(seen).toEqual(['a'])
    expect(consumer.position({ topic: 't', partition: 0 })).toBe(1n)
  })
})

describe('positions', () => {
  const t0 = { topic: 't', partition: 0 }

  test('a seek drops what is in hand, buffered and on the way', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    cluster.append('t', 0, values('v', 10))
    await using consumer = cluster.consumer({ topics: ['t'] })
    const seen: string[] = []
    for await (const record of consumer) {
      seen.push(text(record))
      if (seen.length === 2) consumer.seek(t0, 7n)
      if (seen.length === 5) break
    }
    expect(seen).toEqual(['v0', 'v1', 'v7', 'v8', 'v9'])
    expect(() => consumer.seek(t0, -1)).toThrow('not an offset')
    expect(() => consumer.seek({ topic: 't', partition: 9 }, 0)).toThrow('not assigned')
  })

  test('a seek while a fetch is on the way: its answer is not used', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    await using consumer = cluster.consumer({ topics: ['t'] })
    await consumer.start()
    await cluster.until(() => cluster.requestsOf(apis.fetch).length === 1)
    consumer.seek(t0, 3)
    cluster.append('t', 0, values('v', 5))
    expect(await take(consumer, 2)).toEqual(['v3', 'v4'])
  })

  test('a paused partition keeps its place, at once; the others go on', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 2 } })
    cluster.append('t', 0, values('a', 3))
    cluster.append('t', 1, values('b', 3))
    await using consumer = cluster.consumer({ topics: ['t'] })
    const seen: string[] = []
    for await (const record of consumer) {
      seen.push(text(record))
      if (seen.length === 1) consumer.pause([{ topic: 't', partition: record.partition }])
      if (seen.length === 4) break
    }
    expect(seen).toEqual(['a0', 'b0', 'b1', 'b2'])
    consumer.resume()
    expect((await take(consumer, 3)).sort()).toEqual(['a1', 'a2', 'b2'])
  })

  test('control batches and emptied batches move the position', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    cluster.append('t', 0, ['a'])
    cluster.appendBytes(
      't',
      0,
      writeControlRecord(
        { type: 'commit', coordinatorEpoch: 0 },
        { producerId: -1n, producerEpoch: -1, timestamp: 1 },
      ),
    )
    await using consumer = cluster.consumer({ topics: ['t'] })
    const first = consumer[Symbol.asyncIterator]()
    await first.next()
    const next = first.next()
    await cluster.until(() => consumer.position(t0) === 2n)
    cluster.append('t', 0, ['b'])
    expect(text((await next).value as { value: Uint8Array })).toBe('b')
    await first.return()
  })

  test.each([
    ['earliest', 'v0'],
    [{ timestamp: 1003 }, 'v3'],
    [{ timestamp: new Date(1002) }, 'v2'],
  ] as const)('from %p begins with %s', async (from, wanted) => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    cluster.append('t', 0, values('v', 5))
    await using consumer = cluster.consumer({ topics: ['t'], from })
    expect(await take(consumer, 1)).toEqual([wanted])
  })

  test.each(['latest', { timestamp: 99_999 }] as const)(
    'from %p begins at the end',
    async (from) => {
      const cluster = new ConsumerCluster({ topics: { t: 1 } })
      cluster.append('t', 0, values('v', 5))
      await using consumer = cluster.consumer({ topics: ['t'], from })
      await consumer.start()
      cluster.append('t', 0, ['new'])
      expect(await take(consumer, 1)).toEqual(['new'])
    },
  )

  test('only "out of range" resets the position', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    cluster.append('t', 0, values('v', 10))
    await using consumer = cluster.consumer({ topics: ['t'] })
    await consumer.start()
    consumer.seek(t0, 4)
    // NOT_LEADER, UNKNOWN_TOPIC, STORAGE, FENCED_LEADER_EPOCH, and an error that nobody knows.
    const codes = [6, 3, 56, 74, -1]
    cluster.fetchCode = () => codes.shift() ?? 0
    const first = take(consumer, 1)
    await cluster.until(() => codes.length === 0)
    await cluster.until(() => cluster.requestsOf(apis.listOffsets).length === 1)
    expect(await first).toEqual(['v4'])

    cluster.logStart = 8
    consumer.seek(t0, 2)
    expect(await take(consumer, 1)).toEqual(['v8'])
    expect(cluster.requestsOf(apis.listOffsets)).toHaveLength(2)
  })

  test("with from: 'committed' out of range is an error until a seek", async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    cluster.append('t', 0, values('v', 10))
    cluster.logStart = 5
    cluster.committed.set('t/0', 2)
    await using consumer = cluster.consumer({
      assignment: [t0],
      group: 'g',
      from: 'committed',
    })
    await expect(take(consumer, 1)).rejects.toMatchObject({ kafkaName: 'OFFSET_OUT_OF_RANGE' })
    await expect(take(consumer, 1)).rejects.toThrow('Seek to go on')
    consumer.seek(t0, 6)
    expect(await take(consumer, 1)).toEqual(['v6'])
  })

  test("with from: 'committed' and no committed offset it is an error, but a listener may seek", async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    cluster.append('t', 0, values('v', 3))
    const settings = { assignment: [t0], group: 'g', from: 'committed' } as const
    await using strict = cluster.consumer(settings)
    await expect(take(strict, 1)).rejects.toThrow('No offset is committed for t-0')
    const seeking = cluster.consumer({
      ...settings,
      rebalance: {
        assigned: ([first]) => {
          seeking.seek(first!, 1)
        },
      },
    })
    expect(await take(seeking, 1)).toEqual(['v1'])
    await seeking.close()
  })

  test('a batch that cannot be read is an error after the good ones; a seek gets past it', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    cluster.append('t', 0, ['a'])
    cluster.appendBroken('t', 0)
    cluster.append('t', 0, ['c'])
    await using consumer = cluster.consumer({ topics: ['t'] })
    const seen: string[] = []
    const loop = async (): Promise<void> => {
      for await (const record of consumer) seen.push(text(record))
    }
    await expect(loop()).rejects.toMatchObject({
      code: 'KFK_CLIENT_INVALID_DATA',
      details: { topic: 't', partition: 0, offset: 1, nextOffset: 2 },
    })
    expect(seen).toEqual(['a'])
    consumer.seek(t0, 2)
    expect(await take(consumer, 1)).toEqual(['c'])
  })

  test('lag is known once something was fetched', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 2 } })
    cluster.append('t', 0, values('v', 5))
    await using consumer = cluster.consumer({ topics: ['t'] })
    expect(consumer.lag()).toEqual([])
    await take(consumer, 3)
    expect(consumer.lag()).toContainEqual({
      topic: 't',
      partition: 0,
      position: 2n,
      highWatermark: 5n,
      lag: 3n,
    })
  })
})

describe('topics', () => {
  test.each(['constructor', '__proto__', 'toString'])('a topic may be called %s', async (topic) => {
    const cluster = new ConsumerCluster({})
    cluster.fake.createTopic(topic, 1)
    cluster.append(topic, 0, ['a', 'b'])
    await using consumer = cluster.consumer({ topics: [topic], group: 'g' })
    expect(await take(consumer, 2)).toEqual(['a', 'b'])
    await consumer.commit()
    expect(cluster.committed.get(`${topic}/0`)).toBe(1)
  })

  test('alone: a partition that is added is read from its start, also with from: latest', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    await using consumer = cluster.consumer({ topics: ['t'], from: 'latest', topicRefreshMs: 1000 })
    await consumer.start()
    const topic = cluster.fake.topics.get('t')!
    const more = new ConsumerCluster({ topics: { t: 1 } }).fake.partition('t', 0)
    topic.partitions.push(more)
    cluster.append('t', 1, ['early'])
    const first = take(consumer, 1)
    await cluster.until(() => consumer.assignment().length === 2)
    expect(await first).toEqual(['early'])
  })

  test('alone: a topic that does not exist is an error in bounded time', async () => {
    const cluster = new ConsumerCluster({}, { retry: { retries: 2, initialMs: 1, maxMs: 1 } })
    await using consumer = cluster.consumer({ topics: ['nowhere'] })
    const failing = expect(take(consumer, 1)).rejects.toMatchObject({
      kafkaName: 'UNKNOWN_TOPIC_OR_PARTITION',
    })
    await cluster.clock.advance(100)
    await failing
  })

  test('a leader that is away holds up only its own partitions', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 2 }, brokers: 2 })
    cluster.append('t', 0, ['a'])
    cluster.append('t', 1, ['b'])
    cluster.fake.down.add(2)
    await using consumer = cluster.consumer({ topics: ['t'], group: 'g' })
    const reading = take(consumer, 2)
    await cluster.until(() => consumer.lag().length === 1)
    await cluster.until(() => consumer.position({ topic: 't', partition: 0 }) === 1n)
    cluster.fake.down.delete(2)
    await cluster.until(() => consumer.lag().length === 2)
    expect(await reading).toEqual(['a', 'b'])
  })

  test('a partition without a leader is asked for less and less often, whatever else goes on', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 2 } })
    cluster.fake.partition('t', 1).leaderId = -1
    await using consumer = cluster.consumer({ topics: ['t'], from: 'latest' })
    const reading = take(consumer, 50)
    await cluster.until(() => consumer.lag().length === 1)
    await cluster.clock.advance(6000)
    const before = cluster.requestsOf(apis.metadata).length
    for (const value of values('v', 50)) {
      cluster.append('t', 0, [value])
      await settle()
    }
    expect(await reading).toHaveLength(50)
    expect(cluster.requestsOf(apis.metadata).length - before).toBeLessThanOrEqual(2)
  })
})
