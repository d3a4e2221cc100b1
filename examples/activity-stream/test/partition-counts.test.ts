import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { CountsStore } from '../src/counts-store'
import { largest, maxNames, others, PartitionCounts } from '../src/partition-counts'

const event = (name: string) => ({ time: '2026-05-17T10:05:03.000Z', name })

let dir: string
beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'kfk-counts-'))
})
afterEach(() => fs.rmSync(dir, { recursive: true }))

test('a record counts once, however often it is read', () => {
  const counts = new PartitionCounts()
  for (const offset of [0, 1, 1, 0, 2]) counts.apply(offset, event('/'))
  expect(counts.stored()).toEqual({
    nextOffset: 3,
    total: 3,
    minutes: { '2026-05-17T10:05': 3 },
    names: { '/': 3 },
  })
})

test('counts come back as they were stored, names such as __proto__ too', () => {
  const store = new CountsStore(dir)
  const counts = new PartitionCounts()
  counts.apply(0, event('constructor'))
  counts.apply(1, event('__proto__'))
  store.save('page-views', 3, counts)
  const [back] = [...store.all('page-views')]
  expect(back?.partition).toBe(3)
  expect([...back!.counts.names]).toEqual([...counts.names])
  expect([...store.all('page')]).toEqual([])
})

test('a member that was thought dead cannot take counts back', () => {
  const store = new CountsStore(dir)
  const late = store.load('page-views', 0)
  late.apply(0, event('/'))
  const successor = store.load('page-views', 0)
  successor.apply(0, event('/'))
  successor.apply(1, event('/'))
  expect(store.save('page-views', 0, successor)).toBe(2)
  expect(store.save('page-views', 0, late)).toBe(2)
  expect(store.load('page-views', 0).total).toBe(2)
})

test('the number of names is bounded', () => {
  const counts = new PartitionCounts()
  for (let offset = 0; offset < maxNames + 10; offset++) counts.apply(offset, event(`/${offset}`))
  expect(counts.names.size).toBe(maxNames + 1)
  expect(counts.names.get(others)).toBe(10)
  expect(counts.total).toBe(maxNames + 10)
})

test('the largest entries over several tables', () => {
  const tables = [
    new Map([
      ['a', 1],
      ['b', 2],
    ]),
    new Map([
      ['b', 1],
      ['c', 3],
      ['d', 1],
    ]),
  ]
  expect(largest(tables, 3)).toEqual([
    ['b', 3],
    ['c', 3],
    ['a', 1],
  ])
})
