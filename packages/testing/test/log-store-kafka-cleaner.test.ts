/*
 * Two cleaners, one result: the store compacts a copy of what Kafka's cleaner compacts, and Kafka
 * serves it; and whatever step a compaction was stopped at, both open the directory to the same log.
 */
import fs from 'node:fs'
import path from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { LogOptions, StoreReport } from '@kfk/log-store'
import {
  type JavaClient,
  type JavaKafka,
  peers,
  startJavaClient,
  startJavaKafka,
  withPeer,
} from '../src/index'
import { activeBase, expectGoodStart, kafkaConfig, whenCleaned } from './support/kafka-peer'
import {
  describeBatches,
  openStore,
  readBatches,
  readCommitted,
  readRecords,
} from './support/kafka-store'
import {
  compactedTopic,
  compactedTopics,
  type ComparedRecord,
  comparedJava,
  fillTopics,
  isCommitted,
  kafkaTopics,
  latestByKey,
} from './support/kafka-topics'
import { segmentBases, swapStates } from './support/swap-states'

const small = { 'segment.ms': '9000000000000', 'internal.segment.bytes': '2500' }
/** Larger, so that not all becomes one segment. */
const topics = kafkaTopics('full')
  .filter(({ name }) => compactedTopics.includes(name))
  .map((topic) => (topic.name === 'compacted' ? compactedTopic(260) : topic))
  .map((topic) => ({ ...topic, config: { ...topic.config, ...small } }))
const ours = compactedTopics.map((name) => `ours-${name}`)
const states = Object.keys(swapStates)
const compact: Partial<LogOptions> = {
  cleanupPolicy: 'compact',
  segmentMs: 9_000_000_000_000,
  segmentBytes: 4000,
}

