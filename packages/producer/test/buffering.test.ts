import { apis } from '@kfk/protocol'
import { FakeCluster } from '../../client/test/fake-broker.js'
import { ManualClock, settle } from '../../client/test/manual-clock.js'
import { createClient, defineTopic, string } from '@kfk/client'
import type { StandardSchemaV1 } from '@kfk/client'
import { createProducer } from '../src/index.js'
import type { Partitioner, PostFailure, ProducerSettings } from '../src/index.js'

function setUp(settings: ProducerSettings = {}, topics: Record<string, number> = { t: 1 }) {
  const cluster = new FakeCluster({ topics })
  const clock = new ManualClock()
  const client = createClient({ broker: cluster, clock, retry: { initialMs: 10, maxMs: 10 } })
  const producer = createProducer({ client, ...settings })
  return { cluster, clock, client, producer }
}

const produceRequests = (cluster: FakeCluster): number => cluster.requestsOf(apis.produce).length

/** The rejection of a promise, from now on. */
async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  )
}

describe('linger', () => {
  test('an open batch waits for its linger, a full one does not', async () => {
    const { cluster, clock, producer } = setUp({ lingerMs: 50, batchBytes: 400 })
    const sent = [producer.send('t', { value: 'a' }), producer.send('t', { value: 'b' })]
    await clock.advance(49)
    expect(produceRequests(cluster)).toBe(0)
    await clock.advance(1)
    await Promise.all(sent)
    expect(produceRequests(cluster)).toBe(1)
    const full = producer.send('t', { value: 'x'.repeat(400) })
    await settle()
    await full
    expect(produceRequests(cluster)).toBe(2)
  })

  test('flush does not wait for the linger', async () => {
    const { cluster, producer } = setUp({ lingerMs: 10_000 })
    producer.post('t', { value: 'a' })
    await producer.flush()
    expect(cluster.partition('t', 0).values()).toEqual(['a'])
  })

  test('while all requests are taken, batches grow', async () => {
    const { cluster, producer } = setUp()
    await producer.send('t', { value: 'first' })
    const sends = []
    for (let turn = 0; turn < 40; turn += 1) {
      sends.push(producer.send('t', { value: 'x' }))
      await Promise.resolve()
    }
    await Promise.all(sends)
    expect(produceRequests(cluster)).toBeLessThan(10)
  })
})

describe('the bounded buffer', () => {
  const settings = { bufferBytes: 1000, batchBytes: 500 }

  test('send waits while it is full, in order, and can be aborted', async () => {
    const { cluster, clock, producer } = setUp(settings)
    await producer.send('t', { value: 'first' })
    const value = 'x'.repeat(450)
    cluster.fault = ({ api }) => (api.key === apis.produce.key ? 'hang' : undefined)
    const held = [producer.send('t', { value }), producer.send('t', { value })]
    const abort = new AbortController()
    const aborted = rejection(producer.send('t', { value: 'gone' }, { signal: abort.signal }))
    const waiting = producer.send('t', { value: 'last' })
    await settle()
    abort.abort(new Error('no more'))
    expect(await aborted).toMatchObject({
      code: 'KFK_CLIENT_ABORTED',
      cause: expect.objectContaining({ message: 'no more' }),
    })
    cluster.fault = () => undefined
    cluster.disconnectAll()
    await clock.advance(200)
    await Promise.all([...held, waiting])
    expect(cluster.partition('t', 0).values()).toEqual(['first', value, value, 'last'])
  })

  test('a record for which there is room does not overtake one of its topic that waits', async () => {
    const { cluster, clock, producer } = setUp(settings)
    await producer.send('t', { value: 'first' })
    cluster.fault = ({ api }) => (api.key === apis.produce.key ? 'hang' : undefined)
    const sends = [producer.send('t', { value: 'x'.repeat(750) })]
    const large = 'y'.repeat(300)
    sends.push(producer.send('t', { value: large }), producer.send('t', { value: 'small' }))
    producer.post('t', { value: 'posted' })
    await settle()
    cluster.fault = () => undefined
    cluster.disconnectAll()
    await clock.advance(200)
    await Promise.all(sends)
    await producer.flush()
    const values = cluster.partition('t', 0).values()
    expect(values.slice(2)).toEqual([large, 'small', 'posted'])
  })

  test('the wait is bounded by maxBlockMs and says what it waited for', async () => {
    const { cluster, clock, producer } = setUp({ ...settings, maxBlockMs: 100 })
    await producer.send('t', { value: 'first' })
    cluster.fault = ({ api }) => (api.key === apis.produce.key ? 'hang' : undefined)
    const held = rejection(producer.send('t', { value: 'x'.repeat(900) }))
    const waiting = rejection(producer.send('t', { value: 'y'.repeat(200) }))
    await clock.advance(100)
    expect(await waiting).toMatchObject({
      code: 'KFK_CLIENT_TIMEOUT',
      message: expect.stringContaining('bufferBytes'),
    })
    await Promise.all([producer.close({ timeoutMs: 0 }), clock.advance(1)])
    expect(await held).toMatchObject({ code: 'KFK_CLIENT_CLOSED' })
  })

  test('post says when to pause, refuses when full, and ready resolves when there is room', async () => {
    const { cluster, clock, producer } = setUp(settings)
    await producer.send('t', { value: 'first' })
    cluster.fault = ({ api }) => (api.key === apis.produce.key ? 'hang' : undefined)
    expect(producer.post('t', { value: 'x'.repeat(400) })).toBe(true)
    expect(producer.post('t', { value: 'x'.repeat(400) })).toBe(false)
    expect(() => producer.post('t', { value: 'x'.repeat(400) })).toThrow(
      expect.objectContaining({ code: 'KFK_CLIENT_BUFFER_FULL', retriable: true }),
    )
    let isReady = false
    void producer.ready.then(() => (isReady = true))
    await settle()
    expect(isReady).toBe(false)
    cluster.fault = () => undefined
    cluster.disconnectAll()
    await clock.advance(100)
    expect(isReady).toBe(true)
    expect(cluster.partition('t', 0).values()).toHaveLength(3)
  })
})

