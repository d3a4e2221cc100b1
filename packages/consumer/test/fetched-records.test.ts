import {
  AbortedTransactions,
  encodeRecordBatch,
  RecordPlaces,
  stampBatch,
  writeControlRecord,
} from '@kfk/protocol'
import { FetchedRecords } from '../src/fetched-records.js'
import { PrefetchMemory } from '../src/prefetch-memory.js'

const place = { topic: 't', partition: 0 }

const batch = (producerId: bigint, value: string, transactional = true): Uint8Array =>
  encodeRecordBatch([{ key: null, value, timestamp: 1 }], {
    ...(producerId < 0n ? {} : { producerId, producerEpoch: 0, baseSequence: 0, transactional }),
  })

const end = (producerId: bigint, type: 'commit' | 'abort'): Uint8Array =>
  writeControlRecord({ type, coordinatorEpoch: 0 }, { producerId, producerEpoch: 0, timestamp: 1 })

/** One after the other from offset 0. */
function logOf(...parts: Uint8Array[]): Uint8Array {
  parts.forEach((bytes, offset) => stampBatch(bytes, { baseOffset: offset, leaderEpoch: 0 }))
  return Buffer.concat(parts)
}

const valuesIn = (records: FetchedRecords): string[] => {
  const run = records.take(100, 0)
  return (run?.records ?? []).map(({ value }) => Buffer.from(value!).toString())
}

describe('of transactions that were aborted', () => {
  const bytes = logOf(
    batch(1n, 'kept 0'),
    end(1n, 'commit'),
    batch(1n, 'gone 2'),
    batch(2n, 'kept 3'),
    batch(-1n, 'plain 4'),
    batch(1n, 'gone 5'),
    end(1n, 'abort'),
    batch(1n, 'kept 7'),
    batch(1n, 'outside 8', false),
    batch(3n, 'gone 9'),
    end(2n, 'commit'),
    end(3n, 'abort'),
  )
  const aborted = () =>
    new AbortedTransactions([
      { producerId: 3n, firstOffset: 9 },
      { producerId: 1n, firstOffset: 2 },
    ])
  const kept = ['kept 0', 'kept 3', 'plain 4', 'kept 7', 'outside 8']

  function added(position = 0): FetchedRecords {
    const records = new FetchedRecords(place)
    const answer = new PrefetchMemory().answer(bytes)
    expect(records.add(bytes, position, answer, aborted())).toBe(12)
    return records
  }

  test('nothing is given, and all is used up', () => {
    const records = added()
    const run = records.take(100, 0)!
    expect(run.records.map(({ value }) => Buffer.from(value!).toString())).toEqual(kept)
    expect([run.nextOffset, records.isEmpty]).toEqual([12, true])
    expect(valuesIn(added(3))).toEqual(kept.slice(1))
    // What is told of a transaction holds also where reading goes on in its middle.
    expect(valuesIn(added(5))).toEqual(kept.slice(3))
  })

  test('nothing is given batch by batch', () => {
    const records = added()
    const seen: number[] = []
    for (let wanted = 0; ;) {
      const run = records.takeBatch(wanted, new RecordPlaces())
      if (run === undefined) break
      if (run.batch !== undefined) seen.push(run.batch.source.baseOffset)
      wanted = run.nextOffset
      records.release(run)
    }
    expect(seen).toEqual([0, 3, 4, 7, 8])
    expect([records.bytes, records.isEmpty]).toEqual([0, true])
  })

  test('without a list everything but the markers is given', () => {
    const records = new FetchedRecords(place)
    records.add(bytes, 0, new PrefetchMemory().answer(bytes))
    expect(valuesIn(records)).toHaveLength(8)
  })
})
