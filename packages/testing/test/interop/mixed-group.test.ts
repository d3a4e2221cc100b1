// One group of members by different makers on our broker: they agree on an assignor that all know.
import { Kafka, logLevel } from 'kafkajs'
import { createAdmin } from '@kfk/client'
import {
  createConsumer,
  kafkajsRoundRobinAssignor,
  rangeAssignor,
  type Assignor,
} from '@kfk/consumer'
import { createProducer } from '@kfk/producer'
import {
  eventually,
  peers,
  startInteropBroker,
  startJavaTool,
  startProcess,
  withPeer,
  type InteropBroker,
} from '../../src/index'

/** Somebody in the group. */
interface Member {
  values(): string[]
  leave(): Promise<unknown>
}

let broker: InteropBroker
const members: Member[] = []
beforeAll(async () => {
  broker = await startInteropBroker()
})
afterEach(async () => {
  await Promise.all(members.splice(0).map((member) => member.leave()))
})
afterAll(() => broker.stop())

function joined(member: Member): Member {
  members.push(member)
  return member
}

function ours(group: string, topic: string, assignor: Assignor): Member {
  const consumer = createConsumer({
    ...{ brokers: broker.bootstrap, group, topics: [topic], from: 'earliest' },
    ...{ assignors: [assignor], heartbeatIntervalMs: 100 },
  })
  const seen: string[] = []
  const done = consumer.run(({ value }) => {
    seen.push(Buffer.from(value!).toString())
  })
  return joined({
    values: () => seen,
    leave: async () => {
      await consumer.close()
      await done
    },
  })
}

async function kafkajs(group: string, topic: string): Promise<Member> {
  const kafka = new Kafka({ brokers: [broker.bootstrap], logLevel: logLevel.NOTHING })
  const consumer = kafka.consumer({ groupId: group, heartbeatInterval: 100, maxWaitTimeInMs: 100 })
  const seen: string[] = []
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    eachMessage: async ({ message }) => {
      seen.push(String(message.value))
    },
  })
  return joined({ values: () => seen, leave: () => consumer.disconnect() })
}

async function java(group: string, topic: string): Promise<Member> {
  const settings = ['--session-timeout', '30000', '--reset-policy', 'earliest', '--verbose']
  const process = await startJavaTool('org.apache.kafka.tools.VerifiableConsumer', [
    ...['--bootstrap-server', broker.bootstrap, '--topic', topic, '--group-id', group, ...settings],
    ...['--assignment-strategy', 'org.apache.kafka.clients.consumer.RangeAssignor'],
  ])
  const values = (): string[] =>
    [...process.output().matchAll(/"record_data".*"value":"(\w+)"/g)].map((match) => match[1]!)
  return joined({ values, leave: () => process.stop('SIGTERM') })
}

function kcat(group: string, topic: string): Member {
  const settings = ['auto.offset.reset=earliest', 'heartbeat.interval.ms=100']
  const process = startProcess('kcat', [
    ...['-b', broker.bootstrap, '-G', group, '-u', '-q', '-f', 'value %s\\n'],
    ...settings.flatMap((setting) => ['-X', setting]),
    topic,
  ])
  const values = (): string[] =>
    [...process.output().matchAll(/^value (\w+)$/gm)].map((match) => match[1]!)
  return joined({ values, leave: () => process.stop('SIGTERM') })
}

async function settled(group: string, count: number): Promise<void> {
  await using admin = createAdmin({ brokers: broker.bootstrap })
  await eventually(`${count} members in ${group}`, async () => {
    const [found] = await admin.describeGroups([group])
    return (found!.state === 'Stable' && found!.members.length === count) || undefined
  })
}

async function createTopic(name: string): Promise<void> {
  await using admin = createAdmin({ brokers: broker.bootstrap })
  await admin.createTopics([{ name, partitions: 6 }])
}

async function send(topic: string, prefix: string): Promise<void> {
  await using producer = createProducer({ brokers: broker.bootstrap })
  const records = Array.from({ length: 120 }, (_, n) => ({
    value: `${prefix}${n}`,
    partition: n % 6,
  }))
  await producer.send(topic, records)
}

const all = (): string[] => members.flatMap((member) => member.values())

const read = (count: number): Promise<true> =>
  eventually(`${count} values`, () => new Set(all()).size >= count || undefined)

test('ours and kafkajs', async () => {
  await createTopic('js')
  const first = ours('js', 'js', kafkajsRoundRobinAssignor)
  await settled('js', 1)
  const second = await kafkajs('js', 'js')
  await settled('js', 2)
  await send('js', 'a')
  await read(120)
  expect([first.values().length, second.values().length]).toEqual([60, 60])
  await first.leave()
  await settled('js', 1)
  await send('js', 'b')
  await read(240)
  expect(all()).toHaveLength(240)
})

withPeer(peers.kafka(), 'with Java', () => {
  withPeer(peers.kcat(), 'and kcat', () => {
    test('ours, Java and kcat', async () => {
      await createTopic('three')
      const group = [ours('three', 'three', rangeAssignor), await java('three', 'three')]
      await settled('three', 2)
      group.push(kcat('three', 'three'))
      await settled('three', 3)
      await send('three', 'a')
      await read(120)
      expect(group.map((member) => member.values().length)).toEqual([40, 40, 40])
      await group[1]!.leave()
      await settled('three', 2)
      await send('three', 'b')
      await read(240)
      await group[0]!.leave()
      await settled('three', 1)
      await send('three', 'c')
      await read(360)
      expect(all()).toHaveLength(360)
    })
  })
})