describe('bounds of time', () => {
  test('deliveryTimeoutMs bounds a send whose answer never comes, and names the last failure', async () => {
    const { cluster, clock, producer } = setUp({
      deliveryTimeoutMs: 1000,
      requestTimeoutMs: 300,
    })
    cluster.fault = ({ api }) => (api.key === apis.produce.key ? 'hang' : undefined)
    const outcome = rejection(producer.send('t', { value: 'a' }))
    await clock.advance(1000)
    expect(await outcome).toMatchObject({
      code: 'KFK_CLIENT_TIMEOUT',
      retriable: false,
      message: expect.stringContaining('did not answer Produce'),
    })
    cluster.fault = () => undefined
    const next = producer.send('t', { value: 'b' })
    await clock.advance(500)
    await next
    expect(cluster.partition('t', 0).values()).toEqual(['b'])
  })

  test('a late answer to a batch that was given up changes nothing for the next one', async () => {
    const { cluster, clock, producer } = setUp({ deliveryTimeoutMs: 100 })
    await producer.send('t', { value: 'first' })
    // Appended, but the answer is lost after the deadline.
    cluster.fault = ({ api }) => (api.key === apis.produce.key ? 'hang' : undefined)
    const lost = rejection(producer.send('t', { value: 'lost' }))
    await clock.advance(100)
    expect(await lost).toMatchObject({ code: 'KFK_CLIENT_TIMEOUT' })
    cluster.fault = () => undefined
    cluster.disconnectAll()
    await clock.advance(50)
    const next = producer.send('t', { value: 'next' })
    await clock.advance(50)
    expect((await next).baseOffset).toBe(1n)
    const { batches } = cluster.partition('t', 0)
    expect(batches.map(({ producerEpoch, baseSequence }) => [producerEpoch, baseSequence])).toEqual(
      [
        [0, 0],
        [1, 0],
      ],
    )
  })

  test('a topic that never appears fails with its error', async () => {
    const { clock, producer } = setUp()
    const outcome = rejection(producer.send('missing', { value: 'a' }))
    await clock.advance(5000)
    expect(await outcome).toMatchObject({ kafkaName: 'UNKNOWN_TOPIC_OR_PARTITION' })
  })
})

