/*
 * A data directory that Kafka 4.2 closed, kept in `fixtures/kafka-4.2`: what the store makes of it,
 * and of the same batches, without a Kafka at hand. To record it again:
 * `KFK_RECORD_KAFKA=true npx jest packages/testing/test/log-store-kafka-fixtures.test.ts`.
 */
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Clock, StoreReport } from '@kfk/log-store'
import { type JavaFound, startJavaClient, startJavaKafka } from '../src/index'
import { activeBase, kafkaConfig, whenCleaned } from './support/kafka-peer'
import {
  filesOf,
  findTimes,
  openStore,
  readBatches,
  readCommitted,
  readRecords,
} from './support/kafka-store'
import {
  askedTimes,
  compactedTopics,
  fillTopics,
  isCommitted,
  kafkaTopics,
  latestByKey,
  openTransaction,
  sentRecords,
  startTimestamp,
} from './support/kafka-topics'

const fixture = path.join(__dirname, '../fixtures/kafka-4.2')
/** Per topic: timestamp asked for, offset and timestamp found. */
const timesFile = path.join(fixture, 'offsets-for-times.json')
/** One transaction is left open. */
const topics = kafkaTopics('small').map((topic) =>
  topic.name === 'transactions'
    ? { ...topic, work: [...topic.work, openTransaction(topic.name, 2)] }
    : topic,
)
const names = topics.map(({ name }) => name)
const dataFile = /\.(log|index|timeindex)$|^leader-epoch-checkpoint$/
const producerFile = /^\d{20}\.(snapshot|txnindex)$/
/** When the records were young: producers are forgotten after a day. */
const clock: Clock = {
  now: () => startTimestamp,
  monotonicMs: () => performance.now(),
  setTimer: () => ({ cancel: () => undefined }),
}

const someTimes = askedTimes.filter((_, at) => at < 6 || at % 2 === 0)

let dir: string
beforeEach(() => {
  dir = fs.mkdtempSync(path.join(tmpdir(), 'kfk-store-kafka-4.2-'))
})
afterEach(() => fs.rmSync(dir, { recursive: true }))

async function record(): Promise<void> {
  const kafka = await startJavaKafka(kafkaConfig)
  const client = await startJavaClient(() => kafka.bootstrap)
  try {
    await fillTopics(client, topics)
    for (const topic of compactedTopics) await whenCleaned(kafka, topic)
    const found = await client.offsetsFor(names, someTimes)
    await kafka.halt('SIGTERM')
    fs.rmSync(fixture, { recursive: true, force: true })
    const kept = new Set([...names.map((name) => `${name}-0`), '.kafka_cleanshutdown'])
    for (const name of fs.readdirSync(kafka.logDir)) {
      if (!kept.has(name) && !name.endsWith('-offset-checkpoint')) continue
      fs.cpSync(path.join(kafka.logDir, name), path.join(fixture, name), { recursive: true })
    }
    fs.writeFileSync(timesFile, textOf(found))
  } finally {
    await client.stop()
    await kafka.stop()
  }
}

/** As prettier has it, so that a new recording differs only where Kafka does. */
function textOf(found: readonly JavaFound[]): string {
  const lists = names.map((name) => {
    const places = found.filter(({ topic }) => topic === name)
    const rows = places.map(({ asked, offset, timestamp }) => [asked, offset, timestamp].join(', '))
    return `  "${name}": [\n${rows.map((row) => `    [${row}]`).join(',\n')}\n  ]`
  })
  return `{\n${lists.join(',\n')}\n}\n`
}

if (process.env.KFK_RECORD_KAFKA !== undefined) beforeAll(record, 120_000)

function copyFixture(): string {
  fs.cpSync(fixture, dir, { recursive: true })
  return dir
}

function foundTimes(): JavaFound[] {
  type Places = Record<string, [number, number, number][]>
  const topics = Object.entries(JSON.parse(fs.readFileSync(timesFile, 'utf8')) as Places)
  return topics.flatMap(([topic, places]) =>
    places.map(([asked, offset, timestamp]) => ({ topic, asked, offset, timestamp })),
  )
}

test('the fixture stands as the recorder writes it', () => {
  expect(textOf(foundTimes())).toBe(fs.readFileSync(timesFile, 'utf8'))
})

