// Our consumer reads what kcat, kafkajs and Java wrote, in every codec, on a real Kafka. (Its
// groups there: ../consumer-on-kafka.test.ts.)
import { CompressionTypes, Kafka, logLevel } from 'kafkajs'
import { createAdmin, createClient, type Client } from '@kfk/client'
import { createConsumer, type ConsumerRecord, type StartPosition } from '@kfk/consumer'
import type { CompressionType } from '@kfk/protocol'
import {
  kcat,
  peers,
  startJavaKafka,
  startJavaTools,
  withPeer,
  type JavaKafka,
  type JavaTools,
} from '../../src/index'

const codecs: CompressionType[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

withPeer(peers.kafka(), 'our consumer on what others wrote to a real Kafka', () => {
  let kafka: JavaKafka
  let java: JavaTools
  let client: Client
  beforeAll(async () => {
    ;[kafka, java] = await Promise.all([startJavaKafka(), startJavaTools()])
    client = createClient({ brokers: kafka.bootstrap })
  })
  afterAll(async () => {
    await client.close()
    await java.stop()
    await kafka.stop()
  })

  const createTopic = async (name: string): Promise<void> => {
    await createAdmin({ client }).createTopics([{ name, partitions: 1 }])
  }

  async function read(
    topic: string,
    count: number,
    from: StartPosition = 'earliest',
  ): Promise<ConsumerRecord[]> {
    await using consumer = createConsumer({ client, topics: [topic], from })
    const records: ConsumerRecord[] = []
    for await (const record of consumer) if (records.push(record) === count) break
    return records
  }

  const text = (bytes: Uint8Array | null): string | null =>
    bytes && Buffer.from(bytes).toString('utf8')
  const shape = ({ key, value, headers }: ConsumerRecord) => ({
    key: text(key),
    value: text(value),
    headers: headers.map((header) => [header.key, text(header.value)]),
  })

  const values = (codec: string): string[] =>
    Array.from({ length: 200 }, (_, n) => `${codec} value ü number ${n}`)

  withPeer(peers.kcat(), 'kcat', () => {
    test('every codec, keys, headers, tombstones', async () => {
      await createTopic('kcat')
      for (const codec of codecs) {
        const lines = values(codec).map((value) => `${codec}:${value}\n`)
        const args = ['-P', '-t', 'kcat', '-K:', '-Z', '-H', `h=${codec}`, '-z', codec]
        const { code } = await kcat(kafka.bootstrap, [...args, '-X', 'linger.ms=100'], {
          stdin: `${lines.join('')}gone:\n`,
        })
        expect(code).toBe(0)
      }
      const expected = codecs.flatMap((codec) => [
        ...values(codec).map((value) => ({ key: codec, value, headers: [['h', codec]] })),
        { key: 'gone', value: null, headers: [['h', codec]] },
      ])
      const records = await read('kcat', expected.length)
      expect(records.map(shape)).toEqual(expected)
      expect(records.map(({ offset }) => Number(offset))).toEqual(expected.map((_, n) => n))
    })
  })

  test('Java: every codec, keys, headers, tombstones', async () => {
    await createTopic('java')
    const reader = ['parse.key=true', 'parse.headers=true', 'null.marker=NULL']
    const properties = reader.flatMap((property) => ['--reader-property', property])
    for (const codec of codecs) {
      const lines = [...values(codec), 'NULL'].map((value) => `h:${codec}\t${codec}\t${value}\n`)
      const { code, output } = await java.run(
        'org.apache.kafka.tools.ConsoleProducer',
        [
          ...['--bootstrap-server', kafka.bootstrap, '--topic', 'java'],
          ...['--compression-codec', codec, ...properties],
        ],
        lines.join(''),
      )
      expect({ code, output }).toMatchObject({ code: 0 })
    }
    const expected = codecs.flatMap((codec) =>
      [...values(codec), null].map((value) => ({ key: codec, value, headers: [['h', codec]] })),
    )
    expect((await read('java', expected.length)).map(shape)).toEqual(expected)
  })

  test('kafkajs: gzip, timestamps, and a start by time', async () => {
    await createTopic('kafkajs')
    const js = new Kafka({ brokers: [kafka.bootstrap], logLevel: logLevel.NOTHING }).producer()
    await js.connect()
    for (const compression of [CompressionTypes.None, CompressionTypes.GZIP]) {
      const messages = values('js').map((value, n) => ({
        key: null,
        value,
        timestamp: String(1_700_000_000_000 + n),
        headers: { a: ['1', '2'], b: '' },
      }))
      await js.send({ topic: 'kafkajs', messages, compression })
    }
    await js.disconnect()
    const records = await read('kafkajs', 400)
    const headers = [
      ['a', '1'],
      ['a', '2'],
      ['b', ''],
    ]
    const once = values('js').map((value) => ({ key: null, value, headers }))
    expect(records.map(shape)).toEqual([...once, ...once])
    expect(records[250]!.timestamp.getTime()).toBe(1_700_000_000_050)
    const [later] = await read('kafkajs', 1, { timestamp: 1_700_000_000_150 })
    expect(later!.offset).toBe(150n)
  })
})
