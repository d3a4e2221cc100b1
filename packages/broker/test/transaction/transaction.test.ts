// The rules of transactions, as a table: what Kafka's coordinator answers in each state.
import { errorCodes } from '@kfk/protocol'
import { noPartitions, partitionSet } from '../../src/transaction/partition-set.js'
import {
  LAST_EPOCH,
  type TransactionImage,
  type TransactionStatus,
} from '../../src/transaction/transaction-image.js'
import {
  addPartitions,
  completed,
  type Decision,
  endTransaction,
  fencing,
  hasExpired,
  hasTimedOut,
  initProducerId,
  verifyPartitions,
} from '../../src/transaction/transaction.js'

const now = 1000
const part = partitionSet([{ topic: 'a', partition: 0 }])

function image(
  status: TransactionStatus,
  change: Partial<TransactionImage> = {},
): TransactionImage {
  const isOpen = status === 'Ongoing' || status.startsWith('Prepare')
  return {
    ...{ producerId: 7n, previousProducerId: 7n, nextProducerId: -1n, producerEpoch: 3 },
    ...{ lastProducerEpoch: -1, timeoutMs: 100, status, updateTimestamp: 500 },
    partitions: isOpen ? part : noPartitions,
    startTimestamp: status === 'Empty' ? -1 : 500,
    clientVersion: 0,
    ...change,
  }
}

/** A decision in short: an error by name, or the status that is written, with id and epoch. */
function short(decision: Decision): string {
  const name = (code: number) =>
    Object.entries(errorCodes).find(([, other]) => other === code)?.[0] ?? String(code)
  switch (decision.kind) {
    case 'refuse':
      return name(decision.errorCode)
    case 'agree':
      return 'agree'
    case 'needs-producer-id':
      return 'needs id'
    case 'write': {
      const { status, producerId, producerEpoch } = decision.next
      const late = decision.errorCode === 0 ? '' : ` then ${name(decision.errorCode)}`
      return `${status} ${producerId}/${producerEpoch}${late}`
    }
  }
}

const standing = (found: TransactionImage | undefined, pending = false) => ({
  image: found,
  pending,
})

describe('InitProducerId', () => {
  const init = (
    found: TransactionImage | undefined,
    options: { expected?: [bigint, number]; freshId?: bigint; pending?: boolean } = {},
  ) => {
    const { expected, freshId, pending } = options
    const identity = expected && { producerId: expected[0], producerEpoch: expected[1] }
    const input = { timeoutMs: 100, expected: identity, freshId, now }
    return short(initProducerId(standing(found, pending), input))
  }

  test('an id that nobody has used gets a producer id at epoch 0', () => {
    expect(init(undefined)).toBe('needs id')
    expect(init(undefined, { freshId: 9n })).toBe('Empty 9/0')
  })

  test.each<[TransactionStatus, string]>([
    ['Empty', 'Empty 7/4'],
    ['CompleteCommit', 'Empty 7/4'],
    ['CompleteAbort', 'Empty 7/4'],
    ['Ongoing', 'PrepareAbort 7/4 then CONCURRENT_TRANSACTIONS'],
    ['PrepareCommit', 'CONCURRENT_TRANSACTIONS'],
    ['PrepareAbort', 'CONCURRENT_TRANSACTIONS'],
  ])('in %s: %s', (status, expected) => {
    expect(init(image(status))).toBe(expected)
    expect(init(image(status), { pending: true })).toBe('CONCURRENT_TRANSACTIONS')
  })

  test('who says what it had is let on only if it is the last one (KIP-360)', () => {
    expect(init(image('Empty'), { expected: [7n, 3] })).toBe('Empty 7/4')
    expect(init(image('Empty'), { expected: [7n, 2] })).toBe('PRODUCER_FENCED')
    expect(init(image('Empty'), { expected: [8n, 3] })).toBe('PRODUCER_FENCED')
    const retried = image('Empty', { lastProducerEpoch: 2 })
    expect(init(retried, { expected: [7n, 2] })).toBe('Empty 7/3')
    const rotated = image('Empty', { previousProducerId: 5n, producerEpoch: 0 })
    expect(
      init({ ...rotated, lastProducerEpoch: LAST_EPOCH }, { expected: [5n, LAST_EPOCH] }),
    ).toBe('Empty 7/0')
  })

  test('when the epochs are used up there is a new producer id', () => {
    const last = image('CompleteCommit', { producerEpoch: LAST_EPOCH })
    expect(init(last)).toBe('needs id')
    expect(init(last, { freshId: 9n })).toBe('Empty 9/0')
    expect(init(last, { freshId: 9n, expected: [7n, 5] })).toBe('PRODUCER_FENCED')
  })
})

