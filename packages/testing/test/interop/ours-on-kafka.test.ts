// Our admin and producer on a real Kafka, read back by kcat and by Java. (Our consumer:
// consumer-reads-others.test.ts.)
import fs from 'node:fs'
import path from 'node:path'
import { Kafka, logLevel, Partitioners } from 'kafkajs'
import { createAdmin, createClient, type Client } from '@kfk/client'
import { createConsumer } from '@kfk/consumer'
import { createProducer, type ProducerRecord } from '@kfk/producer'
import { batches, type CompressionType } from '@kfk/protocol'
import {
  eventually,
  kcat,
  peers,
  startJavaKafka,
  startJavaTools,
  withPeer,
  type JavaKafka,
  type JavaTools,
} from '../../src/index'

withPeer(peers.kafka(), 'our admin and producer on a real Kafka', () => {
  let kafka: JavaKafka
  let java: JavaTools
  let client: Client
  beforeAll(async () => {
    ;[kafka, java] = await Promise.all([startJavaKafka(), startJavaTools()])
    client = createClient({ brokers: kafka.bootstrap, clientId: 'ours' })
  })
  afterAll(async () => {
    await client.close()
    await java.stop()
    await kafka.stop()
  })

  async function createTopic(
    name: string,
    partitions = 1,
    configs: Record<string, string> = {},
  ): Promise<void> {
    await createAdmin({ client }).createTopics([{ name, partitions, configs }])
  }

  /** What kcat prints about each message of a topic. */
  async function read(topic: string, format: string): Promise<string[]> {
    const args = ['-C', '-q', '-e', '-t', topic, '-o', 'beginning', '-f', `${format}\\n`]
    const { code, stdout, stderr } = await kcat(kafka.bootstrap, args)
    expect({ args, code, stderr }).toMatchObject({ code: 0 })
    return stdout.split('\n').slice(0, -1)
  }

  const written = (topic: string) => {
    const file = path.join(kafka.logDir, `${topic}-0`, '00000000000000000000.log')
    return [...batches(fs.readFileSync(file))].map(({ header }) => header)
  }

  test('the admin client: cluster, topics, configs', async () => {
    const admin = createAdmin({ client })
    const cluster = await admin.describeCluster()
    expect(cluster).toMatchObject({
      clusterId: '4L6g3nShT-eMCtK--X86sw',
      controllerId: 1,
      brokers: [{ nodeId: 1, host: '127.0.0.1', port: kafka.port }],
    })
    const versions = await admin.apiVersions()
    expect(versions).toContainEqual({ key: 1, name: expect.any(String), min: 4, max: 18 })
    const configs = { 'retention.ms': '60000' }
    const [created] = await admin.createTopics([{ name: 'made', partitions: 2, configs }])
    expect(created).toMatchObject({ name: 'made', partitions: 2, replicationFactor: 1 })
    expect(created!.topicId).toMatch(/^[\w-]{22}$/)
    await expect(admin.createTopics(['made'])).rejects.toMatchObject({
      kafkaName: 'TOPIC_ALREADY_EXISTS',
    })
    await admin.createTopics(['made'], { ifNotExists: true })
    await admin.createPartitions('made', 3)
    const described = await eventually('three partitions', async () => {
      const [topic] = await admin.describeTopics(['made'])
      return topic!.partitions.length === 3 ? topic : undefined
    })
    expect(described).toMatchObject({ name: 'made', topicId: created!.topicId })
    expect(described.partitions.map(({ leaderId }) => leaderId)).toEqual([1, 1, 1])
    const [topic, node] = await admin.describeConfigs([
      { type: 'topic', name: 'made', keys: ['retention.ms', 'cleanup.policy'] },
      { type: 'broker', name: '1' },
    ])
    expect(topic!.entries).toMatchObject([
      { name: 'cleanup.policy', value: 'delete', source: 'default' },
      { name: 'retention.ms', value: '60000', source: 'topic' },
    ])
    expect(node!.entries.length).toBeGreaterThan(200)
    expect(await admin.listTopics()).toContain('made')
    await admin.deleteTopics(['made'])
    await eventually(
      'its end',
      async () => !(await admin.listTopics()).includes('made') || undefined,
    )
    await expect(admin.deleteTopics(['made'])).rejects.toMatchObject({
      kafkaName: 'UNKNOWN_TOPIC_OR_PARTITION',
    })
  })

  test('the admin client: groups and offsets', async () => {
    const admin = createAdmin({ client })
    await createTopic('read', 2)
    await using producer = createProducer({ client })
    const at = (timestamp: number) => ({ value: 'v', partition: 0, timestamp })
    await producer.send('read', [1000, 3000, 2000].map(at))
    const offsets = async (when: Parameters<typeof admin.topicOffsets>[1]): Promise<bigint[]> =>
      (await admin.topicOffsets('read', when)).map(({ offset }) => offset)
    expect(await offsets('earliest')).toEqual([0n, 0n])
    expect(await offsets('latest')).toEqual([3n, 0n])
    expect(await offsets('max-timestamp')).toEqual([1n, -1n])
    expect(await offsets(1001)).toEqual([1n, -1n])
    {
      const group = { group: 'readers', topics: ['read'], from: 'earliest' } as const
      await using consumer = createConsumer({ client, ...group })
      for await (const { offset } of consumer) if (offset === 2n) break
      const [stable] = await admin.describeGroups(['readers'])
      expect(stable).toMatchObject({
        state: 'Stable',
        protocol: 'cooperative-sticky',
        members: [{ clientId: 'ours', clientHost: '/127.0.0.1' }],
      })
      await expect(admin.deleteGroups(['readers'])).rejects.toMatchObject({
        kafkaName: 'NON_EMPTY_GROUP',
      })
    }
    expect(await admin.listGroups({ states: ['Empty'] })).toContainEqual({
      groupId: 'readers',
      protocolType: 'consumer',
      state: 'Empty',
    })
    const first = async () =>
      (await admin.listGroupOffsets('readers')).find(({ partition }) => partition === 0)
    expect(await first()).toMatchObject({ topic: 'read', offset: 2n })
    const back = { topic: 'read', partition: 0, offset: 1n, metadata: 'back' }
    await admin.alterGroupOffsets('readers', [back])
    expect(await first()).toMatchObject(back)
    await admin.deleteGroups(['readers'])
    await expect(admin.deleteGroups(['readers'])).rejects.toMatchObject({
      kafkaName: 'GROUP_ID_NOT_FOUND',
    })
  })

  withPeer(peers.kcat(), 'as kcat reads it', () => {
    test.each<CompressionType>(['none', 'gzip', 'snappy', 'lz4', 'zstd'])('%s', async (codec) => {
      const topic = `codec-${codec}`
      await createTopic(topic)
      await using producer = createProducer({ client, compression: codec })
      const value = `${codec} ü `.repeat(50)
      const headers = [
        { key: 'a', value: '1' },
        { key: 'a', value: 'ü' },
        { key: 'b', value: '' },
      ]
      const records: ProducerRecord[] = [
        { key: 'k', value, headers, timestamp: 1_700_000_000_000 },
        { value, timestamp: 1_700_000_000_001 },
        { key: '', value: '', timestamp: 1_700_000_000_002 },
        { key: 'gone', value: null, timestamp: 1_700_000_000_003 },
      ]
      const sent = await producer.send(topic, records, { each: true })
      expect(sent.map(({ offset }) => offset)).toEqual([0n, 1n, 2n, 3n])
      const bytes = Buffer.byteLength(value)
      expect(await read(topic, '%o %T %K:%k %S:%s %h')).toEqual([
        `0 1700000000000 1:k ${bytes}:${value} a=1,a=ü,b=`,
        `1 1700000000001 -1: ${bytes}:${value} `,
        '2 1700000000002 0: 0: ',
        '3 1700000000003 4:gone -1: ',
      ])
      expect(written(topic).map(({ compression }) => compression)).toEqual([codec])
    })

    test.each([0, 1, 'all'] as const)('acks %s', async (acks) => {
      const topic = `acks-${acks}`
      await createTopic(topic)
      await using producer = createProducer({ client, acks })
      const values = Array.from({ length: 100 }, (_, n) => `${n}`)
      const sent = await Promise.all(
        values.map((value) => producer.send(topic, { value }, { each: true })),
      )
      const offsets = values.map((_, n) => (acks === 0 ? -1n : BigInt(n)))
      expect(sent.map(({ offset }) => offset)).toEqual(offsets)
      const seen = await eventually('all of them', async () => {
        const found = await read(topic, '%s')
        return found.length === 100 ? found : undefined
      })
      expect(seen).toEqual(values)
    })

    test('keys go where the Java producer and kafkajs put them', async () => {
      const keys = ['a', 'key', 'ключ', '鍵🔑', 'x'.repeat(2000), '0', 'user-4711', ' ']
      for (let n = 0; n < 200; n++) keys.push(`visitor-${n * 7919}`)
      for (const topic of ['by-ours', 'by-java', 'by-kafkajs']) await createTopic(topic, 7)
      await using producer = createProducer({ client })
      await producer.send(
        'by-ours',
        keys.map((key) => ({ key, value: 'v' })),
      )
      const { code } = await java.run(
        'org.apache.kafka.tools.ConsoleProducer',
        [
          ...['--bootstrap-server', kafka.bootstrap, '--topic', 'by-java'],
          ...['--reader-property', 'parse.key=true'],
        ],
        keys.map((key) => `${key}\tv\n`).join(''),
      )
      expect(code).toBe(0)
      const js = new Kafka({ brokers: [kafka.bootstrap], logLevel: logLevel.NOTHING }).producer({
        createPartitioner: Partitioners.DefaultPartitioner,
      })
      await js.connect()
      await js.send({ topic: 'by-kafkajs', messages: keys.map((key) => ({ key, value: 'v' })) })
      await js.disconnect()
      const placed = async (topic: string): Promise<string[]> => (await read(topic, '%p %k')).sort()
      const ours = await placed('by-ours')
      expect(new Set(ours.map((line) => line.slice(0, 1))).size).toBe(7)
      expect(ours).toEqual(await placed('by-java'))
      expect(ours).toEqual(await placed('by-kafkajs'))
    })
  })

  test('idempotence: concurrent sends have distinct offsets and consecutive sequences', async () => {
    await createTopic('idempotent')
    await using producer = createProducer({ client, batchBytes: 500, lingerMs: 0 })
    const numbers = Array.from({ length: 1000 }, (_, n) => n)
    const sent = await Promise.all(
      numbers.map((n) => producer.send('idempotent', { value: `${n}` }, { each: true })),
    )
    expect(sent.map(({ offset }) => Number(offset))).toEqual(numbers)
    const headers = written('idempotent')
    expect(headers.length).toBeGreaterThan(20)
    expect(new Set(headers.map(({ producerId }) => producerId)).size).toBe(1)
    expect(headers.map(({ baseSequence }) => baseSequence)).toEqual(
      headers.map(({ baseOffset }) => baseOffset),
    )
  })

  test('batches above max.message.bytes go in parts, and a record above it fails alone', async () => {
    await createTopic('narrow', 1, { 'max.message.bytes': '2000' })
    await using producer = createProducer({ client, batchBytes: 16_000 })
    const values = Array.from({ length: 1000 }, (_, n) => `${n}`.padEnd(n === 500 ? 3000 : 100))
    const sent = await Promise.allSettled(
      values.map((value) => producer.send('narrow', { value }, { each: true })),
    )
    expect(sent[500]).toMatchObject({ reason: { kafkaName: 'MESSAGE_TOO_LARGE' } })
    const others = sent.filter((_, n) => n !== 500)
    expect(others).toMatchObject(others.map((_, n) => ({ value: { offset: BigInt(n) } })))
    expect(await read('narrow', '%s')).toEqual(values.filter((_, n) => n !== 500))
    // Behind the refused record the numbers start over, under the next epoch.
    const headers = written('narrow')
    let next = 0
    for (const [at, { producerEpoch, baseSequence, recordCount }] of headers.entries()) {
      if (at > 0 && producerEpoch > headers[at - 1]!.producerEpoch) next = 0
      expect(baseSequence).toBe(next)
      next += recordCount
    }
    expect(headers.at(-1)!.producerEpoch).toBe(1)
  })

  test('what we wrote, as Java reads and checks it', async () => {
    await createTopic('mixed')
    const codecs: CompressionType[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
    for (const compression of codecs) {
      await using producer = createProducer({ client, compression })
      const values = Array.from({ length: 100 }, (_, n) => `${compression} value ${n}`)
      await producer.send(
        'mixed',
        values.map((value) => ({ key: compression, value, headers: { n: value } })),
      )
    }
    const { output } = await java.run('org.apache.kafka.tools.consumer.ConsoleConsumer', [
      ...['--bootstrap-server', kafka.bootstrap, '--topic', 'mixed', '--from-beginning'],
      ...['--max-messages', '500', '--timeout-ms', '20000', '--formatter-property'],
      ...['print.headers=true', '--formatter-property', 'print.key=true'],
    ])
    const lines = output.split('\n').filter((line) => line.startsWith('n:'))
    expect(lines).toEqual(
      codecs.flatMap((codec) =>
        Array.from({ length: 100 }, (_, n) => {
          const value = `${codec} value ${n}`
          return `n:${value}\t${codec}\t${value}`
        }),
      ),
    )
    const file = path.join(kafka.logDir, 'mixed-0', '00000000000000000000.log')
    const dump = await java.run('kafka.tools.DumpLogSegments', [
      '--deep-iteration',
      '--files',
      file,
    ])
    expect(dump.output).not.toContain('isvalid: false')
    for (const codec of codecs) expect(dump.output).toContain(`compresscodec: ${codec}`)
  })
})
