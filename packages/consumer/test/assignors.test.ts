import fc from 'fast-check'
import {
  allPartitions,
  cooperativeStickyAssignor,
  rangeAssignor,
  roundRobinAssignor,
  type InstantAssignor,
  type AssignorMember,
} from '../src/assignors'
import { partitionKey, type TopicPartition } from '../src/topic-partition'

const member = (
  memberId: string,
  topics: string[],
  more: Partial<AssignorMember> = {},
): AssignorMember => ({
  memberId,
  topics,
  groupInstanceId: null,
  owned: [],
  generation: -1,
  userData: null,
  ...more,
})

const plain = (assignment: Map<string, TopicPartition[]>): Record<string, string[]> =>
  Object.fromEntries([...assignment].map(([id, list]) => [id, list.map(partitionKey)]))

describe('as Kafka divides', () => {
  const members = [member('b', ['t', 'u']), member('a', ['t', 'u'])]
  const partitionCounts = new Map([
    ['t', 3],
    ['u', 3],
  ])

  test('range: neighbours, the first member gets the larger part of each topic', () => {
    expect(plain(rangeAssignor.assign({ members, partitionCounts }))).toEqual({
      a: ['t/0', 't/1', 'u/0', 'u/1'],
      b: ['t/2', 'u/2'],
    })
  })

  test('roundrobin: one by one over all topics', () => {
    expect(plain(roundRobinAssignor.assign({ members, partitionCounts }))).toEqual({
      a: ['t/0', 't/2', 'u/1'],
      b: ['t/1', 'u/0', 'u/2'],
    })
  })

  test('static members are ordered by instance id, whatever their member id', () => {
    const fixed = [
      member('z', ['t'], { groupInstanceId: '1' }),
      member('a', ['t'], { groupInstanceId: '2' }),
    ]
    const assignment = rangeAssignor.assign({
      members: fixed,
      partitionCounts: new Map([['t', 3]]),
    })
    expect(plain(assignment)).toEqual({ z: ['t/0', 't/1'], a: ['t/2'] })
  })
})

/** A group with a history: members, their topics, and claims from earlier generations, some of them stale. */
const groups = fc
  .record({
    counts: fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 4 }),
    members: fc.array(
      fc.record({
        topics: fc.uniqueArray(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 4 }),
        owned: fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 9 }))),
        generation: fc.integer({ min: -1, max: 3 }),
      }),
      { minLength: 1, maxLength: 6 },
    ),
  })
  .map(({ counts, members }) => ({
    partitionCounts: new Map(counts.map((count, topic) => [`t${topic}`, count])),
    members: members.map(({ topics, owned, generation }, index) =>
      member(
        `m${index}`,
        topics.map((topic) => `t${topic}`),
        {
          generation,
          owned: owned.map(([topic, partition]) => ({ topic: `t${topic}`, partition })),
        },
      ),
    ),
  }))

/** Joins round after round, as members do after giving up what they lost, until nothing changes. */
function settle(
  assignor: InstantAssignor,
  members: AssignorMember[],
  partitionCounts: Map<string, number>,
) {
  let joined = members
  for (let round = 0; round < 3; round++) {
    const assignment = assignor.assign({ members: joined, partitionCounts })
    joined = joined.map((each) => ({
      ...each,
      generation: 10 + round,
      owned: assignment.get(each.memberId)!,
    }))
  }
  return new Map(joined.map((each) => [each.memberId, [...each.owned]]))
}

describe.each([
  ['range', rangeAssignor],
  ['roundrobin', roundRobinAssignor],
  ['cooperative-sticky', cooperativeStickyAssignor],
])('%s', (_name, assignor) => {
  test('every wanted partition has exactly one owner, and the owner wants it', () => {
    fc.assert(
      fc.property(groups, ({ members, partitionCounts }) => {
        const assignment = settle(assignor, members, partitionCounts)
        const given = [...assignment].flatMap(([id, list]) => list.map((each) => ({ id, each })))
        const wanted = allPartitions(partitionCounts).filter(({ topic }) =>
          members.some(({ topics }) => topics.includes(topic)),
        )
        expect(given.map(({ each }) => partitionKey(each)).sort()).toEqual(
          wanted.map(partitionKey).sort(),
        )
        for (const { id, each } of given) {
          expect(members.find(({ memberId }) => memberId === id)!.topics).toContain(each.topic)
        }
      }),
      { seed: 1 },
    )
  })
})

describe('cooperative-sticky', () => {
  test('never gives away in one round what another member still owns', () => {
    fc.assert(
      fc.property(groups, ({ members, partitionCounts }) => {
        const before = settle(cooperativeStickyAssignor, members, partitionCounts)
        const owner = new Map(
          [...before].flatMap(([id, list]) => list.map((each) => [partitionKey(each), id])),
        )
        const joined = members.map((each) => ({
          ...each,
          generation: 20,
          owned: before.get(each.memberId)!,
        }))
        const newcomer = member('new', ['t0', 't1', 't2', 't3'])
        const after = cooperativeStickyAssignor.assign({
          members: [...joined, newcomer],
          partitionCounts,
        })
        for (const [id, list] of after) {
          for (const each of list) expect(owner.get(partitionKey(each)) ?? id).toBe(id)
        }
      }),
      { seed: 1 },
    )
  })

  test('is even when all want the same, and a settled group stays as it is', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 9 }),
        (partitions, size) => {
          const counts = new Map([['t', partitions]])
          const members = Array.from({ length: size }, (_, index) => member(`m${index}`, ['t']))
          const settled = settle(cooperativeStickyAssignor, members, counts)
          const sizes = [...settled.values()].map((list) => list.length)
          expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
          const joined = members.map((each) => ({
            ...each,
            generation: 30,
            owned: settled.get(each.memberId)!,
          }))
          const again = cooperativeStickyAssignor.assign({
            members: joined,
            partitionCounts: counts,
          })
          const sorted = (assignment: Map<string, TopicPartition[]>) =>
            Object.fromEntries(
              Object.entries(plain(assignment)).map(([id, list]) => [id, list.sort()]),
            )
          expect(sorted(again)).toEqual(sorted(settled))
        },
      ),
      { seed: 1 },
    )
  })

  test('a member that leaves costs the others nothing', () => {
    const counts = new Map([['t', 9]])
    const members = ['a', 'b', 'c'].map((id) => member(id, ['t']))
    const before = settle(cooperativeStickyAssignor, members, counts)
    const rest = ['a', 'b'].map((id) =>
      member(id, ['t'], { generation: 30, owned: before.get(id)! }),
    )
    const after = cooperativeStickyAssignor.assign({ members: rest, partitionCounts: counts })
    for (const { memberId, owned } of rest) {
      expect(after.get(memberId)!.map(partitionKey)).toEqual(
        expect.arrayContaining(owned.map(partitionKey)),
      )
    }
    expect([...after.values()].flat()).toHaveLength(9)
  })
})