describe('EndTxn', () => {
  const end = (
    found: TransactionImage | undefined,
    committed: boolean,
    options: { epoch?: number; id?: bigint; version?: number; freshId?: bigint } = {},
  ) => {
    const { epoch = 3, id = 7n, version = 0, freshId } = options
    const identity = { producerId: id, producerEpoch: epoch }
    const input = { ...identity, committed, clientVersion: version, freshId, now }
    return short(endTransaction(standing(found), input))
  }

  test.each<[TransactionStatus, string, string]>([
    ['Empty', 'INVALID_TXN_STATE', 'INVALID_TXN_STATE'],
    ['Ongoing', 'PrepareCommit 7/3', 'PrepareAbort 7/3'],
    ['PrepareCommit', 'CONCURRENT_TRANSACTIONS', 'INVALID_TXN_STATE'],
    ['PrepareAbort', 'INVALID_TXN_STATE', 'CONCURRENT_TRANSACTIONS'],
    ['CompleteCommit', 'agree', 'INVALID_TXN_STATE'],
    ['CompleteAbort', 'INVALID_TXN_STATE', 'agree'],
  ])('of an old client in %s: commit %s, abort %s', (status, commit, abort) => {
    expect(end(image(status), true)).toBe(commit)
    expect(end(image(status), false)).toBe(abort)
    expect(end(image(status), true, { epoch: 2 })).toBe('PRODUCER_FENCED')
    expect(end(image(status), true, { epoch: 4 })).toBe('PRODUCER_FENCED')
    expect(end(image(status), true, { id: 8n })).toBe('INVALID_PRODUCER_ID_MAPPING')
  })

  // The client has the epoch 2 of the transaction that ended, or already the one after.
  test.each<[TransactionStatus, number, string, string]>([
    ['Empty', 3, 'INVALID_TXN_STATE', 'PrepareAbort 7/4'],
    ['Ongoing', 3, 'PrepareCommit 7/4', 'PrepareAbort 7/4'],
    ['Ongoing', 2, 'PRODUCER_FENCED', 'PRODUCER_FENCED'],
    ['PrepareCommit', 2, 'CONCURRENT_TRANSACTIONS', 'INVALID_TXN_STATE'],
    ['PrepareCommit', 3, 'PRODUCER_FENCED', 'PRODUCER_FENCED'],
    ['PrepareAbort', 2, 'INVALID_TXN_STATE', 'CONCURRENT_TRANSACTIONS'],
    ['CompleteCommit', 2, 'agree', 'INVALID_TXN_STATE'],
    ['CompleteCommit', 3, 'INVALID_TXN_STATE', 'PrepareAbort 7/4'],
    ['CompleteAbort', 2, 'INVALID_TXN_STATE', 'agree'],
    ['CompleteAbort', 3, 'INVALID_TXN_STATE', 'PrepareAbort 7/4'],
    ['CompleteAbort', 1, 'PRODUCER_FENCED', 'PRODUCER_FENCED'],
  ])('of a new client in %s with epoch %i: commit %s, abort %s', (status, epoch, commit, abort) => {
    const found = image(status, { clientVersion: 2 })
    expect(end(found, true, { epoch, version: 2 })).toBe(commit)
    expect(end(found, false, { epoch, version: 2 })).toBe(abort)
  })

  test('the last epoch ends with a new producer id, and the answer may be asked for again', () => {
    const last = image('Ongoing', { producerEpoch: LAST_EPOCH, clientVersion: 2 })
    expect(end(last, true, { epoch: LAST_EPOCH, version: 2 })).toBe('needs id')
    const input = { producerId: 7n, producerEpoch: LAST_EPOCH, committed: true, clientVersion: 2 }
    const decision = endTransaction(standing(last), { ...input, freshId: 9n, now })
    if (decision.kind !== 'write') throw new Error(decision.kind)
    expect(short(decision)).toBe(`PrepareCommit 7/${LAST_EPOCH + 1}`)
    const done = completed(decision.next, now)
    expect(done).toMatchObject({ producerId: 9n, producerEpoch: 0, previousProducerId: 7n })
    expect(end(done, true, { id: 7n, epoch: LAST_EPOCH, version: 2 })).toBe('agree')
    expect(end(done, true, { id: 7n, epoch: 5, version: 2 })).toBe('INVALID_PRODUCER_ID_MAPPING')
  })
})