withPeer(peers.kafka(), "the store's cleaner and Kafka's", () => {
  let kafka: JavaKafka
  let client: JavaClient
  let sent: Map<string, ComparedRecord[]>
  /** Kafka's directory before either cleaner was there. */
  let before: string
  /** The same, compacted by the store. */
  let after: string
  /** Kafka's directory before its second start, with compactions stopped at every step. */
  let stopped: string
  /** What Kafka made of it. */
  let seen: Map<string, ComparedRecord[]>

  const kept = (dir: string, topic: string): string => path.join(dir, `${topic}-0`)

  /** All of a partition directory but which topic it belongs to. */
  function replaceFiles(target: string, source: string): void {
    for (const file of fs.readdirSync(target)) {
      if (file !== 'partition.metadata') fs.rmSync(path.join(target, file))
    }
    for (const file of fs.readdirSync(source)) {
      if (file !== 'partition.metadata') fs.cpSync(path.join(source, file), path.join(target, file))
    }
  }

  async function consume(names: readonly string[], config = {}) {
    const seen = new Map(names.map((name): [string, ComparedRecord[]] => [name, []]))
    for (const record of await client.consume(names, config)) {
      seen.get(record.topic)!.push(comparedJava(record))
    }
    return seen
  }

  beforeAll(async () => {
    ;[kafka, client] = await Promise.all([
      // Its cleaner sleeps until the next start.
      startJavaKafka({ ...kafkaConfig, 'log.cleaner.backoff.ms': '86400000' }),
      startJavaClient(() => kafka.bootstrap),
    ])
    const later = { ...topics[0]!.config, 'min.compaction.lag.ms': '9000000000000' }
    const passive = [...ours, ...states].map((name): [string, typeof later] => [name, later])
    await client.createTopics(Object.fromEntries(passive))
    sent = await fillTopics(client, topics)
    await kafka.halt('SIGTERM')
    const root = path.dirname(kafka.logDir)
    before = path.join(root, 'before')
    after = path.join(root, 'after')
    fs.cpSync(kafka.logDir, before, { recursive: true })
    fs.cpSync(kafka.logDir, after, { recursive: true })
  })
  afterAll(async () => {
    await client?.stop()
    await kafka?.stop()
  })

  test('the store leaves the latest record of each key', async () => {
    const directory = await openStore(after)
    for (const topic of compactedTopics) {
      const log = await directory.open(`${topic}-0`, compact)
      const [report] = await directory.compact(log.name)
      expect(report).toBeDefined()
      const left = latestByKey(sent.get(topic)!, activeBase(log.path))
      expect(left.length).toBeLessThan(sent.get(topic)!.length / 2)
      expect({ topic, records: await readRecords(log) }).toEqual({ topic, records: left })
      expect(await readCommitted(log)).toEqual(left.filter(isCommitted))
    }
    await directory.close()
    const checkpoint = fs.readFileSync(path.join(after, 'cleaner-offset-checkpoint'), 'utf8')
    for (const topic of compactedTopics) {
      expect(checkpoint).toContain(`${topic} 0 ${activeBase(kept(after, topic))}\n`)
    }
  })

  test('Kafka leaves the same batches, and serves those of the store', async () => {
    const checkpoint = fs.readFileSync(path.join(after, 'cleaner-offset-checkpoint'), 'utf8')
    const file = path.join(kafka.logDir, 'cleaner-offset-checkpoint')
    fs.writeFileSync(file, checkpoint.replaceAll('compacted', 'ours-compacted'))
    for (const topic of compactedTopics) {
      const target = kept(kafka.logDir, `ours-${topic}`)
      replaceFiles(target, kept(after, topic))
      const aside = 'kfk.quarantine.120.00000000000000000000.log.cut'
      fs.writeFileSync(path.join(target, aside), 'what a recovery had cut')
    }
    for (const state of states) {
      const target = kept(kafka.logDir, state)
      replaceFiles(target, kept(before, 'compacted'))
      const dirs = { before: kept(before, 'compacted'), after: kept(after, 'compacted'), target }
      swapStates[state]!(dirs)
    }
    stopped = path.join(path.dirname(kafka.logDir), 'stopped')
    fs.cpSync(kafka.logDir, stopped, { recursive: true })
    await kafka.start(kafkaConfig)
    for (const topic of compactedTopics) await whenCleaned(kafka, topic)
    seen = await consume([...ours, ...states])
    const committed = await consume(ours, { 'isolation.level': 'read_committed' })
    const text = fs.readFileSync(file, 'utf8')
    for (const line of checkpoint.split('\n').slice(2, -1)) expect(text).toContain(`ours-${line}`)
    expectGoodStart(kafka)
    await kafka.halt('SIGTERM')

    const theirs = await openStore(kafka.logDir)
    const mine = await openStore(after)
    for (const topic of compactedTopics) {
      const log = await mine.open(`${topic}-0`)
      const records = await readRecords(log)
      expect(seen.get(`ours-${topic}`)).toEqual(records)
      expect(committed.get(`ours-${topic}`)).toEqual(records.filter(isCommitted))
      const cleaned = await readBatches(await theirs.open(`${topic}-0`))
      expect(describeBatches(await readBatches(log))).toEqual(describeBatches(cleaned))
    }
    await theirs.close()
    await mine.close()
  })

  /** How to tell of each of the two replacements whether the old segments or the new one hold. */
  async function makeJudge(): Promise<(records: readonly ComparedRecord[]) => string> {
    const offsetsOf = async (dir: string): Promise<number[]> => {
      const directory = await openStore(dir)
      const records = await readRecords(await directory.open('compacted-0'))
      await directory.close()
      return records.map(({ offset }) => offset)
    }
    const offsets = { old: await offsetsOf(before), new: await offsetsOf(after) }
    const bounds = segmentBases(kept(after, 'compacted')).slice(0, 3)
    return (records) => {
      const told = bounds.slice(1).map((end, at) => {
        const within = (offset: number) => offset >= bounds[at]! && offset < end
        const found = records.map(({ offset }) => offset).filter(within)
        const same = Object.entries(offsets).filter(([, each]) =>
          isDeepStrictEqual(each.filter(within), found),
        )
        return same[0]?.[0] ?? `neither: ${found.join()}`
      })
      return told.join(', ')
    }
  }

  test('both end a compaction that was stopped in the same way', async () => {
    const judge = await makeJudge()
    const reports: StoreReport[] = []
    const directory = await openStore(stopped, reports, { offsetGaps: true })
    const inKafka: Record<string, string> = {}
    const inStore: Record<string, string> = {}
    for (const state of states) {
      const log = await directory.open(`${state}-0`)
      inKafka[state] = judge(seen.get(state)!)
      inStore[state] = judge(await readRecords(log))
      const passing = fs.readdirSync(log.path).filter((name) => /\.(swap|cleaned)$/.test(name))
      expect({ state, passing }).toEqual({ state, passing: [] })
    }
    await directory.close()
    expect(inStore).toEqual(inKafka)
    expect(new Set(Object.values(inKafka))).toEqual(new Set(['old, old', 'new, old', 'new, new']))
    const usual = /^(leftover-removed|compaction-finished|index-rebuilt)$/
    expect(reports.filter(({ kind }) => !usual.test(kind))).toEqual([])
  })
})
