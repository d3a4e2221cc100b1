import fc from 'fast-check'
import { encodeRecordBatch } from '@kfk/protocol'
import { AssignedPartition } from '../src/assigned-partition.js'
import { planFetches, type FetchKind, type FetchPlanInput } from '../src/fetch-plan.js'
import { Fetcher } from '../src/fetcher.js'
import { PrefetchMemory } from '../src/prefetch-memory.js'
import { ConsumerCluster, take } from './consumer-cluster.js'

const memory = new PrefetchMemory()

function partition(index: number): AssignedPartition {
  const each = new AssignedPartition({ topic: 't', partition: index })
  each.ready = true
  each.seek(0)
  return each
}

function fill(each: AssignedPartition, valueBytes: number): AssignedPartition {
  const value = 'x'.repeat(valueBytes)
  const bytes = encodeRecordBatch([{ key: null, value, timestamp: 1 }], {})
  each.add(bytes, memory.answer(bytes))
  return each
}

const MiB = 1024 * 1024

function plan(partitions: AssignedPartition[], input: Partial<FetchPlanInput> = {}) {
  return planFetches({
    partitions,
    nowMs: 1000,
    leaderOf: ({ partition: index }) => (index % 2) + 1,
    isUnderWay: () => false,
    takenBytes: 0,
    limits: { maxBytes: 50 * MiB, partitionMaxBytes: MiB, prefetchBytes: 64 * MiB },
    ...input,
  })
}

const shape = (planned: ReturnType<typeof plan>): unknown[] =>
  planned.fetches.map(({ nodeId, kind, partitions }) => [
    nodeId,
    kind,
    partitions.map((each) => each.partition),
  ])

const under =
  (...fetches: [number, FetchKind][]) =>
  (nodeId: number, kind: FetchKind): boolean =>
    fetches.some(([node, each]) => node === nodeId && each === kind)

describe('what is fetched', () => {
  test('one fetch for each leader, those first that have waited longest', () => {
    const partitions = [0, 1, 2, 3, 4].map((index) => partition(index))
    partitions[0]!.servedAt = 9
    partitions[2]!.servedAt = 4
    expect(shape(plan(partitions))).toEqual([
      [1, 'poll', [4, 2, 0]],
      [2, 'poll', [1, 3]],
    ])
  })

  test('nothing that is paused, over, failed, under way, not ready, or without a position', () => {
    const partitions = [0, 2, 4, 6, 8, 10, 12].map((index) => partition(index))
    partitions[5]!.forgetPosition()
    partitions[0]!.paused = true
    partitions[1]!.end('gone')
    partitions[2]!.fail(new Error('x') as never)
    partitions[3]!.fetch = {}
    partitions[4]!.ready = false
    expect(shape(plan(partitions))).toEqual([[1, 'poll', [12]]])
  })

  test('after an error it is tried again later, and the plan says when', () => {
    const partitions = [partition(0), partition(2), partition(4)]
    partitions[0]!.notBeforeMs = 1500
    partitions[1]!.notBeforeMs = 1200
    const planned = plan(partitions)
    expect(shape(planned)).toEqual([[1, 'poll', [4]]])
    expect(planned.wakeAtMs).toBe(1200)
  })

  test('while a poll waits, only partitions that are not at the end are fetched at once', () => {
    const [idle, busy] = [partition(0), partition(2)]
    idle!.caughtUp = true
    expect(shape(plan([idle!, busy!], { isUnderWay: under([1, 'poll']) }))).toEqual([
      [1, 'rush', [2]],
    ])
    expect(shape(plan([idle!], { isUnderWay: under([1, 'poll']) }))).toEqual([])
    const both = under([1, 'poll'], [1, 'rush'])
    expect(shape(plan([busy!], { isUnderWay: both }))).toEqual([])
  })

  test('partitions without a leader are named, the others fetched', () => {
    const [a, b] = [partition(0), partition(1)]
    const planned = plan([a!, b!], { leaderOf: ({ partition: index }) => (index === 0 ? -1 : 2) })
    expect(planned.leaderless).toEqual([a])
    expect(shape(planned)).toEqual([[2, 'poll', [1]]])
  })

  test('a partition with much in the buffer waits for the application', () => {
    const full = fill(partition(0), 2 * MiB)
    expect(shape(plan([full, fill(partition(2), MiB)]))).toEqual([[1, 'poll', [2]]])
  })

  test('when the buffer is full, whoever has nothing still gets a little', () => {
    const paused = fill(partition(0), MiB)
    paused.paused = true
    const some = fill(partition(2), 100)
    const empty = partition(4)
    const planned = plan([paused, some, empty], { takenBytes: 40 * MiB })
    expect(shape(planned)).toEqual([[1, 'poll', [4]]])
    expect(planned.fetches[0]!.partitionMaxBytes).toBe(MiB)
    const limits = { maxBytes: 50 * MiB, partitionMaxBytes: MiB, prefetchBytes: 300_000 }
    const tight = plan([paused, some, empty], { takenBytes: MiB, limits })
    expect(tight.fetches[0]).toMatchObject({ maxBytes: 25_000, partitionMaxBytes: 25_000 })
  })

  test('whatever is asked for fits in', () => {
    const anyPartition = fc.record({
      index: fc.integer({ min: 0, max: 30 }),
      buffered: fc.constantFrom(0, 0, 10_000, 500_000),
    })
    fc.assert(
      fc.property(
        fc.array(anyPartition, { maxLength: 20 }),
        fc.integer({ min: 1, max: 4 * MiB }),
        fc.integer({ min: 1, max: 5 }),
        (drawn, prefetchBytes, leaders) => {
          const partitions = drawn.map(({ index, buffered }) =>
            buffered === 0 ? partition(index) : fill(partition(index), buffered),
          )
          const takenBytes = partitions.reduce((sum, each) => sum + each.bufferedBytes, 0)
          const { fetches } = plan(partitions, {
            takenBytes,
            leaderOf: ({ partition: index }) => index % leaders,
            limits: { maxBytes: 50 * MiB, partitionMaxBytes: MiB, prefetchBytes },
          })
          const asked = fetches.reduce((sum, { maxBytes }) => sum + maxBytes, 0)
          const room = Math.max(0, prefetchBytes / 2 - takenBytes)
          // One leader may have the room that is left, another the quarter kept for those with nothing.
          expect(asked).toBeLessThanOrEqual(room + prefetchBytes / 4 + partitions.length)
          // Nobody with nothing is left out for want of memory.
          for (const each of partitions.filter(({ hasRecords }) => !hasRecords)) {
            expect(fetches.some((fetch) => fetch.partitions.includes(each))).toBe(true)
          }
        },
      ),
      { seed: 1, numRuns: 1000 },
    )
  })
})

