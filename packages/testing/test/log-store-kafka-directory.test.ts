/*
 * One data directory in two hands: Kafka writes topics of every kind and is stopped, the store opens
 * the very directory, reads all of it and appends, Kafka takes it back, is killed, and so on.
 */
import path from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { Log, StoreReport } from '@kfk/log-store'
import { decodeRecords, encodeRecordBatch } from '@kfk/protocol'
import {
  type JavaClient,
  type JavaFound,
  type JavaKafka,
  peers,
  startJavaClient,
  startJavaKafka,
  withPeer,
} from '../src/index'
import { expectGoodStart, kafkaConfig, whenCleaned } from './support/kafka-peer'
import { filesOf, findTimes, openStore, readCommitted, readRecords } from './support/kafka-store'
import {
  askedTimes,
  codecs,
  compactedTopics,
  compared,
  type ComparedRecord,
  comparedJava,
  fillTopics,
  isCommitted,
  kafkaTopics,
  latestByKey,
  openTransaction,
  produceWork,
  returningTransaction,
  startTimestamp,
} from './support/kafka-topics'

const topics = kafkaTopics('full')
const names = topics.map(({ name }) => name)

/** Files of segments that Kafka was about to delete when it was stopped are no news. */
const isNews = ({ kind, details }: StoreReport): boolean =>
  kind !== 'leftover-removed' || !String(details.path).endsWith('.deleted')

