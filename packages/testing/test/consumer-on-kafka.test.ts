import { Kafka, logLevel } from 'kafkajs'
import { createConsumer, rangeAssignor, type ConsumerRecord } from '@kfk/consumer'
import { peers, startJavaKafka, withPeer, type JavaKafka } from '../src/index'
import { Condition } from './condition'

withPeer(peers.kafka(), 'our consumer on a real Kafka', () => {
  let kafka: JavaKafka
  let js: Kafka
  beforeAll(async () => {
    kafka = await startJavaKafka({ 'num.partitions': '4', 'group.min.session.timeout.ms': '1000' })
    js = new Kafka({ brokers: [kafka.bootstrap], logLevel: logLevel.NOTHING })
  })
  afterAll(() => kafka.stop())

  /** Before the first record: kafkajs may send records twice while a new topic has no leaders. */
  async function createTopic(topic: string): Promise<void> {
    const admin = js.admin()
    await admin.connect()
    await admin.createTopics({ topics: [{ topic, numPartitions: 4 }], waitForLeaders: true })
    await admin.disconnect()
  }

  async function fill(topic: string, from: number, to: number): Promise<void> {
    const producer = js.producer()
    await producer.connect()
    const messages = Array.from({ length: to - from }, (_, index) => ({
      key: `k${(from + index) % 50}`,
      value: `v${from + index}`,
      headers: { h: String(index) },
    }))
    await producer.send({ topic, messages })
    await producer.disconnect()
  }

  const text = (record: ConsumerRecord): string => Buffer.from(record.value!).toString()

  test('read_committed gives neither aborted nor open transactions, in every loop', async () => {
    await createTopic('transactions')
    const producer = js.producer({
      transactionalId: 'tx',
      idempotent: true,
      maxInFlightRequests: 1,
    })
    await producer.connect()
    const send = async (end: 'commit' | 'abort', values: string[]): Promise<void> => {
      const transaction = await producer.transaction()
      for (const value of values) {
        // A batch each: aborted ones lie between others.
        await transaction.send({ topic: 'transactions', messages: [{ value, partition: 0 }] })
      }
      await transaction[end]()
    }
    for (let round = 0; round < 5; round++) {
      await send('commit', [`c${round}a`, `c${round}b`])
      await send('abort', [`x${round}a`, `x${round}b`, `x${round}c`])
    }
    await send('commit', ['last'])
    const open = await producer.transaction()
    await open.send({ topic: 'transactions', messages: [{ value: 'open', partition: 0 }] })
    const committed = [0, 1, 2, 3, 4].flatMap((round) => [`c${round}a`, `c${round}b`])
    const settings = {
      ...{
        brokers: kafka.bootstrap,
        from: 'earliest' as const,
        isolation: 'read_committed' as const,
      },
      assignment: [{ topic: 'transactions', partition: 0 }],
    }
    {
      await using consumer = createConsumer(settings)
      const seen: string[] = []
      for await (const record of consumer) {
        seen.push(text(record))
        if (text(record) === 'last') break
      }
      expect(seen).toEqual([...committed, 'last'])
    }
    {
      await using consumer = createConsumer({ ...settings, partitionMaxBytes: 1 })
      const seen: string[] = []
      const stop = new AbortController()
      const run = consumer.runBatches(
        (batch) => {
          for (const { value } of batch) seen.push(Buffer.from(value!).toString())
          if (seen.includes('last')) stop.abort()
        },
        { signal: stop.signal },
      )
      await expect(run).rejects.toMatchObject({ code: 'KFK_CLIENT_ABORTED' })
      expect(seen).toEqual([...committed, 'last'])
    }
    await open.commit()
    await producer.disconnect()
    await using everything = createConsumer({ ...settings, isolation: 'read_uncommitted' })
    const all: string[] = []
    for await (const record of everything) {
      all.push(text(record))
      if (text(record) === 'open') break
    }
    expect(all).toHaveLength(5 * 5 + 2)
  })

  test('reads a topic alone, from the start, in order within each partition', async () => {
    await createTopic('alone')
    await fill('alone', 0, 1000)
    await using consumer = createConsumer({
      brokers: kafka.bootstrap,
      topics: ['alone'],
      from: 'earliest',
    })
    const seen: string[] = []
    const offsets = new Map<number, bigint>()
    for await (const record of consumer) {
      expect(record.offset).toBe((offsets.get(record.partition) ?? -1n) + 1n)
      offsets.set(record.partition, record.offset)
      seen.push(text(record))
      if (seen.length === 1000) break
    }
    expect(new Set(seen).size).toBe(1000)
  })

  test('commits what was processed, and a successor goes on from there', async () => {
    await createTopic('handed-over')
    await fill('handed-over', 0, 200)
    const options = {
      brokers: kafka.bootstrap,
      group: 'g1',
      topics: ['handed-over'],
      from: 'earliest',
    } as const
    const seen: string[] = []
    {
      await using first = createConsumer({ ...options })
      for await (const record of first) {
        seen.push(text(record))
        if (seen.length === 100) break
      }
    }
    await using second = createConsumer({ ...options })
    for await (const record of second) {
      seen.push(text(record))
      // The record at which the first one stopped was not processed: it comes again.
      if (seen.length === 201) break
    }
    expect(new Set(seen).size).toBe(200)
  })

  test.each([
    ['cooperative-sticky', undefined],
    ['range', [rangeAssignor]],
  ])(
    'members come and go (%s): every record is read, nothing is owned twice',
    async (name, assignors) => {
      const topic = `shared-${name}`
      await createTopic(topic)
      await fill(topic, 0, 500)
      const seen = new Map<string, number>()
      const state = new Condition()
      const changed = () => state.changed()
      const member = () => {
        const consumer = createConsumer({
          brokers: kafka.bootstrap,
          group: `group-${name}`,
          topics: [topic],
          from: 'earliest',
          sessionTimeoutMs: 30_000,
          heartbeatIntervalMs: 100,
          rebalance: { assigned: changed, revoked: changed },
          ...(assignors && { assignors }),
        })
        const done = consumer.run((record) => {
          seen.set(text(record), (seen.get(text(record)) ?? 0) + 1)
          state.changed()
        })
        return { consumer, done }
      }
      const a = member()
      await state.is(() => seen.size >= 500)
      const b = member()
      await state.is(() => [a, b].every(({ consumer }) => consumer.assignment().length === 2))
      await fill(topic, 500, 1000)
      await state.is(() => seen.size >= 1000)
      await a.consumer.close()
      await a.done
      await fill(topic, 1000, 1200)
      await state.is(() => seen.size >= 1200)
      await b.consumer.close()
      await b.done
      expect([...seen.values()].every((times) => times === 1)).toBe(true)
    },
  )

  test('a static member restarts without a rebalance; a duplicate is told so', async () => {
    await createTopic('fixed')
    const state = new Condition()
    const events: string[] = []
    const member = (groupInstanceId: string) => {
      const note = (what: string) => (partitions: readonly unknown[]) => {
        events.push(`${groupInstanceId} ${what} ${partitions.length}`)
        state.changed()
      }
      const consumer = createConsumer({
        brokers: kafka.bootstrap,
        group: 'fixed-members',
        groupInstanceId,
        topics: ['fixed'],
        sessionTimeoutMs: 60_000,
        heartbeatIntervalMs: 100,
        rebalance: { assigned: note('+'), revoked: note('-'), lost: note('lost') },
      })
      return { consumer, done: consumer.run(() => undefined) }
    }
    const a = member('a')
    await state.is(() => a.consumer.assignment().length === 4)
    const b = member('b')
    await state.is(() => [a, b].every(({ consumer }) => consumer.assignment().length === 2))
    const kept = b.consumer.assignment()
    const generation = a.consumer.membership!.generation
    await b.consumer.close()
    await b.done
    const again = member('b')
    await state.is(() => again.consumer.assignment().length === 2)
    expect(again.consumer.assignment()).toEqual(kept)
    expect(a.consumer.membership!.generation).toBe(generation)

    const twin = member('b')
    await expect(again.done).rejects.toMatchObject({
      code: 'KFK_CLIENT_SERVER',
      kafkaName: 'FENCED_INSTANCE_ID',
      message: expect.stringContaining('groupInstanceId "b"'),
    })
    await Promise.all([a, again, twin].map(({ consumer }) => consumer.close()))
    await Promise.all([a.done, twin.done])
    expect(events.filter((event) => event.startsWith('a -'))).toEqual(['a - 2', 'a - 2'])
  })
})
