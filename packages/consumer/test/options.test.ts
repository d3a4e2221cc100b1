import { resolveSettings } from '../src/options.js'
import { cooperativeStickyAssignor, createConsumer, rangeAssignor } from '../src/index.js'

const refusal = (options: Record<string, unknown>): { code: string; message: string } => {
  try {
    resolveSettings({ topics: ['t'], ...options } as never)
  } catch (error) {
    return error as { code: string; message: string }
  }
  throw new Error('was accepted')
}

test('defaults are those of Kafka', () => {
  expect(resolveSettings({ topics: ['t'] })).toMatchObject({
    from: 'latest',
    commitIntervalMs: 5000,
    sessionTimeoutMs: 45_000,
    heartbeatIntervalMs: 3000,
    rebalanceTimeoutMs: 300_000,
    maxWaitMs: 500,
    minBytes: 1,
    maxBytes: 52_428_800,
    partitionMaxBytes: 1_048_576,
  })
  expect(resolveSettings({ topics: ['t'], autoCommit: false }).commitIntervalMs).toBeUndefined()
  expect(resolveSettings({ topics: ['t'], sessionTimeoutMs: 600 }).heartbeatIntervalMs).toBe(200)
})

test.each([
  [{ topics: [] }, 'What to read?'],
  [{ topics: ['a/b'] }, 'is not a topic name'],
  [{ topics: undefined, assignment: [] }, 'What to read?'],
  [{ assignment: [{ topic: 't', partition: -1 }] }, '-1 is not a partition of t'],
  [
    { assignment: [0, 0].map((partition) => ({ topic: 't', partition })) },
    'names a partition twice',
  ],
  [{ group: '' }, '`group` must be'],
  [{ group: 7 }, '`group` must be'],
  [{ groupInstanceId: '' }, '`groupInstanceId` must be'],
  [{ from: 'committed' }, 'needs a `group`'],
  [{ from: 'beginning' }, '`from` must be'],
  [{ from: { timestamp: new Date('no') } }, '`from` must be'],
  [{ from: { timestamp: -2 } }, '`from` must be'],
  [{ from: null }, '`from` must be'],
  [{ autoCommit: { intervalMs: 0 } }, '`autoCommit.intervalMs` must be'],
  [{ sessionTimeoutMs: 0 }, '`sessionTimeoutMs` must be'],
  [{ sessionTimeoutMs: 1.5 }, '`sessionTimeoutMs` must be a positive whole number'],
  [{ sessionTimeoutMs: 1000, heartbeatIntervalMs: 1000 }, 'must be less than'],
  [{ heartbeatIntervalMs: NaN }, '`heartbeatIntervalMs` must be'],
  [{ maxBytes: 2 ** 31 }, '`maxBytes` must be'],
  [{ partitionMaxBytes: -1 }, '`partitionMaxBytes` must be'],
  [{ prefetchBytes: Infinity }, '`prefetchBytes` must be'],
  [{ assignors: [] }, '`assignors` must name one'],
  [{ assignors: [rangeAssignor, cooperativeStickyAssignor] }, 'all be eager or all be cooperative'],
])('%p is refused by name', (options, message) => {
  expect(refusal(options)).toMatchObject({
    code: 'KFK_CLIENT_INVALID_ARGUMENT',
    message: expect.stringContaining(message),
  })
})

test('createConsumer refuses before anything is contacted', () => {
  expect(() => createConsumer({ brokers: '127.0.0.1:1', topics: [] })).toThrow('What to read?')
  expect(() => createConsumer({ topics: ['t'] } as never)).toThrow('Where is the cluster?')
})

test('the protocol is chosen by what it can honour', () => {
  const protocolOf = (options: object) =>
    resolveSettings({ topics: ['t'], group: 'g', ...options }).protocol
  expect(protocolOf({})).toBe('classic')
  expect(protocolOf({ protocol: 'auto' })).toBe('auto')
  expect(protocolOf({ protocol: 'auto', sessionTimeoutMs: 10_000 })).toBe('classic')
  expect(() => protocolOf({ protocol: 'consumer', heartbeatIntervalMs: 100 })).toThrow(
    "`heartbeatIntervalMs`: with `protocol: 'consumer'` the broker decides.",
  )
  expect(() => protocolOf({ protocol: 'new' })).toThrow('`protocol` must be')
})
