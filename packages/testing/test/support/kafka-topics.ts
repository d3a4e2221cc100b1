/* Topics of every kind, as steps for Kafka's own producer, and how records are compared. */
import { createHash } from 'node:crypto'
import type { JavaClient, JavaRecord, JavaStep } from '../../src/index.js'

export type RecordStep = Exclude<JavaStep, string>
type Config = Readonly<Record<string, string>>

export interface Work {
  readonly steps: readonly JavaStep[]
  readonly producer: Config
}

export interface KafkaTopic {
  readonly name: string
  readonly config: Config
  /** Producers one after another. */
  readonly work: readonly Work[]
  /** DeleteRecords up to here, at the end. */
  readonly deleteBefore?: number
}

/** A record as all readers tell it: bytes shortened to what tells them apart. */
export interface ComparedRecord {
  readonly offset: number
  readonly timestamp: number
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly string[]
}

export const startTimestamp = 1_700_000_000_000

/** Timestamps to find: spread over what is sent, before and after it; -2: earliest, -3: largest. */
export const askedTimes = [
  ...[-2, -3, 0, 1, 2, 9e12],
  ...Array.from({ length: 40 }, (_, n) => startTimestamp - 10_500 + n * 10_007),
]

export const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const

/** Nothing is sent before a flush: the steps alone say what a batch holds. */
const onlyOnFlush: Config = {
  'linger.ms': '60000',
  'batch.size': '4000000',
  'max.request.size': '4000000',
}

const segments: Config = {
  'segment.ms': '60000',
  'index.interval.bytes': '200',
  'retention.ms': '-1',
}

/** Segments end when the time index, of 12 bytes an entry, is full. */
const smallIndexes: Config = {
  'segment.ms': '9000000000000',
  'segment.index.bytes': '100',
  'index.interval.bytes': '300',
}

/** Markers have the time of the broker's clock, by which segments would roll as it pleases. */
const smallSegments: Config = { 'segment.ms': '9000000000000', 'internal.segment.bytes': '1500' }

const base64 = (text: string): string => Buffer.from(text).toString('base64')

function short(bytes: Uint8Array | null): string | null {
  if (bytes === null) return null
  if (bytes.length <= 40) return Buffer.from(bytes).toString('latin1')
  return `${bytes.length} bytes ${createHash('md5').update(bytes).digest('hex')}`
}

export function compared(record: {
  offset: number
  timestamp: number
  key: Uint8Array | null
  value: Uint8Array | null
  headers: readonly { key: string; value: Uint8Array | null }[]
}): ComparedRecord {
  const { offset, timestamp, key, value } = record
  const headers = record.headers.map((header) => `${header.key}=${short(header.value)}`)
  return { offset, timestamp, key: short(key), value: short(value), headers }
}

const bytesOf = (text: string | null): Uint8Array | null =>
  text === null ? null : Buffer.from(text, 'base64')

export function comparedJava(record: JavaRecord): ComparedRecord {
  const { headers, key, value } = record
  return compared({
    ...record,
    key: bytesOf(key),
    value: bytesOf(value),
    headers: headers.map((header) => ({ key: header.key, value: bytesOf(header.value) })),
  })
}

/** Batches of 1 to 5 records over some minutes, timestamps also backwards. */
function plainSteps(topic: string, batches: number, seed = 7): JavaStep[] {
  const steps: JavaStep[] = []
  let state = seed
  for (let batch = 0; batch < batches; batch++) {
    for (let at = 0; at <= batch % 5; at++) {
      state = (state * 1103515245 + 12345) % 2147483648
      const value = `value ${batch} ${at} `.repeat(1 + ((state >> 8) % 7))
      const timestamp = startTimestamp + batch * 4000 - ((state >> 4) % 9000)
      steps.push({ topic, key: base64(`key ${state % 10}`), value: base64(value), timestamp })
    }
    steps.push('flush')
  }
  return steps
}

function plain(name: string, batches: number, codec = 'none'): KafkaTopic {
  const producer = { ...onlyOnFlush, 'compression.type': codec }
  return { name, config: segments, work: [{ steps: plainSteps(name, batches), producer }] }
}

