// What other brokers and earlier runs wrote: transactions, which are told apart for readers.
import { openLogDirectory } from '@kfk/log-store'
import {
  apis,
  batches,
  encodeRecordBatch,
  recordBatchFormat,
  writeControlRecord,
} from '@kfk/protocol'
import { batchOf, Harness, type RawClient } from './harness.js'

const harness = new Harness()
afterEach(() => harness.close())

const data = (producerId: bigint, baseSequence: number): Uint8Array =>
  encodeRecordBatch([{ key: null, value: `of ${producerId}`, timestamp: Date.now() }], {
    ...{ producerId, producerEpoch: 0, baseSequence, transactional: true },
  })

const marker = (producerId: bigint, type: 'commit' | 'abort'): Uint8Array =>
  writeControlRecord(
    { type, coordinatorEpoch: 1 },
    { producerId, producerEpoch: 0, timestamp: Date.now() },
  )

/** 0 plain, 1 and 3 aborted at 4, 2 committed at 5, 6 plain, 7 open, 8 plain. */
async function withTransactions(): Promise<RawClient> {
  const dataDir = await harness.directory()
  const broker = await harness.broker({ dataDir })
  const first = await harness.client(broker)
  await first.topic('events')
  await first.produce('events', batchOf(['plain']))
  await broker.close()
  const directory = await openLogDirectory(dataDir, { format: recordBatchFormat })
  const log = await directory.open('events-0')
  const leaderEpoch = log.latestEpoch!
  const written = [data(1n, 0), data(2n, 0), data(1n, 1), marker(1n, 'abort'), marker(2n, 'commit')]
  for (const batch of [...written, batchOf(['plain']), data(1n, 2), batchOf(['plain'])]) {
    log.append(batch, { leaderEpoch })
  }
  await directory.close()
  return harness.client(await harness.broker({ dataDir }))
}

const offsets = (records: Uint8Array | null): number[] =>
  [...batches(records ?? new Uint8Array())].map(({ header }) => header.baseOffset)

test('read_committed ends at the last stable offset and names what was aborted', async () => {
  const client = await withTransactions()
  const all = await client.fetch('events', 0)
  expect(all).toMatchObject({ highWatermark: 9, lastStableOffset: 7, abortedTransactions: null })
  expect(offsets(all.records)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
  const committed = await client.fetch('events', 0, { isolationLevel: 1 })
  expect(offsets(committed.records)).toEqual([0, 1, 2, 3, 4, 5, 6])
  expect(committed.abortedTransactions).toEqual([{ producerId: 1n, firstOffset: 1 }])
  const later = await client.fetch('events', 5, { isolationLevel: 1 })
  expect(later).toMatchObject({ lastStableOffset: 7, abortedTransactions: [] })
  expect(offsets(later.records)).toEqual([5, 6])
  const end = await client.fetch('events', 7, { isolationLevel: 1 })
  expect(end).toMatchObject({ abortedTransactions: [], errorCode: 0 })
  expect(offsets(end.records)).toEqual([])
})

test.each([
  [0, 9],
  [1, 7],
])('the end of the log at isolation level %i is %i', async (isolationLevel, offset) => {
  const client = await withTransactions()
  const response = await client.request(apis.listOffsets, 7, {
    replicaId: -1,
    isolationLevel,
    topics: [{ name: 'events', partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
  })
  expect(response.topics[0]!.partitions[0]).toMatchObject({ errorCode: 0, offset })
})
