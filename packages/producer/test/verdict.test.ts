import { errorCodes } from '@kfk/protocol'
import { isStaleMetadata, judge } from '../src/verdict.js'

const first = { idempotent: true, isFirstOutstanding: true, recordCount: 1 }
const later = { idempotent: true, isFirstOutstanding: false, recordCount: 1 }
const plain = { idempotent: false, isFirstOutstanding: true, recordCount: 1 }

describe('judge', () => {
  test.each([
    ['NONE', first, 'taken'],
    ['DUPLICATE_SEQUENCE_NUMBER', first, 'taken'],
    ['OUT_OF_ORDER_SEQUENCE_NUMBER', later, 'retry'],
    ['OUT_OF_ORDER_SEQUENCE_NUMBER', first, 'restart'],
    ['OUT_OF_ORDER_SEQUENCE_NUMBER', plain, 'fail'],
    ['UNKNOWN_PRODUCER_ID', later, 'retry'],
    ['UNKNOWN_PRODUCER_ID', first, 'restart'],
    ['INVALID_PRODUCER_EPOCH', first, 'renew'],
    ['INVALID_PRODUCER_EPOCH', later, 'retry'],
    ['NOT_LEADER_OR_FOLLOWER', plain, 'retry'],
    ['NOT_ENOUGH_REPLICAS_AFTER_APPEND', first, 'retry'],
    ['MESSAGE_TOO_LARGE', first, 'fail'],
    ['MESSAGE_TOO_LARGE', { ...later, recordCount: 2 }, 'split'],
    ['TOPIC_AUTHORIZATION_FAILED', plain, 'fail'],
  ] as const)('%s', (name, situation, verdict) => {
    expect(judge({ errorCode: errorCodes[name], ...situation })).toBe(verdict)
  })

  test('only errors about leaders and topic ids ask for new metadata', () => {
    expect(isStaleMetadata(errorCodes.NOT_LEADER_OR_FOLLOWER)).toBe(true)
    expect(isStaleMetadata(errorCodes.UNKNOWN_TOPIC_ID)).toBe(true)
    expect(isStaleMetadata(errorCodes.NOT_ENOUGH_REPLICAS)).toBe(false)
  })
})
