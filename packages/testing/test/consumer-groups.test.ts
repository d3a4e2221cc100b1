import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createBroker, type Broker } from '@kfk/broker'
import { createAdmin } from '@kfk/client'
import {
  createConsumer,
  kafkajsRoundRobinAssignor,
  rangeAssignor,
  type Assignor,
  type Consumer,
  type TopicPartition,
} from '@kfk/consumer'
import { createProducer } from '@kfk/producer'
import { Kafka, logLevel } from 'kafkajs'
import { Condition } from './condition'

const config = {
  'group.initial.rebalance.delay.ms': '0',
  'group.min.session.timeout.ms': '500',
  'offsets.topic.num.partitions': '3',
}

const name = ({ topic, partition }: TopicPartition): string => `${topic}-${partition}`

describe('consumer groups on our own broker', () => {
  let dataDir: string
  let broker: Broker
  const cleanUp: (() => Promise<unknown>)[] = []

  beforeEach(async () => {
    dataDir = fs.mkdtempSync(path.join(os.tmpdir(), 'kfk-groups-'))
    broker = await createBroker({ dataDir, port: 0, config })
  })

  afterEach(async () => {
    for (const step of cleanUp.splice(0)) await step()
    await broker.close()
    fs.rmSync(dataDir, { recursive: true })
  })

  async function createTopic(topic: string, partitions: number): Promise<void> {
    await using admin = createAdmin({ broker })
    await admin.createTopics([{ name: topic, partitions }])
  }

  /** Values from..to, spread over the partitions by key. */
  async function fill(topic: string, from: number, to: number): Promise<void> {
    await using producer = createProducer({ brokers: broker.brokers })
    const records = Array.from({ length: to - from }, (_, index) => ({
      key: `k${(from + index) % 97}`,
      value: String(from + index),
      timestamp: 1_000_000 + from + index,
    }))
    await producer.send(topic, records)
  }

  interface Member {
    readonly consumer: Consumer<string>
    readonly done: Promise<void>
    readonly events: string[]
  }

  /** Members that note what they read, and how often. */
  class Group {
    readonly state = new Condition()
    readonly seen = new Map<string, number>()
    readonly #id: string
    readonly #topic: string
    readonly #assignors: readonly Assignor[] | undefined

    constructor(id: string, topic: string, assignors?: readonly Assignor[]) {
      this.#id = id
      this.#topic = topic
      this.#assignors = assignors
    }

    /** `sessionTimeoutMs`: after this long without a word it counts as dead. */
    join(sessionTimeoutMs = 60_000): Member {
      const events: string[] = []
      const note = (what: string) => (partitions: readonly TopicPartition[]) => {
        for (const each of partitions) events.push(`${what}${each.partition}`)
        this.state.changed()
      }
      const consumer = createConsumer({
        brokers: broker.brokers,
        retry: { initialMs: 20, maxMs: 100 },
        group: this.#id,
        topics: [this.#topic],
        from: 'earliest',
        sessionTimeoutMs,
        heartbeatIntervalMs: 100,
        rebalanceTimeoutMs: 60_000,
        rebalance: { assigned: note('+'), revoked: note('-'), lost: note('!') },
        ...(this.#assignors && { assignors: this.#assignors }),
      })
      const done = consumer.run(({ value }) => this.saw(Buffer.from(value!).toString()))
      done.catch(() => undefined)
      cleanUp.push(() => consumer.close())
      return { consumer, done, events }
    }

    saw(value: string): void {
      this.seen.set(value, (this.seen.get(value) ?? 0) + 1)
      this.state.changed()
    }

    hasSeen(count: number): Promise<void> {
      return this.state.is(() => this.seen.size >= count)
    }

    shares(...members: { member: Member; size: number }[]): Promise<void> {
      return this.state.is(() =>
        members.every(({ member, size }) => member.consumer.assignment().length === size),
      )
    }
  }

  test('members come and go: everything is read once, nothing is owned twice', async () => {
    await createTopic('t', 6)
    await fill('t', 0, 300)
    const group = new Group('g', 't')
    const a = group.join()
    await group.hasSeen(300)
    const [b, c] = [group.join(), group.join()]
    await group.shares({ member: a, size: 2 }, { member: b, size: 2 }, { member: c, size: 2 })
    await fill('t', 300, 600)
    await group.hasSeen(600)
    await a.consumer.close()
    await group.shares({ member: b, size: 3 }, { member: c, size: 3 })
    await fill('t', 600, 900)
    await group.hasSeen(900)
    const owned = [b, c].flatMap(({ consumer }) => consumer.assignment().map(name))
    expect(new Set(owned).size).toBe(6)
    await Promise.all([b, c].map(({ consumer }) => consumer.close()))
    await Promise.all([a, b, c].map(({ done }) => done))
    expect([...group.seen.values()].every((times) => times === 1)).toBe(true)
  })

  test('cooperative-sticky moves only what must move', async () => {
    await createTopic('t', 6)
    const group = new Group('g', 't')
    const a = group.join()
    await group.shares({ member: a, size: 6 })
    const b = group.join()
    await group.shares({ member: a, size: 3 }, { member: b, size: 3 })
    const c = group.join()
    await group.shares({ member: a, size: 2 }, { member: b, size: 2 }, { member: c, size: 2 })
    await c.consumer.close()
    await group.shares({ member: a, size: 3 }, { member: b, size: 3 })
    const moves = (member: Member, what: string): number =>
      member.events.filter((event) => event.startsWith(what)).length
    expect([moves(a, '+'), moves(a, '-')]).toEqual([7, 4])
    expect([moves(b, '+'), moves(b, '-')]).toEqual([4, 1])
    expect([moves(c, '+'), moves(c, '-')]).toEqual([2, 2])
  })

  test('a member that dies: another one goes on from what was committed', async () => {
    await createTopic('t', 4)
    await fill('t', 0, 400)
    const group = new Group('g', 't')
    const [a, b] = [group.join(4000), group.join()]
    await group.hasSeen(400)
    await group.shares({ member: a, size: 2 }, { member: b, size: 2 })
    await a.consumer.commit()
    await b.consumer.commit()
    await a.consumer.destroy()
    await group.shares({ member: b, size: 4 })
    await fill('t', 400, 600)
    await group.hasSeen(600)
    expect([...group.seen.values()].every((times) => times === 1)).toBe(true)
    expect(b.events.filter((event) => event.startsWith('!'))).toEqual([])
  })

  test.each([
    ['cooperative-sticky', undefined],
    ['range', [rangeAssignor]],
  ])(
    'the broker restarts in the middle (%s): no record is lost, offsets stay',
    async (_, assignors) => {
      await createTopic('t', 4)
      await fill('t', 0, 300)
      const group = new Group('g', 't', assignors)
      const members = [group.join(), group.join()]
      await group.hasSeen(300)
      for (const { consumer } of members) await consumer.commit()
      const { port } = broker
      await broker.close()
      broker = await createBroker({ dataDir, port, config })
      await fill('t', 300, 600)
      await group.hasSeen(600)
      for (const { consumer, done } of members) {
        await consumer.close()
        await done
      }
      await using admin = createAdmin({ broker }) as ReturnType<typeof createAdmin> &
        AsyncDisposable
      const offsets = await admin.listGroupOffsets('g')
      expect(offsets.reduce((sum, { offset }) => sum + Number(offset), 0)).toBe(600)
      expect([...group.seen.values()].every((times) => times === 1)).toBe(true)
    },
  )

  test('a kafkajs member and ours share a topic', async () => {
    await createTopic('t', 6)
    const group = new Group('g', 't', [kafkajsRoundRobinAssignor])
    const js = new Kafka({ brokers: [...broker.brokers], logLevel: logLevel.NOTHING })
    const stranger = js.consumer({ groupId: 'g', heartbeatInterval: 100, sessionTimeout: 60_000 })
    await stranger.connect()
    await stranger.subscribe({ topics: ['t'], fromBeginning: true })
    let share = -1
    stranger.on('consumer.group_join', ({ payload }) => {
      share = payload.memberAssignment.t?.length ?? 0
      group.state.changed()
    })
    await stranger.run({
      eachMessage: async ({ message }) => group.saw(message.value!.toString()),
    })
    await group.state.is(() => share === 6)
    const ours = group.join()
    await group.state.is(() => share === 3 && ours.consumer.assignment().length === 3)
    await fill('t', 0, 600)
    await group.hasSeen(600)
    await stranger.disconnect()
    await group.shares({ member: ours, size: 6 })
    await fill('t', 600, 900)
    await group.hasSeen(900)
    await ours.consumer.close()
    expect([...group.seen.values()].every((times) => times === 1)).toBe(true)
  })

  test('a static member restarts without a rebalance', async () => {
    await createTopic('t', 4)
    const state = new Condition()
    const changed = (): void => state.changed()
    const join = (groupInstanceId: string): Consumer<string> => {
      const consumer = createConsumer({
        brokers: broker.brokers,
        group: 'fixed',
        groupInstanceId,
        topics: ['t'],
        heartbeatIntervalMs: 100,
        rebalance: { assigned: changed, revoked: changed },
      })
      cleanUp.push(() => consumer.close())
      void consumer.start()
      return consumer
    }
    const [a, b] = [join('a'), join('b')] as const
    await state.is(() => [a, b].every((each) => each.assignment().length === 2))
    const { generation } = a.membership!
    const kept = b.assignment()
    await b.close()
    const again = join('b')
    await state.is(() => again.assignment().length === 2)
    expect(again.assignment()).toEqual(kept)
    expect(a.membership!.generation).toBe(generation)
  })

  test('lag, seek, and reading from a time', async () => {
    await createTopic('t', 1)
    await fill('t', 0, 100)
    const t0 = { topic: 't', partition: 0 }
    await using consumer = createConsumer({
      brokers: broker.brokers,
      topics: ['t'],
      from: { timestamp: 1_000_040 },
    })
    const read = async (count: number): Promise<string[]> => {
      const values: string[] = []
      for await (const { value } of consumer) {
        values.push(Buffer.from(value!).toString())
        if (values.length === count) break
      }
      return values
    }
    expect(await read(3)).toEqual(['40', '41', '42'])
    expect(consumer.lag()).toEqual([{ ...t0, position: 42n, highWatermark: 100n, lag: 58n }])
    consumer.seek(t0, 98n)
    expect(await read(2)).toEqual(['98', '99'])
    expect(consumer.position(t0)).toBe(99n)
  })

  test('partitions(): one loop for each, ending when the partition goes to another member', async () => {
    await createTopic('t', 4)
    await fill('t', 0, 200)
    const state = new Condition()
    const running = new Set<number>()
    let count = 0
    const options = {
      brokers: broker.brokers,
      group: 'g',
      topics: ['t'],
      from: 'earliest',
      heartbeatIntervalMs: 100,
    } as const
    await using a = createConsumer(options)
    const reading = (async () => {
      for await (const partition of a.partitions()) {
        void (async () => {
          running.add(partition.partition)
          state.changed()
          for await (const record of partition) {
            expect(record.partition).toBe(partition.partition)
            count += 1
            state.changed()
          }
          running.delete(partition.partition)
          state.changed()
        })()
      }
    })()
    await state.is(() => count === 200 && running.size === 4)
    const b = createConsumer(options)
    await b.start()
    await state.is(() => running.size === 2)
    await b.close()
    await state.is(() => running.size === 4)
    await a.close()
    await reading
    expect(count).toBe(200)
  })
})
