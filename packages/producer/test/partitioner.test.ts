import { seededRandom } from '@kfk/client'
import type { TopicMetadata } from '@kfk/client'
import fc from 'fast-check'
import { murmur2, toPositive } from '../src/murmur2.js'
import { defaultPartitioner } from '../src/partitioner.js'

function topicOf(leaders: readonly number[]): TopicMetadata {
  return {
    name: 'topic',
    topicId: 'AAAAAAAAAAAAAAAAAAAAAQ',
    internal: false,
    partitions: leaders.map((leaderId, index) => ({
      index,
      leaderId,
      leaderEpoch: 0,
      replicas: [],
      isr: [],
      offline: [],
    })),
  }
}

describe('defaultPartitioner', () => {
  test('a key decides its partition, as text and as bytes alike, short and long', () => {
    const partitioner = defaultPartitioner(seededRandom(1))
    const topic = topicOf([1, 1, 1, 1, 1, 1, 1])
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 600 }), (key) => {
        const bytes = Buffer.from(key, 'utf8')
        const expected = toPositive(murmur2(bytes)) % 7
        expect(partitioner.partition(key, topic)).toBe(expected)
        expect(partitioner.partition(bytes, topic)).toBe(expected)
      }),
      { seed: 1 },
    )
  })

  test('keyless records stay until the batch closes, then spread over all partitions', () => {
    const partitioner = defaultPartitioner(seededRandom(1))
    const topic = topicOf([1, 1, 1])
    const seen = new Set<number>()
    for (let batch = 0; batch < 50; batch += 1) {
      const chosen = partitioner.partition(null, topic)
      expect(partitioner.partition(null, topic)).toBe(chosen)
      partitioner.batchClosed?.('topic', chosen)
      seen.add(chosen)
    }
    expect([...seen].sort()).toEqual([0, 1, 2])
  })

  test('keyless records avoid partitions without a leader', () => {
    const partitioner = defaultPartitioner(seededRandom(1))
    const topic = topicOf([-1, 1, -1])
    for (let batch = 0; batch < 20; batch += 1) {
      expect(partitioner.partition(null, topic)).toBe(1)
      partitioner.batchClosed?.('topic', 1)
    }
  })
})
