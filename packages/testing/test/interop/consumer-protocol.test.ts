// Groups of the consumer protocol (KIP-848): Java's and librdkafka's members, and Kafka's own tools.
import path from 'node:path'
import { createAdmin } from '@kfk/client'
import { createProducer } from '@kfk/producer'
import {
  eventually,
  javaTool,
  peers,
  peersDir,
  startInteropBroker,
  startJavaTool,
  startProcess,
  withPeer,
  type InteropBroker,
  type RunningProcess,
} from '../../src/index'

const confluentDir = path.join(peersDir, 'confluent-kafka')

/** A member by confluent-kafka (librdkafka): prints its partitions and records. */
const pythonMember = `
import sys
from confluent_kafka import Consumer
consumer = Consumer({
    'bootstrap.servers': sys.argv[1], 'group.id': sys.argv[2], 'group.protocol': 'consumer',
    'auto.offset.reset': 'earliest', 'enable.auto.commit': True, 'auto.commit.interval.ms': 100,
})
consumer.subscribe([sys.argv[3]])
while True:
    message = consumer.poll(0.2)
    if message is not None and not message.error():
        print('value', message.value().decode(), flush=True)
`

let broker: InteropBroker
const running: RunningProcess[] = []
beforeAll(async () => {
  // Members learn of changes with their heartbeats: often, so that the test takes no longer.
  broker = await startInteropBroker({
    'group.consumer.heartbeat.interval.ms': '200',
    // Kafka has a bound for it.
    ...(process.env.KFK_INTEROP === 'kafka' && {
      'group.consumer.min.heartbeat.interval.ms': '200',
    }),
  })
})
afterEach(async () => {
  await Promise.all(running.splice(0).map((process) => process.stop('SIGKILL')))
})
afterAll(() => broker.stop())

async function java(group: string, topic: string): Promise<RunningProcess> {
  const started = await startJavaTool('org.apache.kafka.tools.VerifiableConsumer', [
    ...['--bootstrap-server', broker.bootstrap, '--topic', topic, '--group-id', group],
    ...['--group-protocol', 'consumer', '--reset-policy', 'earliest', '--verbose'],
  ])
  running.push(started)
  return started
}

function python(group: string, topic: string): RunningProcess {
  const env = { ...process.env, PYTHONPATH: confluentDir }
  const args = ['-c', pythonMember, broker.bootstrap, group, topic]
  const started = startProcess('python3', args, { env })
  running.push(started)
  return started
}

const javaValues = (member: RunningProcess): string[] =>
  [...member.output().matchAll(/"record_data".*"value":"(\w+)"/g)].map((match) => match[1]!)
const pythonValues = (member: RunningProcess): string[] =>
  [...member.output().matchAll(/^value (\w+)$/gm)].map((match) => match[1]!)

async function createTopic(name: string): Promise<void> {
  await using admin = createAdmin({ brokers: broker.bootstrap })
  await admin.createTopics([{ name, partitions: 6 }])
}

async function send(topic: string, prefix: string): Promise<void> {
  await using producer = createProducer({ brokers: broker.bootstrap })
  const records = Array.from({ length: 120 }, (_, n) => ({
    ...{ value: `${prefix}${n}`, partition: n % 6 },
  }))
  await producer.send(topic, records)
}

/** What kafka-consumer-groups prints, its lines as words. */
async function groups(...args: string[]): Promise<string[][]> {
  const { stdout } = await javaTool('org.apache.kafka.tools.consumer.group.ConsumerGroupCommand', [
    '--bootstrap-server',
    broker.bootstrap,
    ...args,
  ])
  const lines = stdout.split('\n')
  return lines.filter((line) => line.trim() !== '').map((line) => line.trim().split(/\s+/))
}

withPeer(peers.kafka(), 'Java members', () => {
  test('divide the partitions, take over from each other, and are described', async () => {
    await createTopic('shared')
    const first = await java('shared', 'shared')
    await send('shared', 'a')
    await eventually('all records', () => javaValues(first).length === 120 || undefined)
    const second = await java('shared', 'shared')
    await eventually('two with three partitions', async () => {
      const members = await groups('--describe', '--group', 'shared', '--members')
      const shares = members.slice(1).map((words) => words.at(-1))
      return (shares.length === 2 && shares.every((share) => share === '3')) || undefined
    })
    await send('shared', 'b')
    const both = (): string[] => [...javaValues(first), ...javaValues(second)]
    await eventually('the records of both', () => both().length >= 240 || undefined)
    expect(new Set(both()).size).toBe(240)
    expect(both()).toHaveLength(240)
    const [header, row] = await groups('--describe', '--group', 'shared', '--state')
    expect(header!.join(' ')).toMatch(/STATE #MEMBERS$/)
    expect(row!.slice(-3)).toEqual(['uniform', 'Stable', '2'])
    expect(await groups('--list', '--type', 'consumer')).toContainEqual(['shared', 'Consumer'])
    await first.stop('SIGTERM')
    await send('shared', 'c')
    await eventually('the records of the second', () => {
      return javaValues(second).filter((value) => value.startsWith('c')).length === 120 || undefined
    })
    await second.stop('SIGTERM')
    await eventually('the group to be empty', async () => {
      const rows = await groups('--list', '--state', 'empty')
      return rows.some(([name]) => name === 'shared') || undefined
    })
    const lags = await groups('--describe', '--group', 'shared')
    expect(lags.slice(-6).map((words) => words.slice(0, 6).join(' '))).toEqual(
      [0, 1, 2, 3, 4, 5].map((index) => `shared shared ${index} 60 60 0`),
    )
    const deleted = await groups('--delete', '--group', 'shared')
    expect(deleted.join(' ')).toMatch(/successful/)
  })

  withPeer(peers.python('confluent_kafka', confluentDir), 'with librdkafka', () => {
    test('share with members by librdkafka', async () => {
      await createTopic('mixed')
      const first = python('mixed', 'mixed')
      await send('mixed', 'a')
      await eventually('all records', () => pythonValues(first).length === 120 || undefined)
      const second = await java('mixed', 'mixed')
      await eventually('three partitions each', async () => {
        const members = await groups('--describe', '--group', 'mixed', '--members')
        const shares = members.slice(1).map((words) => words.at(-1))
        return (shares.length === 2 && shares.every((share) => share === '3')) || undefined
      })
      await send('mixed', 'b')
      const all = (): string[] => [...pythonValues(first), ...javaValues(second)]
      await eventually('the records of both', () => new Set(all()).size === 240 || undefined)
      expect(all()).toHaveLength(240)
    })
  })
})
