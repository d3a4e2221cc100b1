// Kafka's own transactional producer, its readers of committed records and its tools against our
// broker. KFK_INTEROP=kafka runs the same against Apache Kafka.
import path from 'node:path'
import { createAdmin } from '@kfk/client'
import {
  type InteropBroker,
  javaTool,
  type JavaClient,
  type JavaStep,
  type JavaTools,
  peers,
  peersDir,
  runProcess,
  startInteropBroker,
  startJavaClient,
  startJavaTools,
  withPeer,
} from '../../src/index'

const committedOnly = { 'isolation.level': 'read_committed' }

withPeer(peers.kafka(), "Kafka's transactional clients", () => {
  let broker: InteropBroker
  let java: JavaClient
  beforeAll(async () => {
    broker = await startInteropBroker({
      'transaction.state.log.num.partitions': '5',
      'offsets.topic.num.partitions': '5',
    })
    java = await startJavaClient(() => broker.bootstrap)
  })
  afterAll(async () => {
    await java?.stop()
    await broker?.stop()
  })

  const record = (topic: string, value: string): JavaStep => ({
    topic,
    key: null,
    value: Buffer.from(value).toString('base64'),
  })
  const producer = (transactionalId: string, more: Record<string, string> = {}) => ({
    'transactional.id': transactionalId,
    ...more,
  })
  async function values(topic: string, config = committedOnly): Promise<string[]> {
    const records = await java.consume([topic], config)
    return records.map(({ value }) => Buffer.from(value!, 'base64').toString())
  }

  test('what is committed is read, in order; what is aborted is not', async () => {
    await java.createTopics({ one: {}, two: {} })
    const steps: JavaStep[] = []
    for (let number = 0; number < 30; number++) {
      const verdict = number % 3 === 1 ? 'abort' : 'commit'
      const both = [record('one', `${number} a`), record('two', `${number} b`)]
      steps.push('begin', ...both, ...(number % 2 === 0 ? ['flush' as const] : []), verdict)
    }
    await java.produce(steps, producer('orders'))
    const kept = [...Array(30).keys()].filter((number) => number % 3 !== 1)
    expect(await values('one')).toEqual(kept.map((number) => `${number} a`))
    expect(await values('two')).toEqual(kept.map((number) => `${number} b`))
    const read = await java.consume(['one'], { 'isolation.level': 'read_uncommitted' })
    expect(read).toHaveLength(30)
  })

  test('a producer that has vanished is fenced by the next with its id', async () => {
    await java.createTopics({ heirs: {} })
    await java.produce(
      [
        'begin',
        record('heirs', 'kept'),
        'commit',
        'begin',
        record('heirs', 'lost'),
        'flush',
        'vanish',
      ],
      producer('heir'),
    )
    expect(await values('heirs')).toEqual(['kept'])
    await java.produce(['begin', record('heirs', 'after'), 'commit'], producer('heir'))
    expect(await values('heirs')).toEqual(['kept', 'after'])
  })

  test('TransactionalMessageCopier copies each record once, through aborts', async () => {
    await java.createTopics({ input: {}, output: {} })
    const count = 200
    const input = [...Array(count).keys()].map((number) => record('input', String(number)))
    await java.produce(input)
    const tool = 'org.apache.kafka.tools.TransactionalMessageCopier'
    const copy = async (more: string[]): Promise<void> => {
      const { code, stdout, stderr } = await javaTool(tool, [
        ...['--broker-list', broker.bootstrap, '--transactional-id', 'copier'],
        ...['--input-topic', 'input', '--input-partition', '0', '--output-topic', 'output'],
        ...['--consumer-group', 'copiers', '--transaction-size', '20', '--enable-random-aborts'],
        ...more,
      ])
      expect({ code, stdout, stderr }).toMatchObject({ code: 0 })
    }
    // The second run goes on where the offsets of the first say.
    await copy(['--max-messages', '100', '--use-group-metadata'])
    await copy(['--use-group-metadata', '--group-mode'])
    const copied = await values('output')
    expect(copied).toEqual([...Array(count).keys()].map(String))
  })

  test('the tools list, describe and abort transactions', async () => {
    await java.createTopics({ hanging: {} })
    await java.produce(
      ['begin', record('hanging', 'open'), 'flush', 'vanish'],
      producer('hanger', { 'transaction.timeout.ms': '600000' }),
    )
    const tools: JavaTools = await startJavaTools()
    try {
      const run = async (...args: string[]): Promise<string[]> => {
        const { code, output } = await tools.run('org.apache.kafka.tools.TransactionsCommand', [
          ...['--bootstrap-server', broker.bootstrap],
          ...args,
        ])
        expect({ args, code, output }).toMatchObject({ code: 0 })
        return output.split('\n').filter((line) => line.trim() !== '')
      }
      const listed = await run('list')
      expect(listed.find((line) => line.startsWith('hanger'))).toMatch(/Ongoing/)
      const described = await run('describe', '--transactional-id', 'hanger')
      expect(described.at(-1)).toMatch(/Ongoing.*600000.*hanging-0/)
      const place = ['--topic', 'hanging', '--partition', '0']
      const producers = await run('describe-producers', ...place)
      expect(producers).toHaveLength(2)
      const start = producers[1]!.trim().split(/\s+/).at(-1)!
      expect(start).toBe('0')
      expect(await values('hanging')).toEqual([])
      await run('abort', ...place, '--start-offset', start)
      const after = await run('describe-producers', ...place)
      expect(after[1]!.trim().split(/\s+/).at(-1)).toBe('None')
    } finally {
      await tools.stop()
    }
  })
})

