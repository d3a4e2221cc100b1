import { apis, encodeRecordBatch, writeControlRecord } from '@kfk/protocol'
import { settle } from '../../client/test/manual-clock.js'
import type { BatchView, Consumer } from '../src/index.js'
import { ConsumerCluster, take, text } from './consumer-cluster.js'

const t0 = { topic: 't', partition: 0 }
const values = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, at) => `${prefix}${at}`)

/** What the records of a batch say, each read while it is at hand. */
function read(batch: BatchView): string[] {
  const seen: string[] = []
  for (const record of batch) seen.push(text(record))
  return seen
}

/** Reads until `count` records have come, then closes the consumer. */
async function readAll(consumer: Consumer, count: number): Promise<string[][]> {
  const seen: string[][] = []
  await consumer.runBatches((batch) => {
    seen.push(read(batch))
    if (seen.flat().length >= count) void consumer.close()
  })
  return seen
}

describe('batches as they are', () => {
  test('each is handed out whole, with all that is known of its records', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    const headers = [{ key: 'h', value: Buffer.from('1') }]
    const records = [
      { key: 'k', value: 'abc', timestamp: 1000 },
      { key: null, value: null, timestamp: 1001, headers },
    ]
    cluster.appendBytes('t', 0, encodeRecordBatch(records, {}))
    cluster.append('t', 0, ['x'])
    await using consumer = cluster.consumer({ topics: ['t'] })
    const seen: object[] = []
    await consumer.runBatches((batch) => {
      const { topic, partition, recordCount, nextOffset, highWatermark } = batch
      seen.push({ topic, partition, recordCount, nextOffset, highWatermark })
      for (const record of batch) {
        const { position, timestampMs, keyLength, valueStart, valueLength } = record
        const { offset, timestamp, key, value } = record
        expect(offset).toBe(BigInt(position))
        expect(timestamp.getTime()).toBe(timestampMs)
        expect(keyLength).toBe(key?.length ?? -1)
        expect(valueLength).toBe(value?.length ?? -1)
        if (key !== null) expect(batch.bytes[record.keyStart]).toBe('k'.charCodeAt(0))
        if (value !== null) {
          const there = batch.bytes.subarray(valueStart, valueStart + valueLength)
          expect(there).toEqual(new Uint8Array(value))
        }
        const said = value === null ? null : Buffer.from(value).toString()
        seen.push([position, timestampMs, said, record.headers.map((each) => each.key)])
      }
      if (nextOffset === 3n) void consumer.close()
    })
    expect(seen).toEqual([
      { topic: 't', partition: 0, recordCount: 2, nextOffset: 2n, highWatermark: 3n },
      [0, 1000, 'abc', []],
      [1, 1001, null, ['h']],
      { topic: 't', partition: 0, recordCount: 1, nextOffset: 3n, highWatermark: 3n },
      [2, 1000, 'x', []],
    ])
  })

  test('a step makes the same object the next record; each iteration has its own', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    cluster.append('t', 0, ['a', 'b'])
    await using consumer = cluster.consumer({ topics: ['t'] })
    const pairs: string[] = []
    await consumer.runBatches((batch) => {
      const objects = new Set<object>()
      for (const outer of batch) {
        objects.add(outer)
        for (const inner of batch) pairs.push(text(outer) + text(inner))
      }
      expect(objects.size).toBe(1)
      void consumer.close()
    })
    expect(pairs).toEqual(['aa', 'ab', 'ba', 'bb'])
  })

  test('a compressed batch is given decompressed', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    const records = values('v', 50).map((value) => ({ key: null, value, timestamp: 1 }))
    cluster.appendBytes('t', 0, encodeRecordBatch(records, { compression: 'gzip' }))
    await using consumer = cluster.consumer({ topics: ['t'] })
    expect(await readAll(consumer, 50)).toEqual([values('v', 50)])
  })

  test('from the middle of a batch on, only what is wanted is given and counted', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    cluster.append('t', 0, values('v', 5))
    await using consumer = cluster.consumer({ topics: ['t'] })
    await consumer.start()
    consumer.seek(t0, 3)
    await consumer.runBatches((batch) => {
      expect(batch.recordCount).toBe(2)
      expect(read(batch)).toEqual(['v3', 'v4'])
      void consumer.close()
    })
  })

  test('after a loop that was left within a batch, the rest of it comes', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    cluster.append('t', 0, values('v', 5))
    cluster.append('t', 0, ['w'])
    await using consumer = cluster.consumer({ topics: ['t'] })
    expect(await take(consumer, 3)).toEqual(['v0', 'v1', 'v2'])
    expect(await readAll(consumer, 4)).toEqual([['v2', 'v3', 'v4'], ['w']])
  })

  test('batches without records move the position', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    const marker = writeControlRecord(
      { type: 'commit', coordinatorEpoch: 0 },
      { producerId: -1n, producerEpoch: -1, timestamp: 1 },
    )
    cluster.appendBytes('t', 0, marker)
    await using consumer = cluster.consumer({ topics: ['t'] })
    await consumer.start()
    const seen: string[][] = []
    const done = consumer.runBatches((batch) => {
      seen.push(read(batch))
      void consumer.close()
    })
    await cluster.until(() => consumer.position(t0) === 1n)
    cluster.append('t', 0, ['a'])
    await done
    expect(seen).toEqual([['a']])
  })

  test('one that cannot be read is an error after the good ones; a seek gets past it', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    cluster.append('t', 0, ['a'])
    cluster.appendBroken('t', 0)
    cluster.append('t', 0, ['c'])
    await using consumer = cluster.consumer({ topics: ['t'] })
    const seen: string[][] = []
    const reading = consumer.runBatches((batch) => seen.push(read(batch)))
    await expect(reading).rejects.toMatchObject({
      code: 'KFK_CLIENT_INVALID_DATA',
      details: { topic: 't', partition: 0, offset: 1, nextOffset: 2 },
    })
    expect(seen).toEqual([['a']])
    consumer.seek(t0, 2)
    expect(await readAll(consumer, 1)).toEqual([['c']])
  })
})

