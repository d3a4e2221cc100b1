import { IdempotenceState, PartitionSequence } from '../src/idempotence-state.js'

function numbered(epoch = 0) {
  const state = new IdempotenceState()
  state.granted({ producerId: 7n, epoch })
  const sequence = new PartitionSequence(state)
  expect(sequence.prepare(0)).toBe(true)
  return { state, sequence }
}

describe('PartitionSequence', () => {
  test('numbers follow each other, and start over at 0 after 2^31 - 1', () => {
    const { sequence } = numbered()
    expect(sequence.assign(0x7fffffff).baseSequence).toBe(0)
    expect(sequence.assign(3).baseSequence).toBe(0x7fffffff)
    expect(sequence.assign(1).baseSequence).toBe(2)
  })

  test('without a producer id nothing is numbered', () => {
    const sequence = new PartitionSequence(new IdempotenceState())
    expect(sequence.prepare(0)).toBe(false)
  })

  test('after a hole, numbers start over under the next epoch, but not while batches are outstanding', () => {
    const { sequence } = numbered()
    sequence.assign(5)
    sequence.assign(5)
    sequence.abandoned(1)
    expect(sequence.prepare(1)).toBe(true)
    expect(sequence.assign(1)).toMatchObject({ producerEpoch: 0, baseSequence: 10 })
    expect(sequence.prepare(0)).toBe(true)
    expect(sequence.assign(1)).toMatchObject({ producerEpoch: 1, baseSequence: 0 })
  })

  test('a later success proves that the abandoned batch was taken: no new epoch', () => {
    const { sequence } = numbered()
    sequence.assign(5)
    sequence.assign(5)
    sequence.abandoned(1)
    sequence.succeeded(2)
    expect(sequence.prepare(0)).toBe(true)
    expect(sequence.assign(1)).toMatchObject({ producerEpoch: 0, baseSequence: 10 })
  })

  test('when the epochs are used up a new producer id is needed and taken up', () => {
    const { state, sequence } = numbered(32_767)
    sequence.assign(1)
    sequence.restart()
    expect(state.identity).toBeUndefined()
    expect(sequence.prepare(0)).toBe(false)
    state.granted({ producerId: 8n, epoch: 0 })
    expect(sequence.prepare(0)).toBe(true)
    expect(sequence.assign(1)).toEqual({ producerId: 8n, producerEpoch: 0, baseSequence: 0 })
  })

  test('a fenced producer id is given up once, even if many partitions notice', () => {
    const { state, sequence } = numbered()
    const other = new PartitionSequence(state)
    other.prepare(0)
    sequence.renew()
    state.granted({ producerId: 8n, epoch: 0 })
    other.renew()
    expect(state.identity).toEqual({ producerId: 8n, epoch: 0 })
  })

  test('a partition with outstanding batches keeps its old producer id until they are settled', () => {
    const { state, sequence } = numbered()
    sequence.assign(1)
    state.granted({ producerId: 9n, epoch: 0 })
    expect(sequence.prepare(1)).toBe(true)
    expect(sequence.assign(1)).toMatchObject({ producerId: 7n, baseSequence: 1 })
    sequence.prepare(0)
    expect(sequence.assign(1)).toMatchObject({ producerId: 9n, baseSequence: 0 })
  })
})