test('opens without a scan; every record is there, and found by its time as Kafka finds it', async () => {
  const reports: StoreReport[] = []
  const directory = await openStore(copyFixture(), reports)
  expect(directory.cleanStart).toBe(true)
  const found = foundTimes()
  for (const topic of topics) {
    const { name } = topic
    const log = await directory.open(`${name}-0`)
    const seen = await readRecords(log)
    let sent = sentRecords(topic)
    if (compactedTopics.includes(name)) sent = latestByKey(sent, activeBase(log.path))
    if (name === 'append-time') {
      // The broker's clock, which never went back here.
      const times = seen.map(({ timestamp }) => timestamp)
      expect(times).toEqual([...times].sort((a, b) => a - b))
      sent = sent.map((each, at) => ({ ...each, timestamp: times[at]! }))
    }
    expect({ name, records: seen }).toEqual({ name, records: sent })
    expect(await readCommitted(log)).toEqual(sent.filter(isCommitted))
    // Kafka looks no further than the first segment late enough, although DeleteRecords hid it.
    const theirs = found.filter(
      (each) => each.topic === name && (name !== 'trimmed' || each.offset >= 0),
    )
    expect(theirs.length).toBeGreaterThan(3)
    expect(await findTimes(log, theirs)).toEqual(theirs)
  }
  await directory.close()
  expect(reports).toEqual([])
})

test('the same batches through the store give the same files, byte for byte', async () => {
  const from = await openStore(copyFixture())
  const target = fs.mkdtempSync(path.join(tmpdir(), 'kfk-store-kafka-again-'))
  const to = await openStore(target, [], { clock })
  // A cleaner has been at the compacted ones, and DeleteRecords leaves a part of a segment.
  const plain = names.filter((name) => !compactedTopics.includes(name) && name !== 'trimmed')
  for (const name of plain) {
    const log = await to.open(`${name}-0`)
    for (const batch of await readBatches(await from.open(`${name}-0`))) log.appendReplicated(batch)
  }
  await from.close()
  await to.close()
  for (const name of plain) {
    const theirs = filesOf(path.join(fixture, `${name}-0`), dataFile)
    expect(Object.keys(theirs).length).toBeGreaterThan(3)
    expect({ name, files: filesOf(path.join(target, `${name}-0`), dataFile) }).toEqual({
      name,
      files: theirs,
    })
  }
  const kinds = new Set<string>()
  for (const name of plain) {
    const theirs = filesOf(path.join(fixture, `${name}-0`), producerFile)
    for (const file of Object.keys(theirs)) kinds.add(path.extname(file))
    expect({ name, files: filesOf(path.join(target, `${name}-0`), producerFile) }).toEqual({
      name,
      files: theirs,
    })
  }
  expect([...kinds].sort()).toEqual(['.snapshot', '.txnindex'])
  fs.rmSync(target, { recursive: true })
})

test('files that are lost are made again as they were, byte for byte', async () => {
  copyFixture()
  fs.rmSync(path.join(dir, '.kafka_cleanshutdown'))
  fs.rmSync(path.join(dir, 'recovery-point-offset-checkpoint'))
  for (const name of names) {
    // What a cleaner took away cannot tell any more where an epoch or a transaction began.
    const lost = compactedTopics.includes(name) ? /index$/ : /index$|snapshot$|^leader-/
    for (const file of fs.readdirSync(path.join(dir, `${name}-0`))) {
      if (lost.test(file)) fs.rmSync(path.join(dir, `${name}-0`, file))
    }
  }
  const directory = await openStore(dir, [], { clock })
  await directory.close()
  for (const name of names) {
    const looked = compactedTopics.includes(name) ? dataFile : /^[^k]/
    const ours = filesOf(path.join(dir, `${name}-0`), looked)
    const theirs = filesOf(path.join(fixture, `${name}-0`), looked)
    // Nobody needs the older snapshots any more; Kafka too makes those of the last two segments.
    const old = Object.keys(theirs).filter((file) => file.endsWith('.snapshot') && !(file in ours))
    const snapshots = Object.keys(ours).filter((file) => file.endsWith('.snapshot'))
    expect(snapshots.length).toBeGreaterThanOrEqual(Math.min(2, snapshots.length + old.length))
    const wanted = Object.entries(theirs).filter(([file]) => !old.includes(file))
    expect({ name, files: ours }).toEqual({ name, files: Object.fromEntries(wanted) })
  }
})
