/*
 * One data directory in two hands: Kafka writes topics of every kind and is stopped, the store opens
 * the very directory, reads all of it and appends, Kafka takes it back, is killed, and so on.
 */
import fs from 'node:fs'
import path from 'node:path'
import { openLogDirectory, type Log, type LogDirectory, type StoreReport } from '@kfk/log-store'
import { batches, decodeRecords, encodeRecordBatch, recordBatchFormat } from '@kfk/protocol'
import {
  eventually,
  type JavaClient,
  type JavaKafka,
  type JavaFound,
  peers,
  startJavaClient,
  startJavaKafka,
  withPeer,
} from '../src/index'
import {
  codecs,
  compactedTopics,
  compared,
  type ComparedRecord,
  comparedJava,
  fillTopics,
  isCommitted,
  openTransaction,
  returningTransaction,
  kafkaTopics,
  latestByKey,
  produceWork,
  startTimestamp,
} from './support/kafka-topics'

const config = {
  'log.cleaner.backoff.ms': '100',
  'log.cleaner.dedupe.buffer.size': '4000000',
  'transaction.state.log.num.partitions': '2',
  // After kill -9 it may not register again before this is over.
  'broker.session.timeout.ms': '2000',
  'broker.heartbeat.interval.ms': '500',
}
const topics = kafkaTopics('full')
const names = topics.map(({ name }) => name)

async function open(dataDir: string, reports: StoreReport[] = []): Promise<LogDirectory> {
  return openLogDirectory(dataDir, {
    format: recordBatchFormat,
    defaults: {
      segmentMs: 60_000,
      indexIntervalBytes: 200,
      retentionMs: -1,
      maxBatchBytes: 4_000_000,
    },
    offsetGaps: (name) => name.startsWith('compacted'),
    onReport: (report) => reports.push(report),
  })
}

/** Every record of the log but the markers, read in slices. */
async function readAll(log: Log): Promise<ComparedRecord[]> {
  const records: ComparedRecord[] = []
  for (let from = log.logStartOffset; from < log.writtenOffset;) {
    const slice = await log.read({ from, maxBytes: 3000 })
    for (const { header, bytes } of batches(slice.bytes)) {
      if (!header.isControl) records.push(...decodeRecords(bytes).map(compared))
    }
    expect(slice.nextOffset).toBeGreaterThan(from)
    from = slice.nextOffset
  }
  return records
}

const lastBase = (dir: string): number =>
  Math.max(...fs.readdirSync(dir).map((name) => Number(/^(\d{20})\.log$/.exec(name)?.[1] ?? 0)))

/** What Kafka had to say about its logs when it started. */
function complaints(output: string): string[] {
  const ofLogs = /UnifiedLog|LogLoader|LogSegment|LogManager|Index|Checkpoint|ProducerState/
  const unusual = /corrupt|invalid|mismatch|rebuilding index|truncat|not found|could not/i
  const harmless = /Performing controller activation|Attempting to close NetworkClient/
  return output
    .split('\n')
    .filter(
      (line) => /\b(WARN|ERROR|FATAL)\b/.test(line) || (ofLogs.test(line) && unusual.test(line)),
    )
    .filter((line) => !harmless.test(line))
}

