import { type Assignment, NO_PARTITIONS } from '../../../src/group/consumer/assignment.js'
import type { AssigneeMember } from '../../../src/group/consumer/assignment-task.js'
import { serverAssignors } from '../../../src/group/consumer/server-assignors.js'
import { randomNumbers } from './seeded.js'

const uniform = serverAssignors.get('uniform')!
const range = serverAssignors.get('range')!

type Counts = Readonly<Record<string, number>>

function member(
  id: string,
  topics: readonly string[],
  target: Assignment = NO_PARTITIONS,
  instanceId: string | null = null,
): AssigneeMember {
  return { id, instanceId, topicIds: new Set(topics), target }
}

function assign(assignor: typeof uniform, members: AssigneeMember[], counts: Counts) {
  return assignor({ members, partitionCount: (topicId) => counts[topicId]! })
}

function sizes(result: ReadonlyMap<string, Assignment>): number[] {
  return Array.from(result.values(), (own) =>
    [...own.values()].reduce((sum, { length }) => sum + length, 0),
  )
}

/** Every partition of the topics that somebody reads has one owner, who reads it. */
function expectComplete(
  members: readonly AssigneeMember[],
  result: ReadonlyMap<string, Assignment>,
  counts: Counts,
): void {
  const owners = new Map<string, string>()
  for (const { id, topicIds } of members) {
    for (const [topicId, partitions] of result.get(id)!) {
      expect(topicIds).toContain(topicId)
      expect([...partitions].sort((a, b) => a - b)).toEqual(partitions)
      for (const partition of partitions) {
        const isNew = partition < counts[topicId]! && !owners.has(`${topicId}-${partition}`)
        if (!isNew) throw new Error(`${topicId}-${partition} of ${id} is another's, or none`)
        owners.set(`${topicId}-${partition}`, id)
      }
    }
  }
  const read = new Set(members.flatMap(({ topicIds }) => [...topicIds]))
  const total = [...read].reduce((sum, topicId) => sum + counts[topicId]!, 0)
  expect(owners.size).toBe(total)
}

test('uniform gives each member as many as any other, and moves no more than it has to', () => {
  const random = randomNumbers(7)
  for (let run = 0; run < 200; run++) {
    const counts = { a: random(12), b: random(12), c: random(12) }
    let members = Array.from({ length: 1 + random(8) }, (_, at) => member(`m${at}`, ['a', 'b']))
    let before = assign(uniform, members, counts)
    for (let change = 0; change < 5; change++) {
      const gone = random(3) === 0 && members.length > 1 ? random(members.length) : -1
      const stayed = members.filter((_, at) => at !== gone).map(({ id }) => id)
      const ids = random(2) === 0 ? [...stayed, `n${run}-${change}`] : stayed
      members = ids.map((id) => member(id, ['a', 'b'], before.get(id)))
      const result = assign(uniform, members, counts)
      expectComplete(members, result, counts)
      const loads = sizes(result)
      expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(1)
      const quota = Math.floor((counts.a + counts.b) / ids.length)
      let extra = (counts.a + counts.b) % ids.length
      let moved = 0
      let needed = 0
      for (const id of ids.sort((x, y) => sizeOf(before, y) - sizeOf(before, x))) {
        needed += Math.max(sizeOf(before, id) - quota - (extra-- > 0 ? 1 : 0), 0)
        moved += lost(before.get(id) ?? NO_PARTITIONS, result.get(id)!)
      }
      expect(moved).toBe(needed)
      before = result
    }
  }
})

function sizeOf(result: ReadonlyMap<string, Assignment>, id: string): number {
  return sizes(new Map([[id, result.get(id) ?? NO_PARTITIONS]]))[0]!
}

function lost(before: Assignment, after: Assignment): number {
  return [...before].reduce(
    (sum, [topicId, partitions]) =>
      sum + partitions.filter((each) => !after.get(topicId)?.includes(each)).length,
    0,
  )
}

test('uniform comes near to balance when members read different topics', () => {
  const random = randomNumbers(11)
  for (let run = 0; run < 200; run++) {
    const counts: Counts = { a: 1 + random(20), b: 1 + random(20), c: 1 + random(20) }
    const topics = Object.keys(counts)
    const members = Array.from({ length: 2 + random(6) }, (_, at) => {
      const own = topics.filter(() => random(2) === 0)
      return member(`m${at}`, own.length > 0 ? own : ['a'])
    })
    const result = assign(uniform, members, counts)
    expectComplete(members, result, counts)
    const again = members.map((each) => ({ ...each, target: result.get(each.id)! }))
    expect(assign(uniform, again, counts)).toEqual(result)
    const loads = new Map([...result].map(([id]) => [id, sizeOf(result, id)]))
    for (const { id, topicIds } of members) {
      for (const other of members) {
        const shares = [...topicIds].some(
          (topicId) =>
            other.topicIds.has(topicId) && (result.get(id)!.get(topicId) ?? []).length > 0,
        )
        if (shares) expect(loads.get(id)! - loads.get(other.id)!).toBeLessThanOrEqual(1)
      }
    }
  }
})

test('range divides topics of equal size alike, static members first', () => {
  const members = [
    member('z', ['a', 'b']),
    member('y', ['a', 'b']),
    member('x', ['a', 'b'], NO_PARTITIONS, 'instance'),
  ]
  const result = assign(range, members, { a: 7, b: 7 })
  for (const [id, first, second] of [
    ['x', [0, 1, 2], [0, 1, 2]],
    ['y', [3, 4], [3, 4]],
    ['z', [5, 6], [5, 6]],
  ] as const) {
    expect(result.get(id)).toEqual(new Map([['a', first], ['b', second]])) // prettier-ignore
  }
  expectComplete(members, result, { a: 7, b: 7 })
})

test('range among members that read different topics', () => {
  const random = randomNumbers(3)
  for (let run = 0; run < 100; run++) {
    const counts: Counts = { a: random(9), b: random(9) }
    const members = Array.from({ length: 1 + random(5) }, (_, at) =>
      member(`m${at}`, [['a'], ['b'], ['a', 'b']][random(3)]!),
    )
    expectComplete(members, assign(range, members, counts), counts)
  }
})

test('ten thousand partitions are divided among a hundred members', () => {
  const members = Array.from({ length: 100 }, (_, at) => member(`m${at}`, ['a', 'b']))
  const result = assign(uniform, members, { a: 9000, b: 1000 })
  expect(sizes(result)).toEqual(Array.from({ length: 100 }, () => 100))
})
