// MessagePack with shared structures on a real broker: what is in the log is all that a reader needs.
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createBroker, type Broker } from '@kfk/broker'
import { createAdmin, defineTopic, string } from '@kfk/client'
import { msgpack, sharedStructures, type MsgpackSerde } from '@kfk/client/msgpack'
import { createConsumer } from '@kfk/consumer'
import { createProducer } from '@kfk/producer'
import { Kafka, logLevel } from 'kafkajs'
import { unpack } from 'msgpackr'
import { eventually, kcat } from '../src/index'

const often = { 'log.cleaner.backoff.ms': '20', 'log.retention.check.interval.ms': '20' }

let dataDir: string
let broker: Broker
beforeEach(async () => {
  dataDir = fs.mkdtempSync(path.join(os.tmpdir(), 'kfk-msgpack-'))
  broker = await createBroker({ dataDir, port: 0, config: often, durability: 'os' })
})
afterEach(async () => {
  await broker.close()
  fs.rmSync(dataDir, { recursive: true })
})

interface View {
  readonly page: string
  readonly user: { readonly id: number }
}

const view = (n: number): View => ({ page: `/${n}`, user: { id: n } })

/** One process: structures and serde of its own. */
async function inProcess<T>(
  use: (serde: MsgpackSerde<unknown>) => Promise<T>,
  topic?: string,
): Promise<T> {
  await using structures = sharedStructures({
    brokers: broker.brokers,
    ...(topic !== undefined && { topic }),
  })
  return await use(msgpack({ structures }))
}

async function produce(serde: MsgpackSerde<unknown>, entries: readonly [string, unknown][]) {
  await using producer = createProducer({ brokers: broker.brokers })
  const topic = defineTopic('views', { key: string(), value: serde })
  await producer.send(
    topic,
    entries.map(([key, value]) => ({ key, value })),
  )
}

/** All values from an offset on, as a process that starts now reads them. */
function consume(count: number, from = 0n, structuresTopic?: string): Promise<unknown[]> {
  return inProcess(async (serde) => {
    const topic = defineTopic('views', { key: string(), value: serde })
    await using consumer = createConsumer({
      brokers: broker.brokers,
      topics: [topic],
      assignment: [{ topic: 'views', partition: 0 }],
      rebalance: { assigned: (): void => consumer.seek({ topic: 'views', partition: 0 }, from) },
    })
    const values: unknown[] = []
    for await (const { value } of consumer) if (values.push(value) === count) break
    return values
  }, structuresTopic)
}

async function createTopic(name: string, configs: Record<string, string> = {}): Promise<void> {
  await using admin = createAdmin({ brokers: broker.brokers })
  await admin.createTopics([{ name, partitions: 1, configs }])
}

/** kcat's view of a topic from its start: `key value` lines. */
async function listed(topic: string): Promise<string[]> {
  const args = ['-C', '-t', topic, '-e', '-q', '-f', '%k %s\\n']
  const { code, stdout, stderr } = await kcat(broker.brokers[0]!, args)
  if (code !== 0) throw new Error(stderr)
  return stdout.trimEnd().split('\n')
}

test('producers of different shapes, one of which starts again, and readers from anywhere', async () => {
  await createTopic('views')
  const other = (n: number) => ({ search: `q${n}`, hits: [{ rank: n }] })
  const withView = async (serde: MsgpackSerde<unknown>, n: number) => {
    await serde.share(view(n))
    await produce(serde, [['v', view(n)]])
  }
  await inProcess((serde) => withView(serde, 0))
  await inProcess(async (serde) => {
    await serde.share(other(1))
    await produce(serde, [['o', other(1)]])
  })
  await inProcess((serde) => withView(serde, 2))
  const expected = [view(0), other(1), view(2)]
  expect(await consume(3)).toEqual(expected)
  expect(await consume(1, 2n)).toEqual([view(2)])
  expect(await listed('__kfk_structures')).toHaveLength(2)

  await broker.close()
  broker = await createBroker({ dataDir, port: 0, config: often, durability: 'os' })
  expect(await consume(3)).toEqual(expected)
})

test('structures are shared by themselves once they occur often', async () => {
  await createTopic('views')
  await inProcess(async (serde) => {
    await produce(
      serde,
      Array.from({ length: 20 }, (_, n) => ['v', view(n)]),
    )
    await eventually('short values', () => {
      return (serde.serialize(view(0)) as Uint8Array)[0] === 0xc1 ? true : undefined
    })
    await produce(serde, [['v', view(20)]])
  })
  expect(await consume(21)).toEqual(Array.from({ length: 21 }, (_, n) => view(n)))
})

