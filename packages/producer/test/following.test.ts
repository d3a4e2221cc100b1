import { apis } from '@kfk/protocol'
import { FakeCluster } from '../../client/test/fake-broker.js'
import { ManualClock, settle } from '../../client/test/manual-clock.js'
import { createClient } from '@kfk/client'
import { createProducer } from '../src/index.js'
import type { ProducerRecord, ProducerSettings } from '../src/index.js'

// Posted values that follow one another take a shorter way than other records.

function setUp(settings: ProducerSettings = {}, topics: Record<string, number> = { t: 1, u: 1 }) {
  const cluster = new FakeCluster({ topics })
  const clock = new ManualClock()
  const client = createClient({ broker: cluster, clock, retry: { initialMs: 10, maxMs: 10 } })
  const producer = createProducer({ client, ...settings })
  return { cluster, clock, client, producer }
}

const bytesOf = (text: string): Buffer => Buffer.from(text)

/** Numbers that look random and are the same in each run. */
function numbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

describe('values that follow one another', () => {
  test('are what they would be without, among records of all kinds', async () => {
    const { cluster, clock, producer } = setUp({ batchBytes: 2000, lingerMs: 5 })
    const next = numbers(7)
    const startMs = clock.now()
    const expected: Record<string, { value: string; key: string | null; at?: number }[]> = {
      t: [],
      u: [],
    }
    for (let index = 0; index < 3000; index += 1) {
      const topic = next(20) === 0 ? 'u' : 't'
      const text = `${index}`.padEnd(next(120), next(4) === 0 ? 'é' : '.')
      const kind = next(12)
      const at = startMs - 100_000 + next(200_000)
      const record: ProducerRecord = {
        value: next(3) === 0 ? text : bytesOf(text),
        ...(kind === 1 && { key: bytesOf('k') }),
        ...(kind === 2 && { timestamp: at }),
        ...(kind === 3 && { partition: 0 }),
        ...(kind === 4 && { headers: { h: 'v' } }),
      }
      if (kind === 5) void producer.send(topic, record)
      else producer.post(topic, record)
      expected[topic]!.push({
        value: text,
        key: kind === 1 ? 'k' : null,
        ...(kind === 2 && { at }),
      })
      if (next(100) === 0) await clock.advance(next(10))
    }
    await producer.flush()
    for (const topic of ['t', 'u']) {
      const records = cluster.partition(topic, 0).records()
      expect(records).toHaveLength(expected[topic]!.length)
      for (const [index, { value, key, at }] of expected[topic]!.entries()) {
        const record = records[index]!
        expect(Buffer.from(record.value!).toString()).toBe(value)
        expect(record.key && Buffer.from(record.key).toString()).toBe(key)
        if (at !== undefined) expect(record.timestamp).toBe(at)
        else {
          expect(record.timestamp).toBeGreaterThanOrEqual(startMs)
          expect(record.timestamp).toBeLessThanOrEqual(clock.now())
        }
      }
    }
  })

  test('are stamped with their own time', async () => {
    const { cluster, clock, producer } = setUp({ lingerMs: 50_000 })
    void producer.send('u', { value: 'known' })
    await producer.flush()
    const expected: number[] = []
    for (const waitMs of [0, 1, 63, 64, 8000, 500]) {
      await clock.advance(waitMs)
      for (let index = 0; index < 3; index += 1) {
        producer.post('t', { value: bytesOf('v') })
        expected.push(clock.now())
      }
    }
    await producer.flush()
    const { batches } = cluster.partition('t', 0)
    expect(batches).toHaveLength(1)
    const stamps = cluster
      .partition('t', 0)
      .records()
      .map(({ timestamp }) => timestamp)
    expect(stamps).toEqual(expected)
  })

  test('a partitioner of the user is asked for each', async () => {
    let asked = 0
    const partitioner = { partition: () => asked++ % 2 }
    const { cluster, producer } = setUp({ partitioner }, { t: 2 })
    for (const value of 'abcdefgh') producer.post('t', { value: bytesOf(value) })
    await producer.flush()
    expect(cluster.partition('t', 0).values()).toEqual(['a', 'c', 'e', 'g'])
    expect(cluster.partition('t', 1).values()).toEqual(['b', 'd', 'f', 'h'])
  })

  test('do not overtake a record that waits', async () => {
    const { cluster, producer } = setUp({ bufferBytes: 1000, batchBytes: 500 })
    await producer.send('t', { value: 'known' })
    producer.post('t', { value: bytesOf('a') })
    producer.post('t', { value: bytesOf('b') })
    const large = producer.send('t', { value: 'x'.repeat(900) })
    producer.post('t', { value: bytesOf('c') })
    await large
    await producer.flush()
    const values = cluster.partition('t', 0).values()
    expect(values).toEqual(['known', 'a', 'b', 'x'.repeat(900), 'c'])
  })

  test('keep within the buffer and the largest record', async () => {
    const { cluster, clock, producer } = setUp({ bufferBytes: 1000, maxRequestBytes: 600 })
    await producer.send('t', { value: 'known' })
    cluster.fault = ({ api }) => (api.key === apis.produce.key ? 'hang' : undefined)
    producer.post('t', { value: bytesOf('first') })
    expect(() => producer.post('t', { value: Buffer.alloc(580) })).toThrow(
      expect.objectContaining({ kafkaName: 'MESSAGE_TOO_LARGE' }),
    )
    const post = () => producer.post('t', { value: Buffer.alloc(100) })
    let posted = 0
    expect(() => {
      for (;;) {
        post()
        posted += 1
      }
    }).toThrow(expect.objectContaining({ code: 'KFK_CLIENT_BUFFER_FULL' }))
    expect(posted).toBe(7)
    const closed = producer.close({ timeoutMs: 0 })
    expect(post).toThrow(expect.objectContaining({ code: 'KFK_CLIENT_CLOSED' }))
    await clock.advance(1)
    await closed
  })

  test('a batch that they fill leaves at once', async () => {
    const { cluster, producer } = setUp({ batchBytes: 1000, lingerMs: 10_000 })
    await producer.flush()
    void producer.send('t', { value: 'known' })
    await producer.flush()
    for (let index = 0; index < 40; index += 1) producer.post('t', { value: Buffer.alloc(90) })
    await settle()
    const { batches } = cluster.partition('t', 0)
    expect(batches.slice(1).map(({ bytes }) => bytes.length)).toEqual([952, 952, 952, 952])
    await producer.close()
  })
})
