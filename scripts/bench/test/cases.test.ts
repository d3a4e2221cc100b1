import { aims } from '../cluster/aims.mjs'
import { allCases, chooseCases, soakCase } from '../cluster/cases.mjs'
import { peerNames } from '../cluster/options.mjs'

interface Case {
  readonly name: string
  readonly rows: readonly string[]
}
const everyPeer = new Set(peerNames)
const choose = (changes: object): Case[] =>
  chooseCases(allCases(), { only: [], peers: everyPeer, quick: false, ...changes })

test('each case has a name of its own', () => {
  const names = allCases().map(({ name }) => name)
  expect(new Set(names).size).toBe(names.length)
})

test('every aim names a case and rows that are measured', () => {
  const cases: Case[] = [...allCases(), soakCase(1e6)]
  const known = new Set(cases.flatMap(({ name, rows }) => rows.map((row) => `${name}: ${row}`)))
  for (const { of, against } of aims) {
    for (const side of [of, against]) {
      if (side !== undefined) expect(known).toContain(`${side.name}: ${side.row}`)
    }
  }
})

test('a row is measured when both its sides are wanted; ours always is', () => {
  const rows = new Set(choose({ peers: new Set() }).flatMap((each) => each.rows))
  expect([...rows].sort()).toEqual(
    ['kfk>kfk', 'kfk>kfk2', 'kfk-callback>kfk', 'kfk-each>kfk', 'kfk-typed>kfk'].sort(),
  )
  const withJava = choose({ only: ['both at once 100'], peers: new Set(['java']) })
  expect(withJava.map((each) => each.rows)).toEqual([['kfk>kfk', 'kfk>kfk2']])
  const withKafka = choose({ only: ['both at once 100'], peers: new Set(['java', 'kafka']) })
  expect(withKafka.map((each) => each.rows)).toEqual([['kfk>kfk', 'java>kafka', 'kfk>kfk2']])
})

test('--quick is a part of all, unless cases are named', () => {
  const quick = choose({ quick: true }).map(({ name }) => name)
  expect(quick.length).toBeGreaterThan(3)
  expect(quick.length).toBeLessThan(allCases().length / 3)
  for (const { rows, quick: fewer } of allCases())
    expect(rows).toEqual(expect.arrayContaining(fewer))
  expect(quick).not.toContain('latency 10k/s os')
  expect(choose({ quick: true, only: ['10k/s'] }).map(({ name }) => name)).toEqual([
    'latency 10k/s os',
    'latency 10k/s os beside a cold reader',
    'latency 10k/s os beside a cached reader',
  ])
})

test('the soak is ten minutes at 70 % of the rate', () => {
  expect(soakCase(1_000_000).params).toMatchObject({ rate: 700_000, seconds: 600 })
})
