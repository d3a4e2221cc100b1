import { array, assert, integer, property, string, uniqueArray } from 'fast-check'
import { placePartitions } from '../../src/controller/placement'

const brokerIds = uniqueArray(integer({ min: 0, max: 1023 }), { minLength: 1, maxLength: 12 })

describe('placing partitions', () => {
  test('8 partitions over 3 brokers come out 3, 3 and 2', () => {
    const counts = new Map<number, number>()
    for (const [nodeId] of placePartitions('clicks', [3, 1, 2], { from: 0, to: 8 })) {
      counts.set(nodeId!, (counts.get(nodeId!) ?? 0) + 1)
    }
    expect([...counts.values()].sort()).toEqual([2, 3, 3])
  })

  test('no broker has two partitions more than another, whatever the order of the brokers', () => {
    assert(
      property(string(), brokerIds, integer({ min: 0, max: 100 }), (topic, brokers, to) => {
        const placed = placePartitions(topic, brokers, { from: 0, to })
        const counts = brokers.map((id) => placed.filter(([nodeId]) => nodeId === id).length)
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1)
        expect(placed).toHaveLength(to)
        const reversed = [...brokers].reverse()
        expect(placePartitions(topic, reversed, { from: 0, to })).toEqual(placed)
      }),
    )
  })

  test('a topic that grows step by step comes out as one that was created large', () => {
    assert(
      property(
        string(),
        brokerIds,
        array(integer({ min: 1, max: 9 }), { maxLength: 5 }),
        (topic, brokers, steps) => {
          const grown: number[][] = []
          for (const step of steps) {
            grown.push(
              ...placePartitions(topic, brokers, { from: grown.length, to: grown.length + step }),
            )
          }
          expect(placePartitions(topic, brokers, { from: 0, to: grown.length })).toEqual(grown)
        },
      ),
    )
  })

  test('the only partitions of many topics are spread too', () => {
    const counts = [0, 0, 0]
    for (let index = 0; index < 300; index++) {
      counts[placePartitions(`topic-${index}`, [0, 1, 2], { from: 0, to: 1 })[0]![0]!]!++
    }
    for (const count of counts) expect(count).toBeGreaterThan(70)
  })
})