describe('handlers', () => {
  test('one that returns no promise is called for the next batch at once', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    for (const value of values('v', 20)) cluster.append('t', 0, [value])
    await using consumer = cluster.consumer({ topics: ['t'] })
    let calls = 0
    let atMicrotask = -1
    await consumer.runBatches(() => {
      calls += 1
      if (calls === 1) queueMicrotask(() => (atMicrotask = calls))
      if (calls === 20) void consumer.close()
    })
    expect(atMicrotask).toBe(20)
  })

  test.each([
    ['however much there is', 100_000, 0],
    ['however long handlers take', 10, 3],
  ])('%s, the event loop gets its turns', async (_, valueBytes, handlerMs) => {
    const cluster = new ConsumerCluster({ topics: { t: 8 } })
    for (let at = 0; at < 100; at++) cluster.append('t', at % 8, ['x'.repeat(valueBytes)])
    await using consumer = cluster.consumer({ topics: ['t'] })
    await take(consumer, 1)
    // Up to 2 MiB of each partition are fetched ahead meanwhile.
    for (let turn = 0; turn < 20; turn++) await settle()
    const { clock } = cluster.client
    const startMs = clock.monotonicMs()
    let turns = 0
    let calls = 0
    jest.spyOn(clock, 'monotonicMs').mockImplementation(() => startMs + calls * handlerMs)
    const count = (): void => void setImmediate(() => (turns++, calls < 100 && count()))
    await consumer.runBatches(() => {
      calls += 1
      if (calls === 1) count()
      if (calls === 100) void consumer.close()
    })
    expect(turns).toBeGreaterThan(1)
  })

  test('a promise is waited for, `concurrency` partitions at most side by side', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 4 } })
    for (const at of [0, 1, 2, 3]) {
      for (const value of values(`p${at}-`, 5)) cluster.append('t', at, [value])
    }
    await using consumer = cluster.consumer({ topics: ['t'] })
    let most = 0
    const inHand = new Set<number>()
    const seen: string[] = []
    const handler = async (batch: BatchView): Promise<void> => {
      expect(inHand).not.toContain(batch.partition)
      inHand.add(batch.partition)
      most = Math.max(most, inHand.size)
      await settle()
      seen.push(...read(batch))
      inHand.delete(batch.partition)
      if (seen.length === 20) void consumer.close()
    }
    await consumer.runBatches(handler, { concurrency: 3 })
    expect(most).toBe(3)
    for (const at of [0, 1, 2, 3]) {
      expect(seen.filter((value) => value.startsWith(`p${at}-`))).toEqual(values(`p${at}-`, 5))
    }
    const refused = consumer.runBatches(handler, { concurrency: 0 })
    await expect(refused).rejects.toMatchObject({ code: 'KFK_CLIENT_INVALID_ARGUMENT' })
  })

  test.each([
    [
      'throws',
      (error: Error): never => {
        throw error
      },
    ],
    ['rejects with', (error: Error) => Promise.reject(error)],
  ])('what one %s ends it after the others; that batch comes again', async (_, fail) => {
    const cluster = new ConsumerCluster({ topics: { t: 2 } })
    cluster.append('t', 0, ['a0', 'a1'])
    cluster.append('t', 0, ['a2', 'a3'])
    cluster.append('t', 0, ['a4'])
    cluster.append('t', 1, ['b0'])
    await using consumer = cluster.consumer({ topics: ['t'] })
    const ended: string[][] = []
    const failing = consumer.runBatches((batch): unknown => {
      const batchTexts = read(batch)
      if (batchTexts[0] === 'a2') return fail(new Error('no a2'))
      if (batch.partition === 1) {
        return settle().then(() => ended.push(batchTexts))
      }
      return void ended.push(batchTexts)
    })
    await expect(failing).rejects.toThrow('no a2')
    expect(ended).toEqual([['a0', 'a1'], ['b0']])
    expect(consumer.position(t0)).toBe(2n)
    expect(await readAll(consumer, 3)).toEqual([['a2', 'a3'], ['a4']])
  })

  test('a signal ends it with KFK_CLIENT_ABORTED after the batch in hand, or while it waits', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    cluster.append('t', 0, ['a'])
    cluster.append('t', 0, ['b'])
    await using consumer = cluster.consumer({ topics: ['t'] })
    const stop = new AbortController()
    const seen: string[][] = []
    const handler = (batch: BatchView): void => {
      seen.push(read(batch))
      stop.abort()
    }
    const aborted = { code: 'KFK_CLIENT_ABORTED' }
    const { signal } = stop
    await expect(consumer.runBatches(handler, { signal })).rejects.toMatchObject(aborted)
    expect(seen).toEqual([['a']])
    expect(consumer.position(t0)).toBe(1n)
    const later = new AbortController()
    const waiting = consumer.runBatches((batch) => seen.push(read(batch)), later)
    await settle()
    later.abort()
    await expect(waiting).rejects.toMatchObject(aborted)
    expect(seen).toEqual([['a'], ['b']])
  })

  test('a seek and a pause within take effect after the batch in hand', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 2 } })
    for (const value of values('a', 4)) cluster.append('t', 0, [value])
    cluster.append('t', 1, ['b0'])
    await using consumer = cluster.consumer({ topics: ['t'] })
    const seen: string[] = []
    let count = 0
    await consumer.runBatches((batch) => {
      seen.push(...read(batch))
      if (seen.at(-1) === 'a0') consumer.seek(t0, 2)
      if (seen.at(-1) === 'a2') consumer.pause([t0])
      if (++count === 3) void consumer.close()
    })
    expect(seen.sort()).toEqual(['a0', 'a2', 'b0'])
    expect(consumer.position(t0)).toBe(3n)
  })

  test('only batches whose handler is done are committed, by close() too, which waits for it', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    cluster.append('t', 0, ['a', 'b'])
    cluster.append('t', 0, ['c'])
    const consumer = cluster.consumer({ topics: ['t'], group: 'g' })
    const committed: (number | undefined)[] = []
    const reading = consumer.runBatches(async (batch) => {
      await consumer.commit()
      committed.push(cluster.committed.get('t/0'))
      if (read(batch)[0] === 'a') return
      const closing = consumer.close()
      await settle()
      committed.push(cluster.committed.get('t/0'))
      void closing.then(() => committed.push(cluster.committed.get('t/0')))
    })
    await cluster.until(() => committed.length >= 4)
    await reading
    expect(committed).toEqual([0, 2, 2, 3])
  })

  test('commit() of a batch goes up to and including it', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    cluster.append('t', 0, ['a', 'b'])
    cluster.append('t', 0, ['c'])
    await using consumer = cluster.consumer({ topics: ['t'], group: 'g', autoCommit: false })
    let committed: number | undefined
    const reading = consumer.runBatches(async (batch) => {
      await batch.commit()
      committed ??= cluster.committed.get('t/0')
    })
    await cluster.until(() => committed !== undefined)
    expect(committed).toBe(2)
    await consumer.close()
    await reading
  })
})

