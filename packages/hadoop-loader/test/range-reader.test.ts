// What the log has is not always one record an offset: control batches, holes of compaction, batches that reach beyond.
import type { Client } from '@kfk/client'
import {
  encodeRecordBatch,
  recordBatchFormat,
  stampBatch,
  writeControlRecord,
  ZERO_UUID,
} from '@kfk/protocol'
import { jsonLines } from '../src/formats/json-lines.js'
import type { AbortedTransaction } from '@kfk/protocol'
import { readRange } from '../src/range-reader.js'
import { copySplit } from '../src/split-copy.js'
import { MemoryTarget } from './memory-target.js'

function batch(baseOffset: number, count: number, options = {}): Uint8Array {
  const records = Array.from({ length: count }, (_, n) => ({
    value: JSON.stringify({ n: baseOffset + n }),
    timestamp: 1000,
  }))
  const bytes = encodeRecordBatch(records, { ...options })
  stampBatch(bytes, { baseOffset, leaderEpoch: 0 })
  return bytes
}

/** A batch that compaction has taken records from: the last offset stays. */
function compacted(bytes: Uint8Array, kept: (offset: number) => boolean): Uint8Array {
  return recordBatchFormat.records!.retain(bytes, kept)!
}

/** A client whose one partition has these batches. Each fetch gives one, from that with the offset on; several when there are transactions. */
function clientOf(
  log: readonly Uint8Array[],
  abortedTransactions: readonly AbortedTransaction[] = [],
): Client {
  const lastOffset = (bytes: Uint8Array) => recordBatchFormat.describe(bytes, 0).lastOffset
  return {
    retrying: (operation: () => Promise<unknown>) => operation(),
    metadata: {
      topic: () => Promise.resolve({ topicId: ZERO_UUID }),
      leader: () => Promise.resolve({ nodeId: 1 }),
      invalidate: () => undefined,
    },
    request: (_api: unknown, body: (version: number) => { topics: never[] }) => {
      const [topic] = body(12).topics as { partitions: { fetchOffset: number }[] }[]
      const { fetchOffset } = topic!.partitions[0]!
      const found = log.filter((bytes) => lastOffset(bytes) >= fetchOffset)
      const records = Buffer.concat(found.slice(0, abortedTransactions.length > 0 ? 9 : 1))
      const partitions = [{ errorCode: 0, records, abortedTransactions }]
      return Promise.resolve({ errorCode: 0, responses: [{ partitions }] })
    },
  } as unknown as Client
}

const split = (from: number, to: number) => ({ topic: 't', partition: 0, from, to })
const options = (client: Client) => ({
  client,
  signal: new AbortController().signal,
  lane: 'load:0',
  fetchBytes: 1000,
  topicId: ZERO_UUID,
})

async function offsetsOf(client: Client, from: number, to: number): Promise<number[]> {
  const found: number[] = []
  for await (const { records } of readRange(options(client), split(from, to))) {
    found.push(...records.map(({ offset }) => offset))
  }
  return found
}

const whole = [batch(0, 5), batch(5, 5), batch(10, 5)]
const holes = [
  batch(0, 3),
  batch(3, 1, { control: true }),
  compacted(batch(4, 6), (offset) => offset === 5 || offset === 7),
  batch(20, 4),
]

test.each([
  [0, 15, 15],
  [3, 12, 9],
  [6, 8, 2],
  [9, 11, 2],
])('of offsets %i to %i come %i records, whatever the batches', async (from, to, count) => {
  const expected = Array.from({ length: count }, (_, n) => from + n)
  expect(await offsetsOf(clientOf(whole), from, to)).toEqual(expected)
})

test('control batches and holes have no records, and end nothing', async () => {
  expect(await offsetsOf(clientOf(holes), 0, 24)).toEqual([0, 1, 2, 5, 7, 20, 21, 22, 23])
  expect(await offsetsOf(clientOf(holes), 3, 5)).toEqual([])
  expect(await offsetsOf(clientOf(holes), 6, 22)).toEqual([7, 20, 21])
})

test('a manifest accounts for every offset', async () => {
  const manifest = await copySplit(
    {
      ...options(clientOf(holes)),
      target: new MemoryTarget(),
      format: jsonLines(),
      timeField: undefined,
      compress: true,
      maxOpenFiles: 2,
      run: 'run',
      nowMs: 1,
      onOffsets: () => undefined,
    },
    split(0, 24),
  )
  expect(manifest).toMatchObject({ records: 9, rejected: 0, control: 15, missing: 0 })
})

test('aborted transactions have no records, committed ones and those around them do', async () => {
  const of = (producerId: bigint) => ({ producerId, producerEpoch: 0, baseSequence: 0 })
  const data = (offset: number, producerId: bigint) =>
    batch(offset, 2, { ...of(producerId), transactional: true })
  const marker = (offset: number, producerId: bigint, type: 'abort' | 'commit') => {
    const about = { producerId, producerEpoch: 0, timestamp: 1, baseOffset: offset }
    return writeControlRecord({ type, coordinatorEpoch: 0 }, about)
  }
  const log = [
    data(0, 1n), // aborted
    data(2, 2n), // committed
    batch(4, 1),
    marker(5, 1n, 'abort'),
    data(6, 1n), // the same producer again: committed
    marker(8, 2n, 'commit'),
    marker(9, 1n, 'commit'),
    data(10, 2n), // aborted
    marker(12, 2n, 'abort'),
    batch(13, 1),
  ]
  const aborted = [
    { producerId: 2n, firstOffset: 10 },
    { producerId: 1n, firstOffset: 0 },
  ]
  expect(await offsetsOf(clientOf(log, aborted), 0, 14)).toEqual([2, 3, 4, 6, 7, 13])
})

test('a batch that is damaged is an error that names the place', async () => {
  const damaged = Uint8Array.from(whole[1]!)
  damaged[damaged.length - 3]! ^= 1
  await expect(offsetsOf(clientOf([whole[0]!, damaged]), 0, 10)).rejects.toMatchObject({
    code: 'KFK_LOADER_CORRUPT_LOG',
    message: expect.stringMatching(/^t-0 cannot be read at offset 5: /),
  })
})

test('a leader that has nothing below its high watermark is asked again, not believed', async () => {
  await expect(offsetsOf(clientOf(whole), 0, 20)).rejects.toMatchObject({ retriable: true })
})

test('a topic that has another id is another topic', async () => {
  const reading = readRange({ ...options(clientOf(whole)), topicId: 'other' }, split(0, 15)).next()
  await expect(reading).rejects.toMatchObject({ code: 'KFK_LOADER_OTHER_TOPIC' })
})
