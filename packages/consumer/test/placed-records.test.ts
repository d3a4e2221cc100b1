import { encodeRecordBatch, RecordPlaces } from '@kfk/protocol'
import { AssignedPartition } from '../src/assigned-partition.js'
import { PrefetchMemory } from '../src/prefetch-memory.js'
import { ConsumerCluster, take, text } from './consumer-cluster.js'

const values = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, at) => `${from + at}`)

describe('records() of large batches', () => {
  test('come in order between small ones, over loops that were left and other ways to read', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    const ends = [200, 201, 203, 300, 363, 427, 700]
    for (const [at, end] of ends.entries()) {
      cluster.append('t', 0, values(at === 0 ? 0 : ends[at - 1]!, end))
    }
    await using consumer = cluster.consumer({ topics: ['t'] })
    // The record in hand comes again, which is what the last of each line is.
    expect(await take(consumer, 150)).toEqual(values(0, 150))
    expect(await take(consumer, 100)).toEqual(values(149, 249))
    for await (const { records } of consumer.batches({ maxRecords: 3 })) {
      expect(records.map(text)).toEqual(values(248, 251))
      break
    }
    expect(await take(consumer, 10)).toEqual(values(248, 258))
    consumer.seek({ topic: 't', partition: 0 }, 360n)
    expect(await take(consumer, 340)).toEqual(values(360, 700))
  })

  test('have offsets, times, and parts of their own, and may be kept', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    cluster.append('t', 0, values(0, 100))
    await using consumer = cluster.consumer({ topics: ['t'] })
    const kept = []
    for await (const record of consumer) {
      kept.push(record)
      if (kept.length === 100) break
    }
    expect(kept.map(({ offset }) => Number(offset))).toEqual(kept.map((_, at) => at))
    expect(kept.map(text)).toEqual(values(0, 100))
    expect(kept[99]).toMatchObject({ topic: 't', partition: 0, key: null, headers: [] })
    expect(new Set(kept).size).toBe(100)
  })

  test('keep their memory from being used again, those of a handler do not', () => {
    for (const isKept of [true, false]) {
      const givenBack: Uint8Array[] = []
      const memory = new PrefetchMemory((bytes) => void givenBack.push(bytes))
      const partition = new AssignedPartition({ topic: 't', partition: 0 })
      partition.seek(0)
      const bytes = encodeRecordBatch(values(0, 100).map((value) => ({ value, timestamp: 1 })))
      partition.add(bytes, memory.answer(bytes))
      expect(partition.nextCount).toBe(100)
      const taken = partition.takeBatch(new RecordPlaces(), { isKept })
      expect(taken!.batch.source.recordCount).toBe(100)
      partition.finish()
      expect(givenBack).toHaveLength(isKept ? 0 : 1)
    }
  })
})