withPeer(peers.kafka(), 'a data directory of Kafka and the store in turn', () => {
  let kafka: JavaKafka
  let client: JavaClient
  let expected: Map<string, ComparedRecord[]>
  let found: readonly JavaFound[]
  /** Spread over what was written, and before and after it. */
  const asked = [
    -2,
    -3,
    0,
    1,
    2,
    ...Array.from({ length: 40 }, (_, n) => startTimestamp - 10_500 + n * 10_007),
    9e12,
  ]

  const partition = (topic: string): string => path.join(kafka.logDir, `${topic}-0`)

  /** Waits for a cleaning of all but the last segment, which is when the checkpoint says so. */
  async function whenCleaned(topic: string): Promise<void> {
    const file = path.join(kafka.logDir, 'cleaner-offset-checkpoint')
    await eventually(`${topic} is cleaned`, () => {
      const text = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : ''
      const base = lastBase(partition(topic))
      return text.includes(`${topic} 0 ${base}\n`) ? true : undefined
    })
  }

  async function consumeAll(consumer = {}): Promise<Map<string, ComparedRecord[]>> {
    const seen = new Map(names.map((name): [string, ComparedRecord[]] => [name, []]))
    for (const record of await client.consume(names, consumer)) {
      seen.get(record.topic)!.push(comparedJava(record))
    }
    return seen
  }

  /** Kafka has what is expected; of compacted topics what a cleaning leaves. */
  async function expectConsumed(): Promise<void> {
    for (const topic of compactedTopics) {
      await whenCleaned(topic)
      expected.set(topic, latestByKey(expected.get(topic)!, lastBase(partition(topic))))
    }
    const seen = await consumeAll()
    for (const topic of names) {
      expect({ topic, records: seen.get(topic) }).toEqual({ topic, records: expected.get(topic) })
    }
  }

  async function expectSame(log: Log, topic: string): Promise<void> {
    expect(await readAll(log)).toEqual(expected.get(topic))
    for (const { asked: timestamp, offset, timestamp: time } of found.filter(
      (each) => each.topic === topic,
    )) {
      const ours =
        timestamp === -2
          ? { offset: log.logStartOffset, timestamp: -1 }
          : timestamp === -3
            ? await log.maxTimestampOffset()
            : await log.offsetForTimestamp(timestamp)
      const none = { offset: -1, timestamp: -1 }
      expect({ topic, timestamp, found: { ...none, ...ours } }).toMatchObject({
        topic,
        timestamp,
        found: { offset, timestamp: time },
      })
    }
  }

  function expectGoodStart(): void {
    expect(kafka.output()).toMatch(/Skipping recovery .* since clean shutdown file was found/)
    expect(complaints(kafka.output())).toEqual([])
  }

  async function append(log: Log, topic: string, value: string): Promise<void> {
    const at = names.indexOf(topic)
    for (let n = 0; n < 4; n++) {
      const timestamp = startTimestamp + 1_000_000 + n * 40_000
      const records = [
        { key: `kfk ${n}`, value: `${value} ${n}`, timestamp },
        { key: 'kfk', value: n === 3 ? null : value, timestamp: timestamp + 1 },
      ]
      const batch = encodeRecordBatch(records, { compression: codecs[(at + n) % codecs.length]! })
      const { baseOffset } = log.append(batch, { leaderEpoch: log.latestEpoch ?? 0 })
      const added = decodeRecords(batch).map(compared)
      expect(added[0]!.offset).toBe(baseOffset)
      expected.get(topic)!.push(...added)
    }
    await log.whenAcknowledged(log.logEndOffset)
  }

  beforeAll(async () => {
    ;[kafka, client] = await Promise.all([
      startJavaKafka(config),
      startJavaClient(() => kafka.bootstrap),
    ])
    expected = await fillTopics(client, topics)
    await expectConsumed()
    found = await client.offsetsFor(names, asked)
    await kafka.halt('SIGTERM')
  }, 120_000)
  afterAll(async () => {
    await client?.stop()
    await kafka?.stop()
  })

  test('after a clean stop: opens without a scan, reads all, appends', async () => {
    const reports: StoreReport[] = []
    const directory = await open(kafka.logDir, reports)
    expect(directory.cleanStart).toBe(true)
    for (const topic of names) {
      const log = await directory.open(`${topic}-0`)
      await expectSame(log, topic)
      expect(reports).toEqual([])
      await append(log, topic, 'after a clean stop')
    }
    await directory.close()
    const again = await open(kafka.logDir, reports)
    for (const topic of names) {
      expect(await readAll(await again.open(`${topic}-0`))).toEqual(expected.get(topic))
    }
    await again.close()
    expect(reports).toEqual([])
  }, 60_000)

  test('Kafka takes it back without complaint and reads what the store appended', async () => {
    await kafka.start()
    await expectConsumed()
    expectGoodStart()
  }, 60_000)

  test('after kill -9 in the middle of a transaction: recovers all, reads, appends', async () => {
    for (const { name, work } of topics) {
      for (const each of work) expected.get(name)!.push(...(await produceWork(client, each)))
    }
    const left = await produceWork(client, openTransaction('transactions', 3))
    expected.get('transactions')!.push(...left)
    await expectConsumed()
    found = await client.offsetsFor(names, asked)
    await kafka.halt('SIGKILL')
    const reports: StoreReport[] = []
    const directory = await open(kafka.logDir, reports)
    expect(directory.cleanStart).toBe(false)
    for (const topic of names) {
      const log = await directory.open(`${topic}-0`)
      await expectSame(log, topic)
      await append(log, topic, 'after a kill')
    }
    await directory.close()
    expect(
      reports
        .map(({ kind }) => kind)
        .filter((kind) => !/^(unclean-start|recovered|leftover-removed)$/.test(kind)),
    ).toEqual([])
  }, 60_000)

  test('Kafka takes it back again, transactions included', async () => {
    await kafka.start()
    const back = await produceWork(client, returningTransaction('transactions'))
    expected.get('transactions')!.push(...back)
    await expectConsumed()
    const committed = await consumeAll({ 'isolation.level': 'read_committed' })
    for (const topic of names) {
      const records = expected.get(topic)!.filter(isCommitted)
      expect({ topic, records: committed.get(topic) }).toEqual({ topic, records })
    }
    expectGoodStart()
  }, 60_000)
})