describe('memory', () => {
  test('an answer counts in full as long as any part of it is there', () => {
    const counted = new PrefetchMemory()
    const answer = counted.answer(new Uint8Array(1000))
    answer.hold(10)
    answer.hold(20)
    expect(counted.heldBytes).toBe(1000)
    answer.release(10)
    expect(counted.heldBytes).toBe(1000)
    expect(answer.mostlyFree).toBe(true)
    answer.release(20)
    expect(counted.heldBytes).toBe(0)
  })

  test('compacting copies what keeps a large answer', () => {
    const counted = new PrefetchMemory()
    const each = partition(0)
    const bytes = encodeRecordBatch([{ key: null, value: 'v', timestamp: 1 }], {})
    each.add(bytes, counted.answer(new Uint8Array(100_000)))
    each.compact(counted)
    expect(counted.heldBytes).toBe(bytes.length)
    expect(Buffer.from(each.take(1)!.records[0]!.value!).toString()).toBe('v')
    each.finish()
    expect(counted.heldBytes).toBe(0)
  })

  test('whatever is fetched ahead stays within `prefetchBytes`, and everybody has some', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 4 }, brokers: 2 })
    const indexes = [0, 1, 2, 3]
    for (let round = 0; round < 300; round++) {
      for (const index of indexes) cluster.append('t', index, ['x'.repeat(1000)])
    }
    const prefetchBytes = 200_000
    const partitions = indexes.map((index) => partition(index))
    const settings = { maxWaitMs: 100, minBytes: 1, maxBytes: MiB, partitionMaxBytes: MiB }
    const fetcher = new Fetcher({
      client: cluster.client,
      lane: 0,
      settings: { ...settings, isolation: 'read_uncommitted', prefetchBytes },
      partitions: () => partitions,
      onRecords: () => expect(fetcher.heldBytes).toBeLessThanOrEqual(prefetchBytes),
      find: (key) => partitions.find((each) => each.key === key),
      onOutOfRange: () => undefined,
      onDiverging: () => undefined,
    })
    fetcher.wake()
    await cluster.clock.advance(2000)
    expect(fetcher.heldBytes).toBeGreaterThan(prefetchBytes / 4)
    for (const each of partitions) expect(each.hasRecords).toBe(true)
    for (const each of partitions) each.end('done')
    expect(fetcher.heldBytes).toBe(0)
    fetcher.stop()
  })

  test('paused partitions fill the buffer, and the others go on', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 4 } })
    for (let round = 0; round < 100; round++) {
      for (const index of [0, 1, 2, 3]) cluster.append('t', index, ['x'.repeat(1000)])
    }
    await using consumer = cluster.consumer({ topics: ['t'], prefetchBytes: 100_000 })
    await take(consumer, 1)
    consumer.pause([0, 1, 2].map((index) => ({ topic: 't', partition: index })))
    await cluster.clock.advance(2000)
    let count = 0
    for await (const record of consumer) {
      expect(record.partition).toBe(3)
      if (++count === 100) break
    }
    consumer.resume()
    expect(await take(consumer, 300)).toHaveLength(300)
  })
})
