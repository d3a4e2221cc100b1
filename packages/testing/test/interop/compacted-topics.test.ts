// Compacted topics from creation to the last reader: made and filled by kafkajs, cleaned by the
// broker's background, read by kafkajs, kcat, Kafka's own consumer and ours. KFK_INTEROP=kafka runs
// the same against Apache Kafka.
import { createClient } from '@kfk/client'
import { apis, batches, decodeRecords } from '@kfk/protocol'
import { Kafka, logLevel, type Admin } from 'kafkajs'
import {
  eventually,
  kcat,
  peers,
  startInteropBroker,
  startJavaTools,
  withPeer,
  type InteropBroker,
} from '../../src/index'

const dayMs = 24 * 3_600_000
/** Every batch begins a segment: its timestamp is that much later. */
const stepMs = 100_000
const common = {
  'segment.ms': '60000',
  'min.cleanable.dirty.ratio': '0.001',
  'file.delete.delay.ms': '0',
}

let broker: InteropBroker
let kafka: Kafka
let admin: Admin
beforeAll(async () => {
  const often = { 'log.cleaner.backoff.ms': '20', 'log.retention.check.interval.ms': '20' }
  broker = await startInteropBroker(often)
  kafka = new Kafka({
    clientId: 'interop',
    brokers: [broker.bootstrap],
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 50, retries: 10 },
  })
  admin = kafka.admin()
  await admin.connect()
})
afterAll(async () => {
  await admin.disconnect()
  await broker.stop()
})

type Config = Readonly<Record<string, string>>
type Entry = readonly [key: string | null, value: string | null]

const entriesOf = (config: Config) =>
  Object.entries(config).map(([name, value]) => ({ name, value }))

async function createTopic(topic: string, config: Config): Promise<void> {
  await admin.createTopics({ topics: [{ topic, configEntries: entriesOf(config) }] })
}

/** kafkajs knows AlterConfigs only, which replaces all that it does not name. */
async function alterTopic(topic: string, name: string, value: string): Promise<void> {
  await using client = createClient({ brokers: broker.bootstrap })
  const configs = [{ name, configOperation: 0, value }]
  const resources = [{ resourceType: 2, resourceName: topic, configs }]
  const { nodeId } = await client.metadata.leader(topic, 0)
  const body = { resources, validateOnly: false }
  const { responses } = await client.request(apis.incrementalAlterConfigs, body, { nodeId })
  expect(responses).toMatchObject([{ errorCode: 0 }])
}

/** Each list is a batch, and a segment. */
async function send(
  topic: string,
  firstTimestamp: number,
  lists: readonly (readonly Entry[])[],
): Promise<void> {
  const producer = kafka.producer({ retry: { retries: 0 } })
  await producer.connect()
  try {
    for (const [index, list] of lists.entries()) {
      const timestamp = `${firstTimestamp + index * stepMs}`
      const messages = list.map(([key, value]) => ({ key, value, timestamp }))
      await producer.send({ topic, messages })
    }
  } finally {
    await producer.disconnect()
  }
}

const lineOf = (offset: number | string, key: Uint8Array | null, value: Uint8Array | null) =>
  `${offset} ${Buffer.from(key!).toString()}=${value === null ? 'null' : Buffer.from(value).toString()}`

async function boundsOf(topic: string): Promise<{ low: number; high: number }> {
  const [partition] = await admin.fetchTopicOffsets(topic)
  return { low: Number(partition!.low), high: Number(partition!.high) }
}

/** `offset key=value` of all that a fetch from the log's start finds. */
async function stored(topic: string): Promise<string[]> {
  await using client = createClient({ brokers: broker.bootstrap })
  const { low, high } = await boundsOf(topic)
  const { nodeId } = await client.metadata.leader(topic, 0)
  const lines: string[] = []
  for (let fetchOffset = low; fetchOffset < high;) {
    const partitions = [{ partition: 0, fetchOffset, partitionMaxBytes: 1_000_000 }]
    const body = {
      maxWaitMs: 0,
      minBytes: 0,
      topics: [{ topic, partitions }],
      forgottenTopicsData: [],
    }
    const response = await client.request(apis.fetch, body, { nodeId }, { maxVersion: 12 })
    const { errorCode, records } = response.responses[0]!.partitions[0]!
    if (errorCode !== 0 || !records?.length) throw new Error(`${errorCode} at ${fetchOffset}`)
    for (const { bytes, header } of batches(records)) {
      for (const record of decodeRecords(bytes)) {
        if (record.offset < fetchOffset) continue
        lines.push(lineOf(record.offset, record.key, record.value))
      }
      fetchOffset = header.baseOffset + header.lastOffsetDelta + 1
    }
  }
  return lines
}

/** When the broker's cleaner has come to that. */
async function whenStored(topic: string, expected: readonly string[]): Promise<void> {
  let last: string[] = []
  const look = async () => {
    last = await stored(topic)
    return last.join() === expected.join() ? true : undefined
  }
  await eventually(`${topic} cleaned`, look, 50_000).catch(() => expect(last).toEqual(expected))
}