/** Everything that a record may lack or have too much of; not idempotent. */
function unusualTopic(largeBytes: number): KafkaTopic {
  const topic = 'unusual'
  const timestamp = startTimestamp
  const headers = [
    { key: 'a', value: base64('1') },
    { key: 'a', value: null },
    { key: '', value: '' },
    { key: 'größe', value: base64('x'.repeat(300)) },
  ]
  const large = Buffer.alloc(largeBytes, 'large record ').toString('base64')
  const steps: JavaStep[] = [
    { topic, key: null, value: null, timestamp },
    { topic, key: '', value: '', timestamp: timestamp + 5 },
    { topic, key: base64('tombstone'), value: null, timestamp: timestamp - 1000, headers },
    'flush',
    { topic, key: null, value: large, timestamp: timestamp + 7000 },
    'flush',
    { topic, key: base64('long ago'), value: base64('x'), timestamp: 1 },
    { topic, key: base64('at zero'), value: base64('x'), timestamp: 0, headers },
    'flush',
    { topic, key: base64('in between'), value: base64('x'), timestamp: timestamp + 6000 },
    'flush',
    { topic, key: large, value: null, timestamp: timestamp + 6500 },
    'flush',
  ]
  const producer = { ...onlyOnFlush, 'enable.idempotence': 'false', acks: '1' }
  const config = { ...segments, 'max.message.bytes': '4000000' }
  return { name: topic, config, work: [{ steps, producer }] }
}

function appendTimeTopic(): KafkaTopic {
  const name = 'append-time'
  const config = { ...segments, 'message.timestamp.type': 'LogAppendTime' }
  return {
    name,
    config,
    work: [
      { steps: plainSteps(name, 8, 11), producer: { ...onlyOnFlush, 'compression.type': 'lz4' } },
      { steps: plainSteps(name, 8, 12), producer: onlyOnFlush },
    ],
  }
}

const cleaned: Config = {
  ...segments,
  'cleanup.policy': 'compact',
  'min.cleanable.dirty.ratio': '0.001',
  'file.delete.delay.ms': '100',
}

/** Few keys, often written, some deleted in between; now and then one that stays. */
function compactedSteps(topic: string, batches: number): JavaStep[] {
  const steps: JavaStep[] = []
  for (let batch = 0; batch < batches; batch++) {
    for (let at = 0; at < 4; at++) {
      const lasting = at === 3 && batch % 6 === 0
      const key = base64(lasting ? `only ${batch}` : `key ${(batch * 3 + at) % 17}`)
      const value = base64(`value ${batch} ${at} ${'x'.repeat(batch % 30)}`)
      const timestamp = startTimestamp + batch * 3000 + at
      const gone = batch % 11 === 10 && at === 2
      steps.push({ topic, key, value: gone ? null : value, timestamp })
    }
    steps.push('flush')
  }
  return steps
}

export function compactedTopic(batches: number): KafkaTopic {
  const name = 'compacted'
  const steps = compactedSteps(name, batches)
  const half = Math.floor(batches / 2) * 5
  return {
    name,
    config: cleaned,
    work: [
      { steps: steps.slice(0, half), producer: onlyOnFlush },
      { steps: steps.slice(half), producer: { ...onlyOnFlush, 'compression.type': 'zstd' } },
    ],
  }
}

/** Two producers, the second with aborts; then the first again. */
function transactionalWork(topic: string, rounds: number): Work[] {
  const steps = (of: string, from: number, aborts: boolean): JavaStep[] => {
    const all: JavaStep[] = []
    for (let round = 0; round < rounds; round++) {
      all.push('begin')
      for (let at = 0; at < 3; at++) {
        const timestamp = startTimestamp + (from + round) * 8000 + at
        const value = base64(`${of} ${round} ${at} ${aborts && round % 2 === 0 ? 'no' : 'yes'}`)
        all.push({ topic, key: base64(`key ${(round + at) % 5}`), value, timestamp })
        if (at === 1) all.push('flush')
      }
      all.push(aborts && round % 2 === 0 ? 'abort' : 'commit')
    }
    return all
  }
  const producer = (id: string) => ({ ...onlyOnFlush, 'transactional.id': `${topic}-${id}` })
  return [
    { steps: steps('first', 0, false), producer: producer('first') },
    { steps: steps('second', rounds, true), producer: producer('second') },
    { steps: steps('again', rounds * 2, false), producer: producer('first') },
  ]
}