describe('post', () => {
  test('asks for a pause after a megabyte of one turn, whether the topic is known or not', async () => {
    const { cluster, clock, producer } = setUp({ onPostFailure: () => {} })
    const value = 'x'.repeat(100_000)
    cluster.fault = ({ api }) => (api.key === apis.produce.key ? 'hang' : undefined)
    for (let round = 0; round < 3; round += 1) {
      let posted = 1
      while (producer.post('t', { value })) posted += 1
      expect(posted).toBe(11)
      let isReady = false
      void producer.ready.then(() => (isReady = true))
      await Promise.resolve()
      expect(isReady).toBe(false)
      await producer.ready
    }
    await settle()
    expect(produceRequests(cluster)).toBeGreaterThan(0)
    const closed = producer.close({ timeoutMs: 0 })
    await clock.advance(1)
    await closed
  })

  test('keeps each record while it waits, and while a serde or the partitioner posts another', async () => {
    const partitioner: Partitioner = {
      partition(_key, topic) {
        if (topic.name === 't') producer.post('u', { value: 'from the partitioner' })
        return 0
      },
    }
    const { cluster, producer } = setUp({ partitioner }, { t: 1, u: 1 })
    const base = string()
    const nested = defineTopic('t', {
      value: {
        ...base,
        serialize(data: string) {
          producer.post('u', { value: 'from the serde' })
          return base.serialize(data)
        },
      },
    })
    for (let round = 0; round < 2; round += 1) {
      for (const value of ['a', 'b', 'c']) producer.post(nested, { value, key: null })
      await producer.flush()
    }
    expect(cluster.partition('t', 0).values()).toEqual(['a', 'b', 'c', 'a', 'b', 'c'])
    const inner = cluster.partition('u', 0).values()
    expect(inner.filter((value) => value === 'from the serde')).toHaveLength(6)
    expect(inner.filter((value) => value === 'from the partitioner')).toHaveLength(6)
    expect(inner).toHaveLength(12)
  })

  test('reports what could not be delivered, counted by partition', async () => {
    const failures: PostFailure[] = []
    const { cluster, producer } = setUp({
      onPostFailure: (_error, records) => failures.push(records),
    })
    cluster.respond(apis.produce, (_request, body) => ({
      responses: body.topicData.map(({ name, topicId, partitionData }) => ({
        name,
        topicId,
        partitionResponses: partitionData.map(({ index }) => ({
          index,
          errorCode: 29,
          baseOffset: -1,
        })),
      })),
    }))
    producer.post('t', { value: 'a' })
    producer.post('t', { value: 'b' })
    await producer.flush()
    expect(failures).toEqual([{ topic: 't', partition: 0, count: 2 }])
  })
})

describe('asynchronous schemas', () => {
  /** Takes numbers, the larger the later: results come in reverse. */
  function slowSchema(clock: ManualClock): StandardSchemaV1<number> {
    return {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (value) =>
          new Promise((resolve) =>
            clock.setTimer(100 - (value as number), () =>
              resolve(
                value === 13 ? { issues: [{ message: 'unlucky' }] } : { value: value as number },
              ),
            ),
          ),
      },
    }
  }

  test('keep the order of the calls, and a refused record does not hold up the rest', async () => {
    const { cluster, clock, producer } = setUp()
    const numbers = defineTopic('t', { value: slowSchema(clock) })
    const sends = [1, 13, 50, 99].map((value) => producer.send(numbers, { value }))
    const outcomes = Promise.allSettled(sends)
    await clock.advance(200)
    expect((await outcomes).map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
    ])
    await expect(sends[1]).rejects.toMatchObject({
      code: 'KFK_CLIENT_INVALID_DATA',
      message: expect.stringContaining('unlucky'),
    })
    expect(cluster.partition('t', 0).values()).toEqual(['1', '50', '99'])
  })
})

describe('close', () => {
  test('delivers what is left, then refuses; twice is once', async () => {
    const { cluster, client, producer } = setUp({ lingerMs: 10_000 })
    const sent = producer.send('t', { value: 'a' })
    await Promise.all([producer.close(), producer.close()])
    await sent
    await expect(producer.send('t', { value: 'b' })).rejects.toMatchObject({
      code: 'KFK_CLIENT_CLOSED',
    })
    expect(cluster.partition('t', 0).values()).toEqual(['a'])
    await expect(client.metadata.topic('t')).resolves.toBeDefined()
    await client.close()
  })

  test('leaves no timer behind', async () => {
    const { clock, client, producer } = setUp()
    await producer.send('t', { value: 'a' })
    await producer.close()
    await client.close()
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('options', () => {
  test.each([
    [{ acks: 1, idempotent: true }, 'idempotent'],
    [{ acks: 2 as never }, 'acks'],
    [{ lingerMs: -1 }, 'lingerMs'],
    [{ bufferBytes: 0 }, 'bufferBytes'],
  ] as const)('%j is refused', (settings, text) => {
    expect(() => setUp(settings)).toThrow(text)
  })

  test('a record above maxRequestBytes is refused before it is sent', async () => {
    const { cluster, producer } = setUp({ maxRequestBytes: 1000 })
    await expect(producer.send('t', { value: 'x'.repeat(1001) })).rejects.toMatchObject({
      kafkaName: 'MESSAGE_TOO_LARGE',
    })
    expect(produceRequests(cluster)).toBe(0)
  })
})
