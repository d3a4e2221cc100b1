import { parseOptions } from '../cluster/options.mjs'

test('without arguments: five rounds, every peer', () => {
  const options = parseOptions([])
  expect(options).toMatchObject({ rounds: 5, quick: false, only: [], soak: undefined })
  expect([...options.peers]).toEqual(
    expect.arrayContaining([
      'kafka',
      'java',
      'kafkajs',
      'platformatic',
      'confluent',
      'c',
      'raw',
      'node',
    ]),
  )
})

test('--quick: one round, no slow client unless it is named', () => {
  const { peers, rounds } = parseOptions(['--quick'])
  expect(rounds).toBe(1)
  expect([...peers]).toEqual(['kafka', 'java', 'c', 'raw', 'node'])
  expect([...parseOptions(['--quick', '--peers', 'kafkajs']).peers]).toEqual(['kafkajs'])
})

test('lists come with commas or repeated', () => {
  const options = parseOptions(['--only', 'idle,both', '--only', 'consume', '--peers', 'c,raw'])
  expect(options.only).toEqual(['idle', 'both', 'consume'])
  expect([...options.peers]).toEqual(['c', 'raw'])
  expect(parseOptions(['--peers', 'none']).peers.size).toBe(0)
})

test('--profile is one round of our own unless said otherwise', () => {
  expect(parseOptions(['--profile'])).toMatchObject({ profile: true, rounds: 1, peers: new Set() })
  expect(parseOptions(['--profile', '--rounds', '3', '--peers', 'c'])).toMatchObject({
    rounds: 3,
    peers: new Set(['c']),
  })
})

test('--soak takes a rate or has one', () => {
  expect(parseOptions(['--soak'])).toMatchObject({ soak: 1_000_000, rounds: 1 })
  expect(parseOptions(['--soak', '--dir', '/tmp'])).toMatchObject({ soak: 1_000_000, dir: '/tmp' })
  expect(parseOptions(['--soak', '50000']).soak).toBe(50_000)
})

test.each([
  [['--peers', 'redis'], /redis/],
  [['--rounds', '0'], /--rounds/],
  [['--rounds', 'many'], /--rounds/],
  [['--soak', '5'], /--soak/],
  [['--fast'], /--fast/],
])('%j is refused with a reason', (args, reason) => {
  expect(() => parseOptions(args)).toThrow(reason)
})
