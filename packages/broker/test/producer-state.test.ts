import { errorCodes } from '@kfk/protocol'
import { ProducerState, type ProducerBatch } from '../src/partition/producer-state.js'

function batch(baseSequence: number, recordCount = 1, producerEpoch = 0, id = 7n): ProducerBatch {
  return { producerId: id, producerEpoch, baseSequence, recordCount }
}

function append(state: ProducerState, one: ProducerBatch, lastOffset: number): void {
  expect(state.check(one)).toBe('append')
  state.apply(one, { lastOffset, timestamp: lastOffset })
}

test('a repeated batch is a duplicate of the original, among the last five', () => {
  const state = new ProducerState()
  for (let index = 0; index < 7; index++) append(state, batch(index * 10, 10), index * 10 + 109)
  expect(state.check(batch(60, 10))).toMatchObject({
    duplicate: { lastOffset: 169, offsetDelta: 9 },
  })
  expect(state.check(batch(20, 10))).toMatchObject({ duplicate: { lastOffset: 129 } })
  expect(state.check(batch(10, 10))).toMatchObject({
    errorCode: errorCodes.OUT_OF_ORDER_SEQUENCE_NUMBER,
  })
})

test('a gap is refused, and so is a batch cut differently', () => {
  const state = new ProducerState()
  append(state, batch(0, 5), 4)
  const refused = { errorCode: errorCodes.OUT_OF_ORDER_SEQUENCE_NUMBER }
  expect(state.check(batch(6))).toMatchObject(refused)
  expect(state.check(batch(4))).toMatchObject(refused)
  expect(state.check(batch(5))).toBe('append')
})

test('epochs only grow, and a new one begins with sequence 0', () => {
  const state = new ProducerState()
  append(state, batch(0, 5, 3), 4)
  expect(state.check(batch(5, 1, 2))).toMatchObject({
    errorCode: errorCodes.INVALID_PRODUCER_EPOCH,
  })
  expect(state.check(batch(5, 1, 4))).toMatchObject({
    errorCode: errorCodes.OUT_OF_ORDER_SEQUENCE_NUMBER,
  })
  append(state, batch(0, 1, 4), 5)
  expect(state.check(batch(5, 1, 3))).toMatchObject({
    errorCode: errorCodes.INVALID_PRODUCER_EPOCH,
  })
})

test('an unknown producer may begin anywhere', () => {
  expect(new ProducerState().check(batch(1234))).toBe('append')
})

test('sequences wrap around after 2^31 - 1', () => {
  const state = new ProducerState()
  append(state, batch(0x7fffffff - 1, 3), 2)
  expect(state.check(batch(1, 1))).toBe('append')
  expect(state.check(batch(0x7fffffff - 1, 3))).toMatchObject({ duplicate: { lastOffset: 2 } })
  append(state, batch(1, 1), 3)
})

test('what was rolled back is expected again', () => {
  const state = new ProducerState()
  append(state, batch(0), 0)
  append(state, batch(1), 1)
  append(state, batch(2), 2)
  state.truncate(1)
  expect(state.check(batch(1))).toBe('append')
  expect(state.check(batch(2))).toMatchObject({
    errorCode: errorCodes.OUT_OF_ORDER_SEQUENCE_NUMBER,
  })
})

test('silent producers expire', () => {
  const state = new ProducerState()
  append(state, batch(0, 1, 0, 1n), 100)
  append(state, batch(0, 1, 0, 2n), 200)
  state.expire(1150, 1000)
  expect([...state.entries()].map(({ producerId }) => producerId)).toEqual([2n])
})
