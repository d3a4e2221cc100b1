// What the project aims at, as ratios within a run or as plain figures.
import { floodName } from './cases.mjs'
import { median, usage } from './figures.mjs'

/** A figure of one row of a case: its value, another key of it, or what a function makes of its rounds. */
const figure = (name, key = 'value') => ({
  of: (row) => ({ name, row, key }),
})
const cpuOf = (rounds) => {
  const used = usage(rounds, 'broker')
  return used && used.userEach + used.systemEach
}
const memoryOf = (rounds) => usage(rounds, 'broker')?.residentMb
const bestOf = (rounds) => Math.max(...rounds.map(({ value }) => value))

const produce100 = 'produce 100 B acks=all os 6 partitions'
const consume100 = 'consume 100 B cached 6 partitions'
const [produced, consumed] = [produce100, consume100].map((name) => figure(name))
const ours = 'kfk>kfk'
const java = 'java>kafka'

/** `a / b` of two rows of one case. */
const ratio = ({ text, name, key, rows: [a, b] }, bound) => ({
  text,
  of: figure(name, key).of(a),
  against: figure(name, key).of(b),
  ...bound,
})
/** One figure of our own stack. */
const plain = ({ text, name, key, row = ours }, bound) => ({
  text,
  of: figure(name, key).of(row),
  against: undefined,
  ...bound,
})
/** Our stack in two cases. */
const between = (text, names, bound) => ({
  text,
  of: figure(names[0]).of(ours),
  against: figure(names[1]).of(ours),
  ...bound,
})

const stacks = [
  [produce100, 'kfk stack / Java stack, produce 100 B', 8],
  [consume100, 'kfk stack / Java stack, consume 100 B', 4],
  [consume100, 'the same by runBatches', 4, 'kfk-callback>kfk'],
  ['produce 1 KB acks=all os 6 partitions', 'kfk stack / Java stack, produce 1 KB', 3],
  ['consume 1 KB cached 6 partitions', 'kfk stack / Java stack, consume 1 KB', 3],
].map(([name, text, atLeast, row = ours]) => ratio({ text, name, rows: [row, java] }, { atLeast }))

const rates = [
  plain({ text: 'produce 100 B, best round', name: produce100, key: bestOf }, { atLeast: 4e6 }),
  plain({ text: 'both at once 100 B', name: 'both at once 100 B os' }, { atLeast: 3e6 }),
]

const disk = (partitions) =>
  ['disk', 'os'].map((where) => `produce 100 B acks=all ${where} ${partitions} partitions`)
const durability = [
  between('disk / os, 6 partitions', disk(6), { atLeast: 0.75 }),
  between('disk / os, 16 partitions', disk(16), { atLeast: 0.75 }),
  {
    text: 'kfk stack on disk / Java stack without fsync',
    of: figure(disk(6)[0]).of(ours),
    against: produced.of(java),
    atLeast: 4,
  },
  between('1,000 partitions / 6', [disk(1000)[1], produce100], { atLeast: 0.7 }),
]

const brokers = [
  [produce100, 'produce'],
  [consume100, 'consume'],
].flatMap(([name, what]) => [
  ratio(
    { text: `broker / Kafka under the C client, ${what}`, name, rows: ['c>kfk', 'c>kafka'] },
    { atLeast: 1.3 },
  ),
  ratio(
    { text: `CPU a GB, broker / Kafka, ${what}`, name, key: cpuOf, rows: ['c>kfk', 'c>kafka'] },
    { atMost: 1 / 3 },
  ),
])
const memory = plain(
  { text: 'broker under load, MB resident', name: produce100, key: memoryOf },
  { atMost: 150 },
)

const flooded = plain(
  { text: 'broker in a flood, MB resident', name: floodName, key: memoryOf, row: 'c>kfk' },
  { atMost: 150 },
)

const clients = [
  ['producer / @platformatic/kafka', produced, [ours, 'platformatic>kfk'], 10],
  ['producer / kafkajs', produced, [ours, 'kafkajs>kfk'], 25],
  ['consumer / kafkajs', consumed, [ours, 'kafkajs>kfk'], 8],
  ['consumer / @platformatic/kafka', consumed, [ours, 'platformatic>kfk'], 20],
  ['producer on Kafka / Java', produced, ['kfk>kafka', java], 1],
  ['consumer on Kafka / Java', consumed, ['kfk>kafka', java], 1],
].map(([text, each, [a, b], atLeast]) => ({ text, of: each.of(a), against: each.of(b), atLeast }))

const latencies = [
  ['idle p50, us', 'latency idle os', 'p50Us', 120],
  ['idle p99, us', 'latency idle os', 'p99Us', 600],
  ['p99 at 100 k/s, us', 'latency 100k/s os', 'p99Us', 2000],
  ['p99.9 at 100 k/s, us', 'latency 100k/s os', 'p999Us', 10_000],
  ['p99 at 1 M/s, us', 'latency 1M/s os', 'p99Us', 10_000],
  ['soak p99.9, us', 'soak 10 minutes at 70 %', 'p999Us', 20_000],
].map(([text, name, key, atMost]) => plain({ text, name, key }, { atMost }))
const latencyRatios = ['idle', '10k/s', '100k/s', '300k/s', '1M/s'].map((load) =>
  ratio(
    {
      text: `p99 ${load}, kfk stack / Java stack`,
      name: `latency ${load} os`,
      key: 'p99Us',
      rows: [ours, java],
    },
    { atMost: 1 },
  ),
)

const besideCold = between(
  'p99 at 10 k/s, beside a cold reader / alone',
  ['latency 10k/s os beside a cold reader', 'latency 10k/s os'],
  { atMost: 2 },
)

const requests64 = 'requests 64 connections os'
const requests256 = 'requests 256 connections disk'
const requests = [
  plain({ text: 'requests, 64 connections', name: requests64, row: 'c>kfk' }, { atLeast: 75_000 }),
  plain(
    { text: 'requests, 256 connections on disk', name: requests256, row: 'c>kfk' },
    { atLeast: 45_000 },
  ),
  ratio(
    { text: 'requests, 64 connections / Kafka', name: requests64, rows: ['c>kfk', 'c>kafka'] },
    { atLeast: 3 },
  ),
]

/** `of` against `against` (a ratio of medians) or alone, with `atLeast` or `atMost`. */
export const aims = [
  ...[...stacks, ...rates, ...durability, ...brokers, memory, flooded, ...clients],
  ...[...latencies, ...latencyRatios, besideCold, ...requests],
]

function figureOf({ cases }, { name, row, key }) {
  const rounds = cases
    .find((each) => each.name === name)
    ?.rows.find((each) => each.row === row)?.rounds
  if (rounds === undefined || rounds.length === 0) return undefined
  return typeof key === 'function' ? key(rounds) : median(rounds.map((round) => round[key]))
}

const twoDigits = (number) => Math.round(number * 100) / 100

/** Those whose figures this run has: `{ text, found, reached }`. */
export function judgeAims(results, list = aims) {
  return list.flatMap(({ text, of, against, atLeast, atMost }) => {
    const own = figureOf(results, of)
    const other = against === undefined ? 1 : figureOf(results, against)
    if (own === undefined || other === undefined) return []
    const found = own / other
    const reached = atLeast === undefined ? found <= atMost : found >= atLeast
    const bound = atLeast === undefined ? `<= ${twoDigits(atMost)}` : `>= ${twoDigits(atLeast)}`
    return [{ text: `${text} ${bound}`, found, reached }]
  })
}
