import { ConsumerGroup } from '../../../src/group/consumer/consumer-group.js'
import { GroupDriver, ModelMember } from './group-driver.js'
import { randomNumbers } from './seeded.js'

function expectNobodyOwnsTwice(members: readonly ModelMember[]): void {
  const owners = new Map<string, string>()
  for (const { id, owned } of members) {
    for (const [topicId, partitions] of owned) {
      for (const partition of partitions) {
        const name = `${topicId}-${partition}`
        if (owners.has(name)) throw new Error(`${name} has ${owners.get(name)} and ${id}`)
        owners.set(name, id)
      }
    }
  }
}

test.each(Array.from({ length: 60 }, (_, seed) => seed))(
  'whatever members do, no partition has two owners, and all find to their share (seed %i)',
  (seed) => {
    const random = randomNumbers(seed)
    const driver = new GroupDriver()
    driver.topic('a', 1 + random(10))
    driver.topic('b', 1 + random(10))
    let members: ModelMember[] = []
    for (let turn = 0; turn < 150; turn++) {
      const action = random(12)
      if (action === 0 || members.length === 0) {
        members.push(new ModelMember(driver, `m${turn}`, random(3) === 0 ? ['a'] : ['a', 'b']))
      } else if (action === 1) {
        members.splice(random(members.length), 1)[0]!.leave()
      } else if (action === 2) {
        // It falls silent; the others are heard from while its session ends.
        members.splice(random(members.length), 1)
        for (let beat = 0; beat < 10; beat++) {
          driver.pass(5000)
          for (const member of members) if (member.epoch > 0) member.beat()
        }
      } else if (action === 3) {
        driver.topic('b', driver.topics.get('b')!.partitionCount + 1)
      } else {
        const member = members[random(members.length)]!
        expect(member.beat()).toBe(true)
      }
      expectNobodyOwnsTwice(members)
    }
    for (let round = 0; round < 8; round++) for (const member of members) member.beat()
    const { state } = driver.group
    members = members.filter(({ epoch }) => epoch > 0)
    expect([state.state, state.size]).toEqual([
      members.length > 0 ? 'Stable' : 'Empty',
      members.length,
    ])
    expectNobodyOwnsTwice(members)
    const names = new Set(members.flatMap(({ topicNames }) => topicNames))
    const total = [...names].reduce((sum, name) => sum + driver.topics.get(name)!.partitionCount, 0)
    expect(members.reduce((sum, { size }) => sum + size, 0)).toBe(total)
  },
)

test('the records of a group make the same group again', () => {
  const random = randomNumbers(99)
  const driver = new GroupDriver()
  driver.topic('a', 7)
  driver.topic('b', 5)
  const members = Array.from({ length: 4 }, (_, at) => {
    return new ModelMember(driver, `m${at}`, at % 2 === 0 ? ['a'] : ['a', 'b'])
  })
  for (let turn = 0; turn < 40; turn++) members[random(4)]!.beat()
  members[1]!.leave()
  driver.join('s', { instanceId: 'i', topicNames: [], topicRegex: 'a|b' })
  const copy = new ConsumerGroup('g', driver.group.environment)
  for (const change of driver.changes) copy.state.apply(change)
  expect(copy.state).toEqual(driver.group.state)
})