withPeer(peers.kafka(), 'a data directory of Kafka and the store in turn', () => {
  let kafka: JavaKafka
  let client: JavaClient
  let expected: Map<string, ComparedRecord[]>
  let found: readonly JavaFound[]
  /** Records of committed transactions that Kafka takes for aborted, as topic and offset. */
  const hidden = new Set<string>()

  /** Of a topic what Kafka shows to those who read only what is committed. */
  function committedOf(topic: string): ComparedRecord[] {
    const records = expected.get(topic)!.filter(isCommitted)
    return records.filter(({ offset }) => !hidden.has(`${topic} ${offset}`))
  }

  /**
   * Kafka is the judge: under load it was seen to write the marker of a transaction before the last
   * record of it.
   */
  async function noteHidden(): Promise<void> {
    const shown = await consumeAll({ 'isolation.level': 'read_committed' })
    for (const topic of names) {
      const offsets = new Set(shown.get(topic)!.map(({ offset }) => offset))
      for (const { offset } of committedOf(topic)) {
        if (!offsets.has(offset)) hidden.add(`${topic} ${offset}`)
      }
    }
    // An exception, not the rule.
    expect(hidden.size).toBeLessThan(5)
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
      const end = await whenCleaned(kafka, topic)
      expected.set(topic, latestByKey(expected.get(topic)!, end))
    }
    const seen = await consumeAll()
    for (const topic of names) {
      expect({ topic, records: seen.get(topic) }).toEqual({ topic, records: expected.get(topic) })
    }
  }

  async function expectSame(log: Log, topic: string): Promise<void> {
    expect({ topic, records: await readRecords(log) }).toEqual({
      topic,
      records: expected.get(topic),
    })
    // Kafka looks no further than the first segment late enough, although DeleteRecords hid it.
    const theirs = found.filter(
      (each) => each.topic === topic && (topic !== 'trimmed' || each.offset >= 0),
    )
    expect(await findTimes(log, theirs)).toEqual(theirs)
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
      startJavaKafka(kafkaConfig),
      startJavaClient(() => kafka.bootstrap),
    ])
    expected = await fillTopics(client, topics)
    await expectConsumed()
    found = await client.offsetsFor(names, askedTimes)
    await expect(openStore(kafka.logDir)).rejects.toMatchObject({ code: 'KFK_STORE_LOCKED' })
    await kafka.halt('SIGTERM')
  })
  afterAll(async () => {
    await client?.stop()
    await kafka?.stop()
  })

  test('after a clean stop: opens without a scan, reads all, appends', async () => {
    const reports: StoreReport[] = []
    const directory = await openStore(kafka.logDir, reports)
    expect(directory.cleanStart).toBe(true)
    for (const topic of names) {
      const log = await directory.open(`${topic}-0`)
      await expectSame(log, topic)
      expect(reports.filter(isNews)).toEqual([])
      await append(log, topic, 'after a clean stop')
    }
    await directory.close()
    const again = await openStore(kafka.logDir, reports)
    for (const topic of names) {
      expect(await readRecords(await again.open(`${topic}-0`))).toEqual(expected.get(topic))
    }
    await again.close()
    expect(reports.filter(isNews)).toEqual([])
  })

  test('Kafka takes it back without complaint and reads what the store appended', async () => {
    await kafka.start()
    await expectConsumed()
    expectGoodStart(kafka)
  })

  test('after kill -9 in the middle of a transaction: recovers all, reads, appends', async () => {
    const again = topics.filter(({ name }) => !/^codec-(gzip|snappy|lz4)|^by-|^trimmed/.test(name))
    for (const { name, work } of again) {
      for (const each of work) expected.get(name)!.push(...(await produceWork(client, each)))
    }
    const left = await produceWork(client, openTransaction('transactions', 3))
    expected.get('transactions')!.push(...left)
    await expectConsumed()
    await noteHidden()
    found = await client.offsetsFor(names, askedTimes)
    await kafka.halt('SIGKILL')
    const reports: StoreReport[] = []
    const epochs = names.map((name) => filesOf(path.join(kafka.logDir, `${name}-0`), /^leader-/))
    const directory = await openStore(kafka.logDir, reports)
    expect(directory.cleanStart).toBe(false)
    for (const [at, topic] of names.entries()) {
      const log = await directory.open(`${topic}-0`)
      await expectSame(log, topic)
      const unstable = topic === 'transactions' ? left[0]!.offset : log.logEndOffset
      expect({ topic, end: log.lastStableOffset() }).toEqual({ topic, end: unstable })
      const committed = committedOf(topic)
      expect({ topic, records: await readCommitted(log) }).toEqual({ topic, records: committed })
      await directory.checkpoint()
      // An epoch that wrote nothing is forgotten, which Kafka does as well when it loads a log.
      if (again.some(({ name }) => name === topic)) {
        const ours = filesOf(log.path, /^leader-/)
        expect({ topic, epochs: ours }).toEqual({ topic, epochs: epochs[at] })
      }
      await append(log, topic, 'after a kill')
    }
    await directory.close()
    // Taken over: if Kafka has lived for a minute, it has written checkpoints.
    const usual = /^(taken-over|unclean-start|recovered|leftover-removed|tracker-restored)$/
    expect(reports.filter(({ kind }) => !usual.test(kind))).toEqual([])
    const restored = reports.filter(({ kind }) => kind === 'tracker-restored')
    expect(restored.filter(({ details }) => !isDeepStrictEqual(details.damaged, []))).toEqual([])
    // Kafka's snapshots are good enough to begin from.
    expect(restored.filter(({ details }) => details.snapshot !== undefined)).not.toEqual([])
  })

  test('Kafka takes it back again, transactions included', async () => {
    await kafka.start()
    const back = await produceWork(client, returningTransaction('transactions'))
    expected.get('transactions')!.push(...back)
    await expectConsumed()
    const committed = await consumeAll({ 'isolation.level': 'read_committed' })
    for (const topic of names) {
      const records = committedOf(topic)
      expect({ topic, records: committed.get(topic) }).toEqual({ topic, records })
    }
    expectGoodStart(kafka)
    await client.deleteRecords('trimmed', 77)
    expected.set(
      'trimmed',
      expected.get('trimmed')!.filter(({ offset }) => offset >= 77),
    )
    await kafka.halt('SIGTERM')
  })

  test('what Kafka wrote into the checkpoints of the store counts', async () => {
    const reports: StoreReport[] = []
    const directory = await openStore(kafka.logDir, reports)
    for (const topic of names) {
      const log = await directory.open(`${topic}-0`)
      expect({ topic, records: await readRecords(log) }).toEqual({
        topic,
        records: expected.get(topic),
      })
      const committed = committedOf(topic)
      expect({ topic, records: await readCommitted(log) }).toEqual({ topic, records: committed })
    }
    await directory.close()
    expect(reports.map(({ kind }) => kind)).toEqual(['taken-over'])
  })
})