/** A transaction that its producer neither commits nor aborts. */
export function openTransaction(topic: string, records: number): Work {
  const steps: JavaStep[] = ['begin']
  for (let at = 0; at < records; at++) {
    steps.push(
      { topic, key: null, value: base64(`open ${at} no`), timestamp: startTimestamp },
      'flush',
    )
  }
  steps.push('vanish')
  return { steps, producer: { ...onlyOnFlush, 'transactional.id': `${topic}-open` } }
}

/** The same producer comes back, which ends that transaction, and commits one record. */
export function returningTransaction(topic: string): Work {
  const record = { topic, key: null, value: base64('back yes'), timestamp: startTimestamp }
  return { ...openTransaction(topic, 0), steps: ['begin', record, 'commit'] }
}

/** Of what {@link kafkaTopics} sends, by its value: not in an aborted transaction. */
export const isCommitted = (record: ComparedRecord): boolean => !record.value?.endsWith(' no')

/** The topics whose log Kafka's cleaner rewrites. */
export const compactedTopics = ['compacted', 'compacted-transactions']

/** `small`: for fixtures. */
export function kafkaTopics(size: 'small' | 'full'): KafkaTopic[] {
  const batches = size === 'small' ? 30 : 90
  const transactions: KafkaTopic = {
    name: 'transactions',
    config: { ...segments, ...smallSegments },
    work: transactionalWork('transactions', size === 'small' ? 6 : 14),
  }
  const compactedTransactions: KafkaTopic = {
    name: 'compacted-transactions',
    config: { ...cleaned, ...smallSegments },
    work: transactionalWork('compacted-transactions', size === 'small' ? 6 : 14),
  }
  return [
    ...codecs.map((codec) => plain(`codec-${codec}`, batches, codec)),
    { ...plain('trimmed', batches), deleteBefore: 41 },
    { ...plain('by-size', batches), config: { ...segments, ...smallSegments } },
    { ...plain('by-index', batches), config: { ...segments, ...smallIndexes } },
    unusualTopic(size === 'small' ? 1500 : 900_000),
    appendTimeTopic(),
    compactedTopic(batches),
    transactions,
    compactedTransactions,
  ]
}

/** The records of a topic that was filled by its work alone; timestamps are those of the producer. */
export function sentRecords(topic: KafkaTopic): ComparedRecord[] {
  const records: ComparedRecord[] = []
  const { deleteBefore = 0 } = topic
  let offset = 0
  for (const step of topic.work.flatMap(({ steps }) => steps)) {
    if (typeof step !== 'string') {
      const { key, value, headers = [], timestamp = -1 } = step
      records.push(comparedJava({ topic: topic.name, offset, timestamp, key, value, headers }))
      offset++
    }
    // A marker takes an offset as well.
    if (step === 'commit' || step === 'abort') offset++
  }
  return records.filter((record) => record.offset >= deleteBefore)
}

/** Creates and fills the topics; answers what was acknowledged, per topic, in order of offsets. */
export async function fillTopics(
  client: JavaClient,
  topics: readonly KafkaTopic[],
): Promise<Map<string, ComparedRecord[]>> {
  await client.createTopics(Object.fromEntries(topics.map(({ name, config }) => [name, config])))
  const filled = new Map<string, ComparedRecord[]>()
  for (const { name, work, deleteBefore = 0 } of topics) {
    const records: ComparedRecord[] = []
    for (const each of work) records.push(...(await produceWork(client, each)))
    if (deleteBefore > 0) await client.deleteRecords(name, deleteBefore)
    filled.set(
      name,
      records.filter(({ offset }) => offset >= deleteBefore),
    )
  }
  return filled
}

export async function produceWork(client: JavaClient, work: Work): Promise<ComparedRecord[]> {
  const places = await client.produce(work.steps, work.producer)
  const sent = work.steps.filter((step): step is RecordStep => typeof step !== 'string')
  return sent.map((record, at) => comparedJava({ headers: [], ...record, ...places[at]! }))
}

/** What Kafka's cleaner must leave of `records` below `end`: the last of each key, tombstones too. */
export function latestByKey(records: readonly ComparedRecord[], end: number): ComparedRecord[] {
  const latest = new Map<string | null, number>()
  for (const { key, offset } of records) if (offset < end) latest.set(key, offset)
  return records.filter(({ key, offset }) => offset >= end || latest.get(key) === offset)
}