describe('AddPartitionsToTxn', () => {
  const more = partitionSet([{ topic: 'b', partition: 1 }])
  const add = (
    found: TransactionImage | undefined,
    partitions = more,
    epoch = 3,
    pending = false,
  ) =>
    short(
      addPartitions(standing(found, pending), {
        ...{ producerId: 7n, producerEpoch: epoch, partitions, clientVersion: 2, now },
      }),
    )

  test.each<[TransactionStatus, string]>([
    ['Empty', 'Ongoing 7/3'],
    ['Ongoing', 'Ongoing 7/3'],
    ['CompleteCommit', 'Ongoing 7/3'],
    ['CompleteAbort', 'Ongoing 7/3'],
    ['PrepareCommit', 'CONCURRENT_TRANSACTIONS'],
    ['PrepareAbort', 'CONCURRENT_TRANSACTIONS'],
  ])('in %s: %s', (status, expected) => {
    expect(add(image(status))).toBe(expected)
    expect(add(image(status), more, 2)).toBe('PRODUCER_FENCED')
    expect(add(image(status), more, 3, true)).toBe('CONCURRENT_TRANSACTIONS')
  })

  test('nothing is written for what is a part already', () => {
    expect(add(image('Ongoing'), part)).toBe('agree')
    expect(add(undefined)).toBe('INVALID_PRODUCER_ID_MAPPING')
  })

  test('asking tells of each partition', () => {
    const both = new Map([...part, ...more])
    const ask = (found: TransactionImage | undefined, producerEpoch = 3) =>
      verifyPartitions(standing(found), { producerId: 7n, producerEpoch, partitions: both }).map(
        ({ errorCode }) => errorCode,
      )
    expect(ask(image('Ongoing'))).toEqual([0, errorCodes.TRANSACTION_ABORTABLE])
    const every = (code: number) => [code, code]
    expect(ask(image('PrepareCommit'))).toEqual(every(errorCodes.CONCURRENT_TRANSACTIONS))
    expect(ask(image('Ongoing'), 2)).toEqual(every(errorCodes.PRODUCER_FENCED))
    expect(ask(undefined)).toEqual(every(errorCodes.INVALID_PRODUCER_ID_MAPPING))
  })
})

test('a transaction times out, and its client is fenced', () => {
  const open = image('Ongoing')
  expect(hasTimedOut(standing(open), 600)).toBe(false)
  expect(hasTimedOut(standing(open), 601)).toBe(true)
  expect(hasTimedOut(standing(open, true), 601)).toBe(false)
  expect(hasTimedOut(standing(image('PrepareCommit')), 601)).toBe(false)
  expect(fencing(open, 601)).toMatchObject({ status: 'PrepareAbort', producerEpoch: 4 })
})

test('what nobody uses expires, but for what is open', () => {
  const expired = (found: TransactionImage, at: number, pending = false) =>
    hasExpired(standing(found, pending), { now: at, expirationMs: 100 })
  expect(expired(image('Empty'), 599)).toBe(false)
  expect(expired(image('Empty'), 600)).toBe(true)
  expect(expired(image('CompleteAbort'), 600, true)).toBe(false)
  expect(expired(image('Ongoing'), 10_000)).toBe(false)
  expect(expired(image('PrepareCommit'), 10_000)).toBe(false)
})
