import type { ProducerBatch, ProducerEntry } from '@kfk/log-store'
import { errorCodes } from '@kfk/protocol'
import { checkSequence, type SequencedBatch } from '../src/partition/producer-sequences.js'

function batch(baseSequence: number, recordCount = 1, producerEpoch = 0): SequencedBatch {
  return { producerId: 7n, producerEpoch, baseSequence, recordCount }
}

/** A producer with these batches: first sequence, last sequence, last offset. */
function known(epoch: number, ...batches: [number, number, number][]): ProducerEntry {
  return {
    ...{ producerId: 7n, epoch, coordinatorEpoch: -1, lastTimestamp: 0 },
    transactionFirstOffset: -1,
    batches: batches.map(([firstSequence, lastSequence, lastOffset]): ProducerBatch => ({
      ...{ firstSequence, lastSequence, lastOffset, timestamp: 0 },
      offsetDelta: (lastSequence - firstSequence) & 0x7fffffff,
    })),
  }
}

const outOfOrder = { errorCode: errorCodes.OUT_OF_ORDER_SEQUENCE_NUMBER }
const staleEpoch = { errorCode: errorCodes.INVALID_PRODUCER_EPOCH }

test('a repeated batch is a duplicate of the original', () => {
  const entry = known(0, [20, 29, 129], [30, 39, 139], [40, 49, 149])
  expect(checkSequence(entry, batch(40, 10))).toMatchObject({
    duplicate: { lastOffset: 149, offsetDelta: 9 },
  })
  expect(checkSequence(entry, batch(20, 10))).toMatchObject({ duplicate: { lastOffset: 129 } })
  expect(checkSequence(entry, batch(10, 10))).toMatchObject(outOfOrder)
})

test('a gap is refused, and so is a batch cut differently', () => {
  const entry = known(0, [0, 4, 4])
  expect(checkSequence(entry, batch(6))).toMatchObject(outOfOrder)
  expect(checkSequence(entry, batch(4))).toMatchObject(outOfOrder)
  expect(checkSequence(entry, batch(5))).toBe('append')
})

test('epochs only grow, and a new one begins with sequence 0', () => {
  const entry = known(3, [0, 4, 4])
  expect(checkSequence(entry, batch(5, 1, 2))).toMatchObject(staleEpoch)
  expect(checkSequence(entry, batch(5, 1, 4))).toMatchObject(outOfOrder)
  expect(checkSequence(entry, batch(0, 1, 4))).toBe('append')
})

test('who is unknown may begin anywhere', () => {
  expect(checkSequence(undefined, batch(1234))).toBe('append')
})

test('after a marker that has raised the epoch, the first sequence is 0', () => {
  expect(checkSequence(known(1), batch(1234, 1, 1))).toMatchObject(outOfOrder)
  expect(checkSequence(known(1), batch(0, 1, 1))).toBe('append')
})

test('sequences wrap around after 2^31 - 1', () => {
  const entry = known(0, [0x7fffffff - 1, 0, 2])
  expect(checkSequence(entry, batch(1, 1))).toBe('append')
  expect(checkSequence(entry, batch(0x7fffffff - 1, 3))).toMatchObject({
    duplicate: { lastOffset: 2 },
  })
})
