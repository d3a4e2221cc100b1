import {
  decodeBatches,
  decodeSnapshot,
  encodeBatches,
  encodeSnapshot,
} from '../src/partition/producer-snapshot.js'
import type { ProducerEntry } from '../src/partition/producer-state.js'

const entries: ProducerEntry[] = [
  {
    producerId: 4001n,
    epoch: 2,
    batches: [
      { firstSequence: 0, lastSequence: 4, lastOffset: 99, offsetDelta: 4, timestamp: 1000 },
      { firstSequence: 5, lastSequence: 5, lastOffset: 120, offsetDelta: 0, timestamp: 2000 },
    ],
  },
  {
    producerId: 2n ** 40n,
    epoch: 0,
    batches: [
      { firstSequence: 0x7fffffff, lastSequence: 2, lastOffset: 7, offsetDelta: 3, timestamp: -1 },
    ],
  },
]

test("a snapshot keeps each producer's last batch, in Kafka's layout", () => {
  const bytes = Buffer.from(encodeSnapshot(entries))
  expect(bytes.length).toBe(6 + 4 + 2 * 46)
  // version, then after the checksum the count and the first entry
  expect(bytes.readInt16BE(0)).toBe(1)
  expect(bytes.toString('hex', 6, 56)).toBe(
    '00000002' + // entries
      '0000000000000fa1' + // producer id
      '0002' + // epoch
      '00000005' + // last sequence
      '0000000000000078' + // last offset
      '00000000' + // offset delta
      '00000000000007d0' + // timestamp
      'ffffffff' + // coordinator epoch: none
      'ffffffffffffffff', // open transaction: none
  )
  expect(decodeSnapshot(bytes)).toEqual(
    entries.map((entry) => ({ ...entry, batches: [entry.batches.at(-1)] })),
  )
})

test('the batches file keeps all, and belongs to one snapshot', () => {
  const bytes = encodeBatches(entries, 121)
  expect(decodeBatches(bytes, 121)).toEqual(entries)
  expect(decodeBatches(bytes, 122)).toBeUndefined()
})

test('every damaged byte is noticed', () => {
  for (const [bytes, decode] of [
    [encodeSnapshot(entries), decodeSnapshot],
    [encodeBatches(entries, 121), (file: Uint8Array) => decodeBatches(file, 121)],
  ] as const) {
    for (let at = 0; at < bytes.length; at++) {
      const damaged = Uint8Array.from(bytes)
      damaged[at]! ^= 0x10
      expect(decode(damaged)).toBeUndefined()
      expect(decode(bytes.subarray(0, at))).toBeUndefined()
    }
  }
})
