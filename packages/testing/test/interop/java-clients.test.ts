// Kafka 4.2's own producers, consumers and its log checker against our broker. KFK_INTEROP=kafka
// runs the same against Apache Kafka.
import fs from 'node:fs'
import path from 'node:path'
import { createAdmin } from '@kfk/client'
import { batches, type CompressionType } from '@kfk/protocol'
import {
  eventually,
  javaTool,
  peers,
  startInteropBroker,
  startJavaTool,
  startJavaTools,
  withPeer,
  type InteropBroker,
  type JavaTools,
  type RunningProcess,
} from '../../src/index'

const tools = 'org.apache.kafka.tools'

withPeer(peers.kafka(), "Kafka's own clients", () => {
  let broker: InteropBroker
  let java: JavaTools
  const running: RunningProcess[] = []
  beforeAll(async () => {
    ;[broker, java] = await Promise.all([startInteropBroker(), startJavaTools()])
  })
  afterEach(async () => {
    await Promise.all(running.splice(0).map((process) => process.stop('SIGKILL')))
  })
  afterAll(async () => {
    await java.stop()
    await broker.stop()
  })

  const bootstrap = (): string[] => ['--bootstrap-server', broker.bootstrap]

  /** What a tool prints, which must succeed. */
  async function run(className: string, args: readonly string[], stdin = ''): Promise<string> {
    const { code, output } = await java.run(className, args, stdin)
    expect({ className, args, code, output }).toMatchObject({ code: 0 })
    return output.trim()
  }

  async function createTopic(name: string, partitions: number): Promise<void> {
    await using admin = createAdmin({ brokers: broker.bootstrap })
    await admin.createTopics([{ name, partitions }])
  }

  function produce(topic: string, codec: string, lines: readonly string[]): Promise<string> {
    const reader = ['parse.key=true', 'parse.headers=true', 'null.marker=NULL']
    const properties = reader.flatMap((property) => ['--reader-property', property])
    const args = [...bootstrap(), '--topic', topic, '--compression-codec', codec, ...properties]
    return run(`${tools}.ConsoleProducer`, args, lines.map((line) => `${line}\n`).join(''))
  }

  async function consume(topic: string, count: number, ...args: string[]): Promise<string[]> {
    const print = ['key', 'headers', 'partition', 'offset'].flatMap((part) => [
      '--formatter-property',
      `print.${part}=true`,
    ])
    const bounds = ['--max-messages', String(count), '--timeout-ms', '20000']
    const output = await run(`${tools}.consumer.ConsoleConsumer`, [
      ...bootstrap(),
      ...['--topic', topic, ...print, ...bounds, ...args],
    ])
    return output.split('\n').filter((line) => line.startsWith('Partition:'))
  }

  test('ConsoleProducer in every codec, ConsoleConsumer alone and in a group', async () => {
    await createTopic('console', 1)
    const codecs: CompressionType[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
    const expected: string[] = []
    for (const codec of codecs) {
      const long = `${codec} `.repeat(50)
      await produce('console', codec, [`a:1,b:ü\tkey ${codec}\t${long}`, `h:\tgone\tNULL`])
      const at = expected.length
      expected.push(
        `Partition:0\tOffset:${at}\ta:1,b:ü\tkey ${codec}\t${long}`,
        `Partition:0\tOffset:${at + 1}\th:\tgone\tnull`,
      )
    }
    expect(await consume('console', 10, '--from-beginning')).toEqual(expected)
    const from = ['--partition', '0', '--offset', '4']
    expect(await consume('console', 2, ...from)).toEqual(expected.slice(4, 6))
    const group = ['--group', 'consoles', '--from-beginning']
    expect(await consume('console', 4, ...group)).toEqual(expected.slice(0, 4))
    expect(await consume('console', 6, ...group)).toEqual(expected.slice(4))
    const file = path.join(broker.dataDir, 'console-0', '00000000000000000000.log')
    const kept = [...batches(fs.readFileSync(file))].map(({ header }) => header)
    expect(new Set(kept.map(({ compression }) => compression))).toEqual(new Set(codecs))
    // Idempotent by default.
    expect(new Set(kept.map(({ producerId }) => producerId)).size).toBe(5)
  })

  interface Event {
    readonly name: string
    readonly [field: string]: unknown
  }
  const events = (process: RunningProcess, name: string): Event[] =>
    process
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Event)
      .filter((event) => event.name === name)

  test('VerifiableProducer, and VerifiableConsumers that come and go', async () => {
    await createTopic('verified', 4)
    const member = async (): Promise<RunningProcess> => {
      const settings = ['--session-timeout', '30000', '--reset-policy', 'earliest', '--verbose']
      const started = await startJavaTool(`${tools}.VerifiableConsumer`, [
        ...[...bootstrap(), '--topic', 'verified', '--group-id', 'verifiers', ...settings],
      ])
      running.push(started)
      return started
    }
    const owned = (process: RunningProcess): number =>
      events(process, 'partitions_assigned').reduce(
        (count, { partitions }) => count + (partitions as unknown[]).length,
        0,
      ) -
      events(process, 'partitions_revoked').reduce(
        (count, { partitions }) => count + (partitions as unknown[]).length,
        0,
      )
    const spread = (...members: RunningProcess[]): Promise<true> =>
      eventually(
        'a spread assignment',
        () => members.every((each) => owned(each) === 4 / members.length) || undefined,
      )
    const send = async (prefix: number): Promise<void> => {
      // In a JVM of its own: it says how it went when that ends.
      const { stdout } = await javaTool(`${tools}.VerifiableProducer`, [
        ...[...bootstrap(), '--topic', 'verified', '--max-messages', '200', '--acks', '-1'],
        ...['--value-prefix', String(prefix), '--repeating-keys', '50'],
      ])
      expect(stdout).toContain('"name":"tool_data","sent":200,"acked":200')
    }
    const values = (...members: RunningProcess[]): unknown[] =>
      members.flatMap((each) => events(each, 'record_data').map(({ value }) => value))
    const all = (count: number, ...members: RunningProcess[]): Promise<true> =>
      eventually(`${count} records`, () => values(...members).length >= count || undefined)

    const [first, second] = await Promise.all([member(), member()])
    await spread(first, second)
    await send(1)
    await all(200, first, second)
    expect(Math.min(values(first).length, values(second).length)).toBeGreaterThan(0)
    await first.stop('SIGTERM')
    expect(events(first, 'shutdown_complete')).toHaveLength(1)
    await spread(second)
    await send(2)
    await all(400, first, second)
    await second.stop('SIGTERM')
    const committed = [first, second].flatMap((each) => events(each, 'offsets_committed'))
    expect(committed.every(({ success }) => success === true)).toBe(true)
    const seen = values(first, second)
    expect(seen).toHaveLength(400)
    expect(new Set(seen).size).toBe(400)
  })

  test('ProducerPerformance and ConsumerPerformance', async () => {
    await createTopic('perf', 2)
    const load = ['--topic', 'perf', '--num-records', '20000']
    const codec = ['--command-property', 'compression.type=lz4']
    const sent = await run(`${tools}.ProducerPerformance`, [
      ...[...bootstrap(), ...load, ...codec, '--record-size', '100', '--throughput', '-1'],
    ])
    expect(sent).toMatch(/^20000 records sent, /m)
    const read = await run(`${tools}.ConsumerPerformance`, [...bootstrap(), ...load])
    const row = read.split('\n').at(-1)!.split(', ')
    expect(row[4]).toBe('20000')
  })

  test('a producer in transactions', async () => {
    const transaction = await java.run(`${tools}.ProducerPerformance`, [
      ...[...bootstrap(), '--topic', 'perf', '--num-records', '10', '--record-size', '10'],
      ...['--throughput', '-1', '--transactional-id', 't'],
    ])
    expect(transaction.code).toBe(0)
  })

  test('DumpLogSegments accepts the data directory that the broker leaves', async () => {
    if (!broker.ours) return
    await broker.close()
    const files = fs
      .readdirSync(broker.dataDir, { recursive: true, encoding: 'utf8' })
      .filter((name) =>
        /^(console|verified|perf|__consumer_offsets)-\d+\/.*\.(log|index|timeindex)$/.test(name),
      )
      .map((name) => path.join(broker.dataDir, name))
      .filter((name) => fs.statSync(name).size > 0)
    expect(files.length).toBeGreaterThan(10)
    const dump = (...args: string[]): Promise<string> =>
      run(`kafka.tools.DumpLogSegments`, [...args, '--files', files.join(',')])
    const wrong =
      /mismatch|Mismatch|on-consecutive|out of order|isvalid: false|corrupt|Exception|Found timestamp/
    const deep = await dump('--deep-iteration', '--print-data-log')
    expect(deep).not.toMatch(wrong)
    expect(deep).toContain('compresscodec: zstd')
    expect(deep).toMatch(/headerKeys: \[a,b\] key: key gzip payload: gzip/)
    const checked = await dump('--index-sanity-check')
    expect(checked).toContain('passed sanity check')
    expect(checked).not.toMatch(wrong)
    const offsets = files.filter((name) => /__consumer_offsets.*\.log$/.test(name))
    const decoded = await run('kafka.tools.DumpLogSegments', [
      ...['--offsets-decoder', '--files', offsets.join(',')],
    ])
    expect(decoded).toContain('"group":"consoles","topic":"console","partition":0')
    expect(decoded).toContain('"protocolType":"consumer"')
  })
})