const confluentDir = path.join(peersDir, 'confluent-kafka')

/** Copies a topic in transactions with librdkafka, every third of which it aborts first. */
const copier = `
import sys
from confluent_kafka import Consumer, Producer, TopicPartition
bootstrap = sys.argv[1]
seed = Producer({'bootstrap.servers': bootstrap})
for number in range(30): seed.produce('rd-in', str(number))
seed.flush()
consumer = Consumer({'bootstrap.servers': bootstrap, 'group.id': 'rd', 'enable.auto.commit': False,
  'auto.offset.reset': 'earliest', 'isolation.level': 'read_committed'})
consumer.subscribe(['rd-in'])
producer = Producer({'bootstrap.servers': bootstrap, 'transactional.id': 'rd'})
producer.init_transactions(30)
done, turn = 0, 0
while done < 30:
  message = consumer.poll(10)
  if message is None or message.error(): continue
  turn += 1
  producer.begin_transaction()
  producer.produce('rd-out', message.value())
  place = TopicPartition('rd-in', 0, message.offset() + 1)
  producer.send_offsets_to_transaction([place], consumer.consumer_group_metadata(), 30)
  if turn % 3 == 0:
    producer.abort_transaction(30)
    consumer.seek(TopicPartition('rd-in', 0, message.offset()))
  else:
    producer.commit_transaction(30)
    done += 1
print('committed', consumer.committed([TopicPartition('rd-in', 0)], 30)[0].offset)
consumer.close()
reader = Consumer({'bootstrap.servers': bootstrap, 'group.id': 'rd-reader',
  'auto.offset.reset': 'earliest', 'isolation.level': 'read_committed', 'enable.partition.eof': True})
reader.subscribe(['rd-out'])
values = []
while True:
  message = reader.poll(10)
  if message is None: break
  if message.error(): break
  values.append(int(message.value()))
print('copied', values == list(range(30)), len(values))
reader.close()
`

withPeer(peers.python('confluent_kafka', confluentDir), 'transactions of librdkafka', () => {
  test('a topic is copied exactly once, offsets and all', async () => {
    const broker = await startInteropBroker()
    try {
      await using admin = createAdmin({ brokers: broker.bootstrap })
      const names = ['rd-in', 'rd-out']
      await admin.createTopics(names.map((name) => ({ name, partitions: 1 })))
      const env = { ...process.env, PYTHONPATH: confluentDir }
      const { stdout, stderr } = await runProcess('python3', ['-c', copier, broker.bootstrap], {
        env,
      })
      expect({ stdout, stderr }).toMatchObject({ stdout: 'committed 30\ncopied True 30\n' })
    } finally {
      await broker.stop()
    }
  })
})
