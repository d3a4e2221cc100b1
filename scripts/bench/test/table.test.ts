import { judgeAims } from '../cluster/aims.mjs'
import { short, spread } from '../cluster/figures.mjs'
import { plotResults } from '../cluster/plot.mjs'
import { formatAims, formatCase } from '../cluster/table.mjs'

const round = (value: number, userSeconds = 1) => ({
  value,
  amount: 0.5,
  used: { broker: { userSeconds, systemSeconds: 0.25, residentMb: 99.6 } },
})
const produce = {
  name: 'produce <100 B>',
  kind: 'produce',
  unit: 'records/s',
  params: { valueBytes: 100 },
  rows: [
    { row: 'kfk>kfk', rounds: [round(4e6), round(5e6, 3), round(3e6, 2)], failure: undefined },
    { row: 'java>kafka', rounds: [round(5e5)], failure: undefined },
    { row: 'c>kfk', rounds: [], failure: 'it ended' },
  ],
}
const results = { cases: [produce], machine: 'here', rounds: 3, date: '2026-01-02T03:04:05.678Z' }

test('numbers keep three digits', () => {
  const values = [0.1234, 12.34, 1234, 12_345, 123_456, 1_234_567, 123_456_789, undefined]
  expect(values.map(short)).toEqual([
    ...['0.12', '12.3', '1234', '12.3 k', '123 k', '1.23 M', '123 M', '-'],
  ])
})

test('several rounds are median, least and most', () => {
  expect(spread([3, 1, 2])).toBe('2.00 [1.00 .. 3.00]')
  expect(spread([7])).toBe('7.00')
})

test('a case: median, range, MB/s, CPU a GB, memory, and the ratio to the first row', () => {
  const [title, first, second, third] = formatCase(produce).split('\n')
  expect(title).toBe('produce <100 B> (records/s)')
  expect(first).toMatch(/kfk > kfk +4\.00 M \[3\.00 M \.\. 5\.00 M\] +400 MB\/s/)
  expect(first).toContain('broker 4.00+0.50 s/GB 100 MB')
  expect(first).not.toContain(' x')
  expect(second).toMatch(/java > kafka +500 k +50 MB\/s +x0\.13/)
  expect(third).toBe('  c > kfk              failed: it ended')
})

test('a latency case tells percentiles, and when the rate was not kept', () => {
  const latency = { p50Us: 90, p99Us: 500, p999Us: 900, maxUs: 12_000, keptUp: 0.5, amount: 2 }
  const row = { row: 'kfk>kfk', rounds: [{ value: 500, ...latency, used: {} }] }
  const text = formatCase({ ...produce, name: 'latency', unit: 'us', rows: [row] })
  expect(text).toContain('p50 90.0, p99 500, p99.9 900, max 12.0 k us, only 50 % of the rate')
})

test('memory that grows shows in a long run', () => {
  const residentMb = Array.from({ length: 100 }, (_, second) => 100 + second)
  const row = { row: 'kfk>kfk', rounds: [{ ...round(1), residentMb }] }
  expect(formatCase({ ...produce, rows: [row] })).toContain('broker memory 112 -> 187 MB')
})

test('aims are judged by medians; one that was not measured says nothing', () => {
  const of = { name: produce.name, row: 'kfk>kfk', key: 'value' }
  const against = { ...of, row: 'java>kafka' }
  const best = { ...of, key: (rounds: { value: number }[]) => rounds[1]!.value }
  const list = [
    { text: 'eight times', of, against, atLeast: 8 },
    { text: 'nine times', of, against, atLeast: 9 },
    { text: 'at most', of, against: undefined, atMost: 4e6 },
    { text: 'best', of: best, against: undefined, atLeast: 5e6 },
    { text: 'absent', of: { ...of, row: 'c>kfk' }, against: undefined, atLeast: 1 },
  ]
  const judged = judgeAims(results, list as never)
  expect(judged.map(({ reached }) => reached)).toEqual([true, false, true, true])
  expect(formatAims({ aims: judged, idleMb: { kfk: 60 } } as never).split('\n')).toEqual([
    'brokers at rest: kfk 60.0 MB',
    'aims',
    '  reached  eight times >= 8: 8.00',
    '  MISSED   nine times >= 9: 8.00',
    '  reached  at most <= 4000000: 4.00 M',
    '  reached  best >= 5000000: 5.00 M',
  ])
})

test('the plot has a bar for each row that was measured, as long as its median', () => {
  const svg = plotResults(results)
  const bars = [...svg.matchAll(/<rect x="170" y="\d+" width="([\d.]+)"/g)].map(([, wide]) => wide)
  expect(bars).toEqual(['384', '48'])
  expect(svg).toContain('produce &lt;100 B&gt;: records/s')
  expect(svg).not.toMatch(/NaN|undefined|<script/)
})
