/*
 * The partition directories that our broker writes for Kafka's own producers go to Apache Kafka,
 * which takes them for its own.
 */
import fs from 'node:fs'
import path from 'node:path'
import {
  type InteropBroker,
  type JavaClient,
  type JavaKafka,
  type JavaTools,
  peers,
  startInteropBroker,
  startJavaClient,
  startJavaKafka,
  startJavaTools,
  withPeer,
} from '../src/index'
import { kafkaDump } from './support/kafka-dump'
import { expectGoodStart, kafkaConfig } from './support/kafka-peer'
import {
  compactedTopics,
  type ComparedRecord,
  comparedJava,
  fillTopics,
  kafkaTopics,
  latestByKey,
} from './support/kafka-topics'

/** Without transactions, which our broker does not serve. */
const plain = kafkaTopics('small').filter(({ name }) => !name.endsWith('transactions'))
const topics = plain.map((topic) => {
  const { 'internal.segment.bytes': segmentBytes, ...config } = topic.config
  return segmentBytes === undefined
    ? topic
    : { ...topic, config: { ...config, 'segment.bytes': segmentBytes } }
})
const names = topics.map(({ name }) => name)

withPeer(peers.kafka(), 'partition directories of our broker', () => {
  let broker: InteropBroker
  let kafka: JavaKafka
  let java: JavaTools
  let client: JavaClient
  let bootstrap: string
  let expected: Map<string, ComparedRecord[]>

  beforeAll(async () => {
    ;[broker, kafka, java, client] = await Promise.all([
      startInteropBroker(),
      startJavaKafka(kafkaConfig),
      startJavaTools(),
      startJavaClient(() => bootstrap),
    ])
  })
  afterAll(async () => {
    await Promise.all([client?.stop(), java?.stop(), kafka?.stop(), broker?.stop()])
  })

  /** Of compacted topics the last record of each key: a cleaner may have been there. */
  async function expectConsumed(): Promise<void> {
    const seen = new Map(names.map((name): [string, ComparedRecord[]] => [name, []]))
    for (const record of await client.consume(names)) {
      seen.get(record.topic)!.push(comparedJava(record))
    }
    for (const topic of names) {
      const wanted = compactedTopics.includes(topic)
        ? (records: ComparedRecord[]) => latestByKey(records, Infinity)
        : (records: ComparedRecord[]) => records
      expect({ topic, records: wanted(seen.get(topic)!) }).toEqual({
        topic,
        records: wanted(expected.get(topic)!),
      })
    }
  }

  test('are written through and accepted by DumpLogSegments', async () => {
    bootstrap = broker.bootstrap
    expected = await fillTopics(client, topics)
    await expectConsumed()
    await broker.close()
    for (const name of fs.readdirSync(broker.dataDir)) {
      if (!/-\d+$/.test(name)) continue
      const { problems, files } = await kafkaDump(java, path.join(broker.dataDir, name))
      expect({ name, problems }).toEqual({ name, problems: [] })
      expect(files.length).toBeGreaterThan(2)
    }
  })

  test('are taken by Kafka as its own', async () => {
    bootstrap = kafka.bootstrap
    const configs = topics.map(({ name, config }): [string, Record<string, string>] => {
      const { 'segment.bytes': segmentBytes, ...others } = config
      if (segmentBytes === undefined) return [name, config]
      return [name, { ...others, 'internal.segment.bytes': segmentBytes }]
    })
    await client.createTopics(Object.fromEntries(configs))
    await kafka.halt('SIGTERM')
    const logStarts: string[] = []
    for (const { name, deleteBefore } of topics) {
      const target = path.join(kafka.logDir, `${name}-0`)
      for (const file of fs.readdirSync(target)) {
        if (file !== 'partition.metadata') fs.rmSync(path.join(target, file))
      }
      const source = path.join(broker.dataDir, `${name}-0`)
      for (const file of fs.readdirSync(source)) {
        if (file !== 'partition.metadata') {
          fs.cpSync(path.join(source, file), path.join(target, file))
        }
      }
      if (deleteBefore !== undefined) logStarts.push(`${name} 0 ${deleteBefore}\n`)
    }
    const starts = `0\n${logStarts.length}\n${logStarts.join('')}`
    fs.writeFileSync(path.join(kafka.logDir, 'log-start-offset-checkpoint'), starts)
    await kafka.start()
    await expectConsumed()
    // Its controller counts leader epochs from 0, and has never seen these partitions so full.
    expectGoodStart(kafka, /truncation of conflicting entries|Non-monotonic .* high watermark/)
  })
})