/** What a kafkajs consumer sees from the beginning to the end. */
async function readByKafkajs(topic: string): Promise<string[]> {
  const consumer = kafka.consumer({ groupId: `${topic}-readers`, maxWaitTimeInMs: 50 })
  const { high } = await boundsOf(topic)
  const lines: string[] = []
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await new Promise<void>((resolve, reject) => {
    consumer.on(consumer.events.CRASH, ({ payload: { error, restart } }) => {
      if (!restart) reject(error)
    })
    const run = consumer.run({
      eachMessage: async ({ message: { offset, key, value } }) => {
        lines.push(lineOf(offset, key, value))
        if (Number(offset) + 1 === high) resolve()
      },
    })
    run.catch(reject)
  })
  await consumer.disconnect()
  return lines
}

/** Four rounds of five keys, a tombstone, and a record that stays in the active segment. */
const rounds = Array.from({ length: 4 }, (_, round) =>
  Array.from({ length: 5 }, (_, key): Entry => [`k${key}`, `round ${round}`]),
)
const latest = ['15 k0=round 3', '17 k2=round 3', '18 k3=round 3', '19 k4=round 3']

describe('a compacted topic', () => {
  const topic = 'compacted'
  beforeAll(async () => {
    const config = { ...common, 'cleanup.policy': 'compact', 'delete.retention.ms': `${dayMs}` }
    await createTopic(topic, config)
    await send(topic, Date.now() - dayMs, [...rounds, [['k1', null]], [['end', '1']]])
    await whenStored(topic, expected)
  })

  const expected = [...latest, '20 k1=null', '21 end=1']

  test('keeps the latest of each key at its offset, and tombstones for their time', async () => {
    expect(await readByKafkajs(topic)).toEqual(expected)
    expect(await boundsOf(topic)).toEqual({ low: 0, high: 22 })
  })

  test('refuses records without a key', async () => {
    const sent = send(topic, Date.now(), [[[null, 'no key']]])
    await expect(sent).rejects.toThrow(
      /INVALID_RECORD|failed to be validated|failed the validation/i,
    )
    expect(await stored(topic)).toEqual(expected)
  })

  withPeer(peers.kcat(), 'kcat', () => {
    test('reads it, also from an offset that is gone', async () => {
      const args = ['-C', '-q', '-e', '-Z', '-t', topic, '-f', '%o %k=%s\n']
      const from = async (offset: string) => {
        const { stdout } = await kcat(broker.bootstrap, [...args, '-o', offset])
        return stdout.trim().split('\n')
      }
      const lines = expected.map((line) => line.replace('null', 'NULL'))
      expect(await from('beginning')).toEqual(lines)
      expect(await from('16')).toEqual(lines.slice(1))
    })
  })

  withPeer(peers.kafka(), "Kafka's consumer", () => {
    test('reads it', async () => {
      const java = await startJavaTools()
      try {
        const print = ['print.offset=true', 'print.key=true', 'key.separator= ']
        const { output } = await java.run('org.apache.kafka.tools.consumer.ConsoleConsumer', [
          ...['--bootstrap-server', broker.bootstrap, '--topic', topic, '--from-beginning'],
          ...['--max-messages', `${expected.length}`, '--timeout-ms', '20000'],
          ...print.flatMap((property) => ['--formatter-property', property]),
        ])
        const lines = output.split('\n').filter((line) => line.startsWith('Offset:'))
        expect(lines).toEqual(expected.map((line) => `Offset:${line.replace('=', ' ')}`))
      } finally {
        await java.stop()
      }
    })
  })
})

test('tombstones go when their time is over', async () => {
  const config = { ...common, 'cleanup.policy': 'compact', 'delete.retention.ms': '0' }
  await createTopic('forgetful', config)
  const start = Date.now() - dayMs
  await send('forgetful', start, [...rounds, [['k1', null]], [['end', '1']]])
  // The cleaning that meets the tombstone first sets its time.
  await whenStored('forgetful', [...latest, '20 k1=null', '21 end=1'])
  await send('forgetful', start + 10 * stepMs, [[['end', '2']]])
  await whenStored('forgetful', [...latest, '21 end=1', '22 end=2'])
  await send('forgetful', start + 20 * stepMs, [[['end', '3']]])
  await whenStored('forgetful', [...latest, '22 end=2', '23 end=3'])
  expect(await readByKafkajs('forgetful')).toEqual([...latest, '22 end=2', '23 end=3'])
})

test('compact,delete: old segments go, of the others each key stays once', async () => {
  const topic = 'both'
  const config = {
    ...common,
    'cleanup.policy': 'compact,delete',
    'retention.ms': `${2 * dayMs}`,
    // Until it is changed, nothing new is compacted.
    'min.compaction.lag.ms': `${dayMs}`,
  }
  await createTopic(topic, config)
  const old: Entry[][] = [[['a', 'old']], [['b', 'old']], [['only old', 'old']]]
  await send(topic, Date.now() - 10 * dayMs, old)
  const recent: Entry[][] = [[['a', '1']], [['b', '1']], [['a', '2']], [['c', '1']]]
  await send(topic, Date.now() - 10 * stepMs, recent)
  await whenStored(topic, ['3 a=1', '4 b=1', '5 a=2', '6 c=1'])
  expect(await boundsOf(topic)).toEqual({ low: 3, high: 7 })
  await alterTopic(topic, 'min.compaction.lag.ms', '0')
  await whenStored(topic, ['4 b=1', '5 a=2', '6 c=1'])
  expect(await readByKafkajs(topic)).toEqual(['4 b=1', '5 a=2', '6 c=1'])
})
