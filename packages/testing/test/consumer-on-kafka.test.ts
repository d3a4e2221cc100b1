import { Kafka, logLevel } from 'kafkajs'
import { createConsumer, rangeAssignor, type ConsumerRecord } from '@kfk/consumer'
import { peers, startJavaKafka, withPeer, type JavaKafka } from '../src/index'

withPeer(peers.kafka(), 'our consumer on a real Kafka', () => {
  let kafka: JavaKafka
  let js: Kafka
  beforeAll(async () => {
    kafka = await startJavaKafka({ 'num.partitions': '4', 'group.min.session.timeout.ms': '1000' })
    js = new Kafka({ brokers: [kafka.bootstrap], logLevel: logLevel.NOTHING })
  }, 60_000)
  afterAll(() => kafka.stop())

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

  test('reads a topic alone, from the start, in order within each partition', async () => {
    await fill('alone', 0, 1000)
    await using consumer = createConsumer({ brokers: kafka.bootstrap, topics: ['alone'], from: 'earliest' })
    const seen: string[] = []
    const offsets = new Map<number, bigint>()
    for await (const record of consumer) {
      expect(record.offset).toBe((offsets.get(record.partition) ?? -1n) + 1n)
      offsets.set(record.partition, record.offset)
      seen.push(text(record))
      if (seen.length === 1000) break
    }
    expect(new Set(seen).size).toBe(1000)
  }, 30_000)

  test('commits what was processed, and a successor goes on from there', async () => {
    await fill('handed-over', 0, 200)
    const options = { brokers: kafka.bootstrap, group: 'g1', topics: ['handed-over'], from: 'earliest' } as const
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
  }, 30_000)

  test.each([['cooperative-sticky', undefined], ['range', [rangeAssignor]]])(
    'members come and go (%s): every record is read, nothing is owned twice',
    async (name, assignors) => {
      const topic = `shared-${name}`
      await fill(topic, 0, 500)
      const seen = new Map<string, number>()
      let notify: () => void = () => undefined
      const member = () => {
        const consumer = createConsumer({
          brokers: kafka.bootstrap,
          group: `group-${name}`,
          topics: [topic],
          from: 'earliest',
          sessionTimeoutMs: 3000,
          heartbeatIntervalMs: 100,
          ...(assignors && { assignors }),
        })
        const done = consumer.run((record) => {
          seen.set(text(record), (seen.get(text(record)) ?? 0) + 1)
          notify()
        })
        return { consumer, done }
      }
      const until = (condition: () => boolean) =>
        new Promise<void>((resolve) => {
          notify = () => condition() && resolve()
          notify()
        })
      const a = member()
      await until(() => seen.size >= 500)
      const b = member()
      const shared = until(() => seen.size >= 1000)
      await new Promise<void>((resolve) => {
        const look = setInterval(() => {
          if (b.consumer.assignment().length === 2 && a.consumer.assignment().length === 2) {
            clearInterval(look)
            resolve()
          }
        }, 20)
      })
      await fill(topic, 500, 1000)
      await shared
      await a.consumer.close()
      await a.done
      const rest = until(() => seen.size >= 1200)
      await fill(topic, 1000, 1200)
      await rest
      await b.consumer.close()
      await b.done
      expect([...seen.values()].every((times) => times === 1)).toBe(true)
    },
    60_000,
  )
})
