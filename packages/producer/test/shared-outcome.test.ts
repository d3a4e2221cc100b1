import { apis } from '@kfk/protocol'
import type { RequestOf } from '@kfk/protocol'
import { FakeCluster } from '../../client/test/fake-broker.js'
import { defineTopic, string } from '@kfk/client'
import { createProducer } from '../src/index.js'
import type { BatchMetadata, PostFailure, ProducerSettings, RecordMetadata } from '../src/index.js'

function setUp(settings: ProducerSettings = {}) {
  const cluster = new FakeCluster({ topics: { t: 1 } })
  const producer = createProducer({
    broker: cluster,
    retry: { initialMs: 0, maxMs: 0 },
    ...settings,
  })
  return { cluster, producer }
}

/** Every batch is refused for good: TOPIC_AUTHORIZATION_FAILED. */
function refuseAll(cluster: FakeCluster): void {
  cluster.fault = ({ api, body }) => {
    if (api.key !== apis.produce.key) return undefined
    const { topicData } = body as RequestOf<typeof apis.produce>
    const responses = topicData.map(({ name, topicId, partitionData }) => ({
      name,
      topicId,
      partitionResponses: partitionData.map(({ index }) => ({
        index,
        errorCode: 29,
        baseOffset: -1,
      })),
    }))
    return { respond: { responses } }
  }
}

describe('the outcome of a batch', () => {
  test('is one promise for all records of the batch, whatever they are', async () => {
    const { producer } = setUp()
    const first = await producer.send('t', { value: 'known' })
    expect(first).toEqual({
      topic: 't',
      partition: 0,
      baseOffset: 0n,
      recordCount: 1,
      timestamp: undefined,
    })
    const typed = defineTopic('t', { key: string(), value: string() })
    const sends = [
      producer.send('t', { value: 'a' }),
      producer.send('t', { value: Buffer.from('b') }),
      producer.send('t', { key: 'k', value: 'c' }),
      producer.send(typed, { key: 'k', value: 'd' }, {}),
    ]
    expect(new Set(sends).size).toBe(1)
    expect(await sends[0]).toMatchObject({ baseOffset: 1n, recordCount: 4 })
    const next = producer.send('t', { value: 'e' })
    expect(next).not.toBe(sends[0])
    expect(await next).toMatchObject({ baseOffset: 5n, recordCount: 1 })
    await producer.close()
  })

  test('is told to those who waited before they entered it, too', async () => {
    const { producer } = setUp()
    const sends = ['a', 'b'].map((value) => producer.send('t', { value }))
    const [a, b] = await Promise.all(sends)
    expect(a).toMatchObject({ baseOffset: 0n, recordCount: 2 })
    expect(b).toBe(a)
    await producer.close()
  })

  test('of records sent together: each batch once, in order, known before or not', async () => {
    for (const known of [false, true]) {
      const { cluster, producer } = setUp({ batchBytes: 150 })
      if (known) await producer.send('t', { value: 'known' })
      const values = Array.from({ length: 20 }, (_, at) => `value ${at}`)
      const records = values.map((value) => ({ value }))
      const sent: BatchMetadata[] = await producer.send('t', records)
      let offset = known ? 1n : 0n
      for (const { baseOffset, recordCount } of sent) {
        expect(baseOffset).toBe(offset)
        offset += BigInt(recordCount)
      }
      expect(sent.length).toBeGreaterThan(2)
      expect(cluster.partition('t', 0).values().slice(-20)).toEqual(values)
      expect(await producer.send('t', [])).toEqual([])
      await producer.close()
    }
  })

  test('each: every record has a promise and an offset of its own', async () => {
    const { producer } = setUp()
    await producer.send('t', { value: 'known' })
    const each = { each: true } as const
    const shared = producer.send('t', { value: 'a' })
    const own = [1000, 2000].map((timestamp) => producer.send('t', { value: 'b', timestamp }, each))
    const together: Promise<RecordMetadata[]> = producer.send(
      't',
      [
        { value: 'c', timestamp: 3000 },
        { value: 'd', timestamp: 3000 },
      ],
      each,
    )
    expect(await shared).toMatchObject({ baseOffset: 1n, recordCount: 5 })
    expect([...(await Promise.all(own)), ...(await together)]).toEqual([
      { partition: 0, offset: 2n, timestamp: 1000 },
      { partition: 0, offset: 3n, timestamp: 2000 },
      { partition: 0, offset: 4n, timestamp: 3000 },
      { partition: 0, offset: 5n, timestamp: 3000 },
    ])
    await producer.close()
  })

  test('a signal ends the wait of its own send, and of no other', async () => {
    const { producer } = setUp()
    await producer.send('t', { value: 'known' })
    const abort = new AbortController()
    const { signal } = abort
    const ended = [
      producer.send('t', { value: 'a' }, { signal }),
      producer.send('t', [{ value: 'b' }], { signal }),
      producer.send('t', { value: 'c' }, { signal, each: true }),
    ]
    const other = producer.send('t', { value: 'd' })
    const heeded = producer.send('t', { value: 'e' }, { signal: new AbortController().signal })
    const outcomes = Promise.allSettled(ended)
    abort.abort()
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({ reason: { code: 'KFK_CLIENT_ABORTED' } })
    }
    expect(await other).toMatchObject({ baseOffset: 1n, recordCount: 5 })
    expect(await heeded).toBe(await other)
    await producer.close()
  })

  test('a failure is told to all who wait, and of posted records alone to onPostFailure', async () => {
    const posted: PostFailure[] = []
    const { cluster, producer } = setUp({
      onPostFailure: (_error, records) => void posted.push(records),
    })
    await producer.send('t', { value: 'known' })
    refuseAll(cluster)
    producer.post('t', { value: 'a' })
    producer.post('t', { value: 'b' })
    const outcomes = await Promise.allSettled([
      producer.send('t', { value: 'c' }),
      producer.send('t', { value: 'd' }),
      producer.send('t', { value: 'e' }, { each: true }),
      producer.send('t', [{ value: 'f' }, { value: 'g' }]),
      producer.send('t', [{ value: 'h' }, { value: 'i' }], { each: true }),
    ])
    const refused = { kafkaName: 'TOPIC_AUTHORIZATION_FAILED' }
    for (const outcome of outcomes) expect(outcome).toMatchObject({ reason: refused })
    expect(posted).toEqual([{ topic: 't', partition: 0, count: 2 }])
    await producer.close()
  })

  test("is of the broker's time when the topic stamps records itself", async () => {
    const { cluster, producer } = setUp()
    cluster.fault = ({ api, body }) => {
      if (api.key !== apis.produce.key) return undefined
      const { name, topicId } = (body as RequestOf<typeof apis.produce>).topicData[0]!
      const answer = { index: 0, errorCode: 0, baseOffset: 7, logAppendTimeMs: 5000 }
      return { respond: { responses: [{ name, topicId, partitionResponses: [answer] }] } }
    }
    const [shared, own] = await Promise.all([
      producer.send('t', { value: 'a', timestamp: 1 }),
      producer.send('t', { value: 'b', timestamp: 1 }, { each: true }),
    ])
    expect(shared).toMatchObject({ baseOffset: 7n, timestamp: 5000 })
    expect(own).toEqual({ partition: 0, offset: 8n, timestamp: 5000 })
    cluster.fault = () => undefined
    await producer.close()
  })
})