describe('memory', () => {
  test('what a handler had is used again, and cannot be read by mistake', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    cluster.append('t', 0, ['a', 'b'])
    cluster.append('t', 0, ['c'])
    const giveBack = jest.spyOn(cluster.client, 'giveBack')
    await using consumer = cluster.consumer({ topics: ['t'] })
    let kept: BatchView | undefined
    const given: number[] = []
    await consumer.runBatches((batch) => {
      given.push(giveBack.mock.calls.length)
      if (kept === undefined) kept = batch
      else void consumer.close()
    })
    // Both came in one answer: it is given back when the second batch is done with.
    expect(given).toEqual([0, 0])
    expect(giveBack).toHaveBeenCalledTimes(1)
    expect(() => read(kept!)).toThrow('after its handler')
  })

  test('an answer of which records were handed out is left to whoever keeps them', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    cluster.append('t', 0, ['a'])
    cluster.append('t', 0, ['b'])
    const giveBack = jest.spyOn(cluster.client, 'giveBack')
    await using consumer = cluster.consumer({ topics: ['t'] })
    expect(await take(consumer, 1)).toEqual(['a'])
    const fetches = cluster.requestsOf(apis.fetch).length
    expect(await readAll(consumer, 2)).toEqual([['a'], ['b']])
    expect(cluster.requestsOf(apis.fetch)).toHaveLength(fetches)
    expect(giveBack).not.toHaveBeenCalled()
  })
})