test('compaction of the data and of the structures takes nothing that is needed', async () => {
  const compacted = { 'cleanup.policy': 'compact', 'min.cleanable.dirty.ratio': '0.001' }
  // Room for one batch: only full segments are cleaned.
  await createTopic('views', { ...compacted, 'segment.bytes': '130' })
  await createTopic('structures', { ...compacted, 'segment.bytes': '300' })
  await inProcess(async (serde) => {
    await serde.share(view(0))
    for (let n = 0; n < 5; n++) await produce(serde, [[`k${n % 2}`, view(n)]])
    await serde.share({ later: 1 })
    await produce(serde, [['k2', { later: 2 }]])
  }, 'structures')
  const definitions = await listed('structures')
  expect(definitions).toHaveLength(2)
  // As two producers that start at the same time may do.
  await using producer = createProducer({ brokers: broker.brokers })
  for (const line of [...definitions, ...definitions]) {
    const [key, value] = line.split(/ (.*)/)
    await producer.send('structures', { key: key!, value: value! })
  }
  await eventually('cleaned', async () => {
    const [views, structures] = [await listed('views'), await listed('structures')]
    return views.length <= 4 && structures.length <= 3 ? true : undefined
  })
  const values = await consume(3, 3n, 'structures')
  expect(values).toEqual([view(3), view(4), { later: 2 }])
})

test('a reader of plain values creates no topic; one that lacks structures says which', async () => {
  await createTopic('views')
  await inProcess((serde) => produce(serde, [['v', view(1)]]))
  expect(await consume(1)).toEqual([view(1)])
  await inProcess(async (serde) => {
    await serde.share(view(2))
    await produce(serde, [['v', view(2)]])
  }, 'elsewhere')
  await expect(consume(2)).rejects.toMatchObject({
    code: 'KFK_CLIENT_INVALID_DATA',
    message: expect.stringMatching(
      /^The value of views-0 at offset 1 is invalid: structures [0-9a-f]{8} are not known: .*`topic` that its writer used/,
    ),
  })
  await using admin = createAdmin({ brokers: broker.brokers })
  expect(await admin.listTopics({ internal: true })).not.toContain('__kfk_structures')
})

test('without our client: kcat shows the structures, kafkajs and any MessagePack read the values', async () => {
  await createTopic('views')
  await inProcess(async (serde) => {
    await serde.share(view(1))
    await produce(serde, [['v', view(64)]])
  })
  const [line] = await listed('__kfk_structures')
  const [hash, text] = line!.split(/ (.*)/)
  expect(hash).toBe(createHash('sha256').update(text!).digest('hex'))
  const structures = JSON.parse(text!) as string[][]
  expect(structures).toEqual([['page', 'user'], ['id']])

  const kafka = new Kafka({ brokers: [...broker.brokers], logLevel: logLevel.NOTHING })
  const consumer = kafka.consumer({ groupId: 'others' })
  await consumer.connect()
  await consumer.subscribe({ topic: 'views', fromBeginning: true })
  const value = await new Promise<Buffer>((resolve) => {
    void consumer.run({ eachMessage: async ({ message }) => resolve(message.value!) })
  })
  await consumer.disconnect()
  expect(value.subarray(0, 5).toString('hex')).toBe(`c1${hash!.slice(0, 8)}`)
  // A structure is 0x40 + number, then its values: as README tells those who read it themselves.
  expect(value.subarray(5).toString('hex')).toBe('40a32f363441cc40')
  expect(unpack(value.subarray(6, 10))).toBe('/64')
})

test('the example of the README does what it says', async () => {
  await createTopic('page-views')
  const said: unknown[] = []
  const console = { log: (line: unknown) => void said.push(line) }
  const brokers = broker.brokers
  // README begins
  await using structures = sharedStructures({ brokers })
  const views = msgpack<{ url: string; user: number }>({ structures })
  const pageViews = defineTopic('page-views', { key: string(), value: views })

  await views.share({ url: '/', user: 1 }) // or let it come: it happens by itself after a few records
  await using producer = createProducer({ brokers })
  await producer.send(pageViews, { key: 'ann', value: { url: '/docs', user: 7 } })

  await using consumer = createConsumer({ brokers, topics: [pageViews], from: 'earliest' })
  for await (const { value } of consumer) {
    console.log(value) // { url: '/docs', user: 7 }
    break
  }
  // README ends
  expect(said).toEqual([{ url: '/docs', user: 7 }])
  const [, body] = /README begins\n([^]*?) +\/\/ README ends/.exec(
    fs.readFileSync(__filename, 'utf8'),
  )!
  const squeeze = (source: string): string => source.replace(/\s+/g, '')
  const readme = fs.readFileSync(path.join(__dirname, '../../client/README.md'), 'utf8')
  expect(squeeze(readme)).toContain(squeeze(body!))
})
