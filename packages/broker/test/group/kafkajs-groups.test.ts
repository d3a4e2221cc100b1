import { type Consumer, Kafka, logLevel } from 'kafkajs'
import { eventually } from '@kfk/testing'
import type { Broker } from '../../src/index.js'
import { Harness } from '../harness.js'

/** kafkajs consumer groups against a broker with sockets and files. */
class Groups {
  readonly harness = new Harness()
  readonly consumers: Consumer[] = []
  readonly seen: { consumer: number; partition: number; value: string }[] = []
  readonly joins: { consumer: number; memberId: string; partitions: readonly number[] }[] = []
  broker!: Broker
  dataDir!: string
  kafka!: Kafka
  #wake: () => void = () => undefined

  async start(): Promise<void> {
    this.dataDir = await this.harness.directory()
    this.broker = await this.harness.broker({ dataDir: this.dataDir })
    this.kafka = new Kafka({
      clientId: 'groups',
      brokers: [...this.broker.brokers],
      logLevel: logLevel.NOTHING,
      retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 50 },
    })
    const admin = this.kafka.admin()
    await admin.connect()
    await admin.createTopics({
      topics: [{ topic: 'activity', numPartitions: 4 }],
      waitForLeaders: true,
    })
    await admin.disconnect()
  }

  async consume(): Promise<Consumer> {
    const index = this.consumers.length
    const consumer = this.kafka.consumer({
      groupId: 'readers',
      sessionTimeout: 10_000,
      heartbeatInterval: 200,
      rebalanceTimeout: 10_000,
      maxWaitTimeInMs: 100,
      retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 50 },
    })
    this.consumers.push(consumer)
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      const partitions = payload.memberAssignment['activity'] ?? []
      this.joins.push({ consumer: index, memberId: payload.memberId, partitions })
      this.#wake()
    })
    await consumer.connect()
    await consumer.subscribe({ topic: 'activity', fromBeginning: true })
    await consumer.run({
      autoCommitThreshold: 1,
      eachMessage: async ({ partition, message }) => {
        this.seen.push({ consumer: index, partition, value: message.value!.toString() })
        this.#wake()
      },
    })
    return consumer
  }

  async produce(...values: string[]): Promise<void> {
    const producer = this.kafka.producer()
    await producer.connect()
    const messages = values.map((value, index) => ({ value, partition: index % 4 }))
    await producer.send({ topic: 'activity', messages })
    await producer.disconnect()
  }

  /** The partitions that each consumer has now. */
  assigned(consumer: number): readonly number[] {
    return this.joins.findLast((join) => join.consumer === consumer)?.partitions ?? []
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => (this.#wake = resolve))
  }

  async describe() {
    const admin = this.kafka.admin()
    await admin.connect()
    const { groups } = await admin.describeGroups(['readers'])
    const offsets = await admin.fetchOffsets({ groupId: 'readers', topics: ['activity'] })
    await admin.disconnect()
    const committed = offsets[0]!.partitions.map(({ offset }) => Number(offset))
    return { state: groups[0]!.state, members: groups[0]!.members, committed }
  }

  async close(): Promise<void> {
    await Promise.all(this.consumers.map((consumer) => consumer.disconnect()))
    await this.harness.close()
  }
}

let groups: Groups

beforeEach(async () => {
  groups = new Groups()
  await groups.start()
})

afterEach(() => groups.close())

const values = (prefix: string, count = 40) =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}`)

/** The values that were given to some consumer, once or more often. */
function seen(): Set<string> {
  return new Set(groups.seen.map(({ value }) => value))
}

function covered(...consumers: number[]): boolean {
  const all = consumers.flatMap((consumer) => groups.assigned(consumer))
  return (
    all.length === 4 &&
    new Set(all).size === 4 &&
    consumers.every((c) => groups.assigned(c).length > 0)
  )
}

test('members share the partitions, and take over those of one that leaves', async () => {
  await groups.consume()
  await groups.until(() => covered(0))
  const second = await groups.consume()
  await groups.until(() => covered(0, 1))
  await groups.produce(...values('a'))
  await groups.until(() => seen().size >= 40)
  expect(seen()).toEqual(new Set(values('a')))
  expect(new Set(groups.seen.map(({ consumer }) => consumer))).toEqual(new Set([0, 1]))
  await second.disconnect()
  await groups.until(() => groups.assigned(0).length === 4)
  await groups.produce(...values('b'))
  await groups.until(() => seen().size >= 80)
  expect(seen()).toEqual(new Set([...values('a'), ...values('b')]))
})

/*
 * Not that the members are the same: a kafkajs consumer whose connection ends while it fetches may
 * find no broker left in its pool (KafkaJSNoBrokerAvailableError), restarts itself and joins as a
 * new member. What the broker keeps is in restart.test.ts.
 */
test('consumers go on after a restart of the coordinator', async () => {
  await groups.consume()
  await groups.until(() => covered(0))
  await groups.consume()
  await groups.until(() => covered(0, 1))
  await groups.produce(...values('a'))
  await groups.until(() => seen().size >= 40)
  const { port } = groups.broker
  const { dataDir } = groups
  await groups.broker.close()
  groups.broker = await groups.harness.broker({ dataDir, port })
  await groups.produce(...values('b'))
  await groups.until(() => seen().size >= 80)
  expect(seen()).toEqual(new Set([...values('a'), ...values('b')]))
  await eventually('the members are those that joined last', async () => {
    const { state, members } = await groups.describe()
    const joined = [0, 1].map((at) => groups.joins.findLast((j) => j.consumer === at)!.memberId)
    const ids = members.map(({ memberId }) => memberId)
    return state === 'Stable' && ids.sort().join() === joined.sort().join() ? true : undefined
  })
  await eventually('everything is committed', async () => {
    const { committed } = await groups.describe()
    return committed.every((offset) => offset === 20) ? true : undefined
  })
})
