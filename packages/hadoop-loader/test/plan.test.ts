import fc from 'fast-check'
import { planSplits, type PartitionState } from '../src/plan.js'

const partitionState = fc
  .record({
    logStartOffset: fc.nat(2000),
    length: fc.nat(5000),
    committed: fc.option(fc.nat(9000), { nil: undefined }),
  })
  .map(({ logStartOffset, length, committed }) => ({
    logStartOffset,
    highWatermark: logStartOffset + length,
    committed: committed === undefined ? undefined : Math.min(committed, logStartOffset + length),
  }))

const states = fc
  .array(partitionState, { maxLength: 6 })
  .map((list) =>
    list.map((state, partition): PartitionState => ({ topic: 't', partition, ...state })),
  )

test('of every partition the plan covers what is new, without gaps or overlaps, in parts of nearly equal size', () => {
  fc.assert(
    fc.property(states, fc.integer({ min: 1, max: 700 }), (partitions, splitRecords) => {
      const { splits, gaps, beginnings, offsets } = planSplits(partitions, splitRecords)
      let sum = 0
      for (const { partition, committed, logStartOffset, highWatermark } of partitions) {
        const of = <T extends { partition: number }>(list: readonly T[]): T[] =>
          list.filter((each) => each.partition === partition)
        const parts = [...of(beginnings), ...of(gaps), ...of(splits)]
        let position = committed ?? 0
        for (const { from, to } of parts) {
          expect(from).toBe(position)
          expect(to).toBeGreaterThan(from)
          position = to
        }
        expect(position).toBe(Math.max(highWatermark, committed ?? 0))
        const sizes = of(splits).map(({ from, to }) => to - from)
        expect(Math.max(0, ...sizes)).toBeLessThanOrEqual(splitRecords)
        if (sizes.length > 0) expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
        for (const { to } of [...of(gaps), ...of(beginnings)]) expect(to).toBe(logStartOffset)
        sum += sizes.reduce((total, size) => total + size, 0)
      }
      expect(offsets).toBe(sum)
    }),
    { seed: 1 },
  )
})

test('all partitions begin before any has its second split', () => {
  const state = { topic: 't', logStartOffset: 0, highWatermark: 10, committed: undefined }
  const { splits } = planSplits(
    [0, 1, 2].map((partition) => ({ ...state, partition })),
    5,
  )
  expect(splits.map(({ partition, from }) => [partition, from])).toEqual([
    [0, 0],
    [1, 0],
    [2, 0],
    [0, 5],
    [1, 5],
    [2, 5],
  ])
})
