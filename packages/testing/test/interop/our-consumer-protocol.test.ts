// Our consumer in groups of the consumer protocol (KIP-848): on our broker, and on real Kafka with
// KFK_INTEROP=kafka.
import { createAdmin } from '@kfk/client'
import { createConsumer, type ConsumerSettings } from '@kfk/consumer'
import { createProducer } from '@kfk/producer'
import { decodeConsumerAssignment } from '@kfk/protocol'
import { eventually, startInteropBroker, type InteropBroker } from '../../src/index'

const anyTwo: unknown[] = [expect.any(Number), expect.any(Number)]

let broker: InteropBroker
const closing: (() => Promise<unknown>)[] = []
beforeAll(async () => {
  const interval = { 'group.consumer.heartbeat.interval.ms': '200' }
  // Kafka has a bound for it.
  const bound = { 'group.consumer.min.heartbeat.interval.ms': '200' }
  const isKafka = process.env.KFK_INTEROP === 'kafka'
  broker = await startInteropBroker({ ...interval, ...(isKafka && bound) })
})
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})
afterAll(() => broker.stop())

/** Reads with a handler and notes what it reads, and what its listener hears. */
function member(group: string, settings: ConsumerSettings<string> = {}) {
  const values: string[] = []
  const events: string[] = []
  const consumer = createConsumer({
    ...{ brokers: broker.bootstrap, group, topics: [group], from: 'earliest' as const },
    ...{ protocol: 'consumer' as const, ...settings },
    rebalance: {
      assigned: (partitions) => void events.push(`+${partitions.length}`),
      revoked: (partitions) => void events.push(`-${partitions.length}`),
      lost: (partitions) => void events.push(`lost ${partitions.length}`),
    },
  })
  const done = consumer.run(({ value }) => void values.push(Buffer.from(value!).toString()))
  done.catch(() => undefined)
  closing.push(() => consumer.close())
  const share = (): number => consumer.assignment().length
  return { consumer, values, events, done, share }
}

async function createTopic(name: string, partitions = 6): Promise<void> {
  await using admin = createAdmin({ brokers: broker.bootstrap })
  await admin.createTopics([{ name, partitions }])
}

async function send(topic: string, prefix: string): Promise<void> {
  await using producer = createProducer({ brokers: broker.bootstrap })
  const records = Array.from({ length: 60 }, (_, n) => ({
    ...{ value: `${prefix}${n}`, partition: n % 6 },
  }))
  await producer.send(topic, records)
}

test('members divide the partitions, and hand them over with what is processed', async () => {
  await createTopic('shared')
  const first = member('shared')
  await send('shared', 'a')
  await eventually('all by the first', () => first.values.length === 60 || undefined)
  expect(first.events).toEqual(['+6'])
  const second = member('shared')
  await eventually('three each', () => (first.share() === 3 && second.share() === 3) || undefined)
  await using admin = createAdmin({ brokers: broker.bootstrap })
  const [described] = await admin.describeGroups(['shared'])
  expect(described).toMatchObject({ state: 'Stable', protocol: 'uniform' })
  const shares = described!.members.map(({ assignment }) => decodeConsumerAssignment(assignment))
  const three = [{ topic: 'shared', partitions: [expect.any(Number), ...anyTwo] }]
  expect(shares.map((share) => share.assignedPartitions)).toEqual([three, three])
  await send('shared', 'b')
  await eventually('all', () => first.values.length + second.values.length === 120 || undefined)
  expect(new Set([...first.values, ...second.values]).size).toBe(120)
  await first.consumer.close()
  await first.done
  await eventually('six', () => second.share() === 6 || undefined)
  await send('shared', 'c')
  const cs = (): number => second.values.filter((value) => value.startsWith('c')).length
  await eventually('the rest by the second', () => cs() === 60 || undefined)
  expect(first.values.length + second.values.length).toBe(180)
  expect(first.events).toEqual(['+6', '-3', '-3'])
  expect(second.consumer.membership).toMatchObject({ generation: expect.any(Number) })
})

test('a slow handler is waited for, and its signal fires', async () => {
  await createTopic('slow', 2)
  let aborted = 0
  const release: (() => void)[] = []
  const consumer = createConsumer({
    ...{ brokers: broker.bootstrap, group: 'slow', topics: ['slow'], from: 'earliest' },
    ...{ protocol: 'consumer' },
  })
  closing.push(() => consumer.close({ timeoutMs: 100 }))
  const done = consumer.run(async (_, { signal }) => {
    await new Promise<void>((resolve) => {
      release.push(resolve)
      signal.addEventListener('abort', () => (aborted += 1))
    })
  })
  done.catch(() => undefined)
  await using producer = createProducer({ brokers: broker.bootstrap })
  await producer.send('slow', [
    { value: 'x', partition: 0 },
    { value: 'y', partition: 1 },
  ])
  await eventually('both in hand', () => release.length === 2 || undefined)
  const second = member('slow')
  await eventually('one is asked back', () => aborted === 1 || undefined)
  expect(second.share()).toBe(0)
  for (const each of release) each()
  await eventually('it is handed over', () => second.share() === 1 || undefined)
  expect(second.values).toEqual([])
})

test('a member that was thought dead stops, and joins again', async () => {
  await createTopic('dead', 2)
  const { consumer, events, share } = member('dead')
  await eventually('two', () => share() === 2 || undefined)
  const { memberId } = consumer.membership!
  await using admin = createAdmin({ brokers: broker.bootstrap })
  await removeMember(memberId)
  await eventually('two again', () => {
    return (events.join() === '+2,lost 2,+2' && share() === 2) || undefined
  })
  expect(await admin.listGroups()).toContainEqual(expect.objectContaining({ groupId: 'dead' }))
})

/** Says goodbye in the name of another. */
async function removeMember(memberId: string): Promise<void> {
  const { createClient } = await import('@kfk/client')
  const { apis } = await import('@kfk/protocol')
  const client = createClient({ brokers: broker.bootstrap })
  const body = { groupId: 'dead', memberId, memberEpoch: -1 }
  await client.request(apis.consumerGroupHeartbeat, body, { group: 'dead' })
  await client.close()
}

test('a static member comes back to what it had', async () => {
  await createTopic('static', 4)
  const first = member('static', { groupInstanceId: 'one' })
  const other = member('static', { groupInstanceId: 'two' })
  await eventually('two each', () => (first.share() === 2 && other.share() === 2) || undefined)
  const had = first.consumer.assignment()
  await first.consumer.close()
  const again = member('static', { groupInstanceId: 'one' })
  await eventually('two again', () => again.share() === 2 || undefined)
  expect(again.consumer.assignment()).toEqual(had)
  expect(other.share()).toBe(2)
  const heard = other.events.length
  await again.consumer.close()
  expect(other.events).toHaveLength(heard)
  const last = member('static', { groupInstanceId: 'one' })
  await eventually('two once more', () => last.share() === 2 || undefined)
  const third = member('static', { groupInstanceId: 'one' })
  await expect(third.done).rejects.toMatchObject({ kafkaName: 'UNRELEASED_INSTANCE_ID' })
})

test("'auto' follows the group", async () => {
  await createTopic('auto')
  const classic = member('auto', { protocol: 'classic' })
  await eventually('six', () => classic.share() === 6 || undefined)
  const auto = member('auto', { protocol: 'auto' })
  await eventually('three each', () => (classic.share() === 3 && auto.share() === 3) || undefined)
})
