import { errorCodes } from '@kfk/protocol'
import { MAX_PENDING_MEMBERS } from '../../src/group/group-roster.js'
import { NEW_MEMBER_JOIN_TIMEOUT_MS } from '../../src/group/rebalance.js'
import { bytes, MachineDriver, protocols } from './machine-driver.js'

const {
  COORDINATOR_NOT_AVAILABLE,
  FENCED_INSTANCE_ID,
  GROUP_ID_NOT_FOUND,
  GROUP_MAX_SIZE_REACHED,
  ILLEGAL_GENERATION,
  INCONSISTENT_GROUP_PROTOCOL,
  MEMBER_ID_REQUIRED,
  NONE,
  NON_EMPTY_GROUP,
  REBALANCE_IN_PROGRESS,
  UNKNOWN_MEMBER_ID,
} = errorCodes

describe('joining', () => {
  test('a first member leads generation 1 and learns of itself', () => {
    const driver = new MachineDriver()
    const result = driver.joined()
    expect(result).toMatchObject({
      errorCode: NONE,
      generation: 1,
      leader: 'client-1',
      memberId: 'client-1',
      protocolType: 'consumer',
      protocolName: 'range',
      skipAssignment: false,
      members: [{ memberId: 'client-1', metadata: bytes('metadata for range') }],
    })
    expect(driver.group.state).toBe('CompletingRebalance')
  })

  test('the generation is to be durable before the answer', () => {
    const driver = new MachineDriver()
    driver.join()
    expect(driver.effects.map(({ kind }) => kind)).toEqual(['floor', 'joined'])
    expect(driver.effects[0]).toEqual({ kind: 'floor', generation: 1 })
  })

  test('a dynamic member without an id is given one first (KIP-394)', () => {
    const driver = new MachineDriver()
    const first = driver.joined({ requireKnownMemberId: true })
    expect(first).toMatchObject({ errorCode: MEMBER_ID_REQUIRED, memberId: 'client-1' })
    expect(driver.group.state).toBe('Empty')
    const second = driver.joined({ requireKnownMemberId: true, memberId: first.memberId })
    expect(second).toMatchObject({ errorCode: NONE, generation: 1, memberId: 'client-1' })
  })

  test('an id that was handed out expires with the session timeout', () => {
    const driver = new MachineDriver()
    const { memberId } = driver.joined({ requireKnownMemberId: true })
    expect(driver.group.idle).toBe(false)
    driver.advance(10_000)
    expect(driver.group.idle).toBe(true)
    expect(driver.joined({ memberId }).errorCode).toBe(UNKNOWN_MEMBER_ID)
  })

  test('ids that were handed out are bounded: the oldest is forgotten', () => {
    const driver = new MachineDriver()
    const first = driver.joined({ requireKnownMemberId: true })
    for (let i = 0; i < MAX_PENDING_MEMBERS; i++) driver.join({ requireKnownMemberId: true })
    expect(driver.group.roster.pendingCount).toBe(MAX_PENDING_MEMBERS)
    expect(driver.joined({ memberId: first.memberId }).errorCode).toBe(UNKNOWN_MEMBER_ID)
  })

  test('a rebalance waits for a client with a new id until it gives up', () => {
    const { driver, ids } = MachineDriver.stable(1)
    const given = driver.joined({ requireKnownMemberId: true })
    const ticket = driver.join({ memberId: ids[0]! })
    expect(driver.joins.has(ticket)).toBe(false)
    driver.leave({ memberId: given.memberId })
    expect(driver.joins.get(ticket)).toMatchObject({ errorCode: NONE, generation: 2 })
  })

  test('a second member causes a rebalance that ends when the first has come back', () => {
    const { driver, ids } = MachineDriver.stable(1)
    const second = driver.join()
    expect(driver.group.state).toBe('PreparingRebalance')
    expect(driver.heartbeat(ids[0]!)).toBe(REBALANCE_IN_PROGRESS)
    const first = driver.join({ memberId: ids[0]! })
    expect(driver.joins.get(first)).toMatchObject({ generation: 2, leader: ids[0] })
    expect(driver.joins.get(first)!.members).toHaveLength(2)
    expect(driver.joins.get(second)).toMatchObject({ generation: 2, leader: ids[0], members: [] })
  })

  test('members that do not come back within the longest rebalance timeout are left out', () => {
    const { driver, ids } = MachineDriver.stable(2)
    const third = driver.join({ rebalanceTimeoutMs: 5000 })
    const first = driver.join({ memberId: ids[0]!, rebalanceTimeoutMs: 5000 })
    for (let passed = 0; passed < 60_000; passed += 5000) {
      driver.heartbeat(ids[1]!)
      expect(driver.joins.has(third)).toBe(false)
      driver.advance(5000)
    }
    expect(driver.joins.get(third)).toMatchObject({ errorCode: NONE, generation: 2 })
    expect(driver.joins.get(first)!.members).toHaveLength(2)
    expect(driver.heartbeat(ids[1]!)).toBe(UNKNOWN_MEMBER_ID)
  })

  test('a new member that waits too long is told to start over', () => {
    const { driver, ids } = MachineDriver.stable(1)
    const long = { rebalanceTimeoutMs: 2 * NEW_MEMBER_JOIN_TIMEOUT_MS }
    const ticket = driver.join(long)
    for (let passed = 0; passed < NEW_MEMBER_JOIN_TIMEOUT_MS; passed += 5000) {
      driver.heartbeat(ids[0]!)
      driver.advance(5000)
    }
    expect(driver.joins.get(ticket)).toMatchObject({ errorCode: UNKNOWN_MEMBER_ID, memberId: '' })
  })

  test('joining again while waiting answers the older request', () => {
    const { driver, ids } = MachineDriver.stable(2)
    const older = driver.join({ memberId: ids[0]! })
    const newer = driver.join({ memberId: ids[0]! })
    expect(driver.joins.get(older)!.errorCode).toBe(REBALANCE_IN_PROGRESS)
    driver.join({ memberId: ids[1]! })
    expect(driver.joins.get(newer)!.errorCode).toBe(NONE)
  })

  test('a follower that joins a stable group again with the same metadata changes nothing', () => {
    const { driver, ids } = MachineDriver.stable(2)
    const again = driver.joined({ memberId: ids[1]! })
    expect(again).toMatchObject({ errorCode: NONE, generation: 1, leader: ids[0], members: [] })
    expect(driver.group.state).toBe('Stable')
  })

  test('other metadata, or the leader joining again, causes a rebalance', () => {
    const changed = MachineDriver.stable(2)
    changed.driver.join({ memberId: changed.ids[1]!, protocols: protocols('range', 'sticky') })
    expect(changed.driver.group.state).toBe('PreparingRebalance')
    const led = MachineDriver.stable(2)
    led.driver.join({ memberId: led.ids[0]! })
    expect(led.driver.group.state).toBe('PreparingRebalance')
  })

  test('a member that missed the answer gets it again while the leader assigns', () => {
    const driver = new MachineDriver()
    const { memberId } = driver.joined()
    const again = driver.joined({ memberId })
    expect(again).toMatchObject({ errorCode: NONE, generation: 1 })
    expect(again.members).toHaveLength(1)
  })

  test('members with an id that nobody knows are refused', () => {
    expect(new MachineDriver().joined({ memberId: 'stranger' }).errorCode).toBe(UNKNOWN_MEMBER_ID)
  })

  test('group.max.size bounds the members', () => {
    const { driver, ids } = MachineDriver.stable(2, { maxSize: 2 })
    expect(driver.joined()).toMatchObject({ errorCode: GROUP_MAX_SIZE_REACHED, memberId: '' })
    expect(driver.joined({ memberId: ids[1]! }).errorCode).toBe(NONE)
  })

  test('a first rebalance gathers members for the initial delay, again for each newcomer', () => {
    const driver = new MachineDriver({ initialRebalanceDelayMs: 3000 })
    const first = driver.join()
    driver.advance(2000)
    const second = driver.join()
    driver.advance(2000)
    expect(driver.joins.size).toBe(0)
    driver.advance(2000)
    expect(driver.joins.get(first)!.members).toHaveLength(2)
    expect(driver.joins.get(second)!.generation).toBe(1)
  })
})

describe('protocols', () => {
  test('the one that most members prefer of those that all offer wins', () => {
    const driver = new MachineDriver({ initialRebalanceDelayMs: 1000 })
    const first = driver.join({ protocols: protocols('range', 'sticky') })
    driver.join({ protocols: protocols('sticky', 'range') })
    driver.join({ protocols: protocols('other', 'sticky', 'range') })
    driver.advance(2000)
    expect(driver.joins.get(first)!.protocolName).toBe('sticky')
  })

  test('a member that has nothing in common with the group is refused', () => {
    const { driver } = MachineDriver.stable(1)
    const errorCode = INCONSISTENT_GROUP_PROTOCOL
    expect(driver.joined({ protocols: protocols('other') })).toMatchObject({ errorCode })
    expect(driver.joined({ protocolType: 'connect' })).toMatchObject({ errorCode })
    expect(driver.group.state).toBe('Stable')
  })

  test('a first member has to offer something', () => {
    const errorCode = INCONSISTENT_GROUP_PROTOCOL
    expect(new MachineDriver().joined({ protocols: [] })).toMatchObject({ errorCode })
    expect(new MachineDriver().joined({ protocolType: '' })).toMatchObject({ errorCode })
  })

  test('an empty group takes another protocol type', () => {
    const { driver, ids } = MachineDriver.stable(1)
    driver.leave({ memberId: ids[0]! })
    expect(driver.joined({ protocolType: 'connect' })).toMatchObject({
      errorCode: NONE,
      protocolType: 'connect',
    })
  })
})

describe('assigning', () => {
  test('each member gets its part of the leader’s assignment, untouched', () => {
    const { driver, ids } = MachineDriver.stable(2)
    const ticket = driver.sync(ids[1]!)
    expect(driver.syncs.get(ticket)).toEqual({
      errorCode: NONE,
      protocolType: 'consumer',
      protocolName: 'range',
      assignment: bytes(`of ${ids[1]}`),
    })
    expect(driver.effects.at(-2)).toEqual({ kind: 'publish' })
  })

  test('a member that the leader forgets has an empty assignment; strangers are ignored', () => {
    const driver = new MachineDriver()
    const { memberId } = driver.joined()
    const ticket = driver.sync(memberId, { assignments: { stranger: 'x' } })
    expect(driver.syncs.get(ticket)!.assignment).toHaveLength(0)
  })

  test('the leader’s death between join and sync causes another rebalance', () => {
    const driver = new MachineDriver({ initialRebalanceDelayMs: 1000 })
    const tickets = [
      driver.join({ rebalanceTimeoutMs: 20_000 }),
      driver.join({ rebalanceTimeoutMs: 20_000 }),
    ]
    driver.advance(2000)
    const [leader, follower] = tickets.map((ticket) => driver.joins.get(ticket)!.memberId)
    const waiting = driver.sync(follower!)
    driver.advance(10_000)
    expect(driver.syncs.get(waiting)!.errorCode).toBe(REBALANCE_IN_PROGRESS)
    const again = driver.joined({ memberId: follower! })
    expect(again).toMatchObject({ errorCode: NONE, generation: 2, leader: follower })
    expect(driver.heartbeat(leader!)).toBe(UNKNOWN_MEMBER_ID)
  })

  test('a member that never asks for its assignment is removed at the sync deadline', () => {
    const driver = new MachineDriver({ initialRebalanceDelayMs: 1000 })
    const options = { rebalanceTimeoutMs: 15_000, sessionTimeoutMs: 60_000 }
    const tickets = [driver.join(options), driver.join(options)]
    driver.advance(2000)
    const [leader, silent] = tickets.map((ticket) => driver.joins.get(ticket)!.memberId)
    driver.sync(leader!, { assignments: { [leader!]: 'all' } })
    expect(driver.group.state).toBe('Stable')
    driver.advance(15_000)
    expect(driver.group.state).toBe('PreparingRebalance')
    expect(driver.heartbeat(silent!)).toBe(UNKNOWN_MEMBER_ID)
  })

  test('is refused for a wrong generation, member or protocol', () => {
    const { driver, ids } = MachineDriver.stable(1)
    const refusal = (ticket: number) => driver.syncs.get(ticket)!.errorCode
    expect(refusal(driver.sync(ids[0]!, { generation: 7 }))).toBe(ILLEGAL_GENERATION)
    expect(refusal(driver.sync('stranger'))).toBe(UNKNOWN_MEMBER_ID)
    const other = { protocolName: 'other' }
    expect(refusal(driver.sync(ids[0]!, other))).toBe(INCONSISTENT_GROUP_PROTOCOL)
    driver.join()
    expect(refusal(driver.sync(ids[0]!))).toBe(REBALANCE_IN_PROGRESS)
  })
})

describe('staying and leaving', () => {
  test('heartbeats keep a session, silence ends it', () => {
    const { driver, ids } = MachineDriver.stable(2)
    for (let i = 0; i < 10; i++) {
      expect(driver.heartbeat(ids[0]!)).toBe(NONE)
      expect(driver.heartbeat(ids[1]!)).toBe(NONE)
      driver.advance(9000)
    }
    driver.heartbeat(ids[0]!)
    driver.advance(1000)
    expect(driver.heartbeat(ids[1]!)).toBe(UNKNOWN_MEMBER_ID)
    expect(driver.group.state).toBe('PreparingRebalance')
  })

  test('the last member to go leaves an empty group with a higher generation', () => {
    const { driver, ids } = MachineDriver.stable(1)
    driver.advance(10_000)
    expect(driver.group).toMatchObject({ state: 'Empty', generation: 2 })
    expect(driver.effects.slice(-2)).toEqual([
      { kind: 'floor', generation: 2 },
      { kind: 'withdraw' },
    ])
    expect(driver.heartbeat(ids[0]!)).toBe(UNKNOWN_MEMBER_ID)
  })

  test('several members leave at once, each with its own outcome', () => {
    const { driver, ids } = MachineDriver.stable(3)
    const result = driver.leave({ memberId: ids[1]! }, { memberId: 'x' }, { memberId: ids[2]! })
    expect(result.members.map(({ errorCode }) => errorCode)).toEqual([
      NONE,
      UNKNOWN_MEMBER_ID,
      NONE,
    ])
    expect(driver.group.state).toBe('PreparingRebalance')
    expect(driver.joined({ memberId: ids[0]! })).toMatchObject({ generation: 2 })
  })

  test('giving an id back does not disturb a stable group', () => {
    const { driver } = MachineDriver.stable(1)
    const { memberId } = driver.joined({ requireKnownMemberId: true })
    expect(driver.leave({ memberId }).members[0]!.errorCode).toBe(NONE)
    expect(driver.group.state).toBe('Stable')
  })

  test('only an empty group can be deleted, and then refuses everything', () => {
    const { driver, ids } = MachineDriver.stable(1)
    expect(driver.group.delete()).toBe(NON_EMPTY_GROUP)
    driver.leave({ memberId: ids[0]! })
    expect(driver.group.delete()).toBe(NONE)
    expect(driver.group.delete()).toBe(GROUP_ID_NOT_FOUND)
    expect(driver.joined().errorCode).toBe(COORDINATOR_NOT_AVAILABLE)
    expect(driver.heartbeat(ids[0]!)).toBe(COORDINATOR_NOT_AVAILABLE)
    expect(driver.commit('', -1)).toBe(COORDINATOR_NOT_AVAILABLE)
  })
})

describe('committing offsets (rule 21)', () => {
  test('from outside only while the group is empty', () => {
    expect(new MachineDriver().commit('', -1)).toBe(NONE)
    const { driver } = MachineDriver.stable(1)
    expect(driver.commit('', -1)).toBe(UNKNOWN_MEMBER_ID)
  })

  test('the current generation may while members join, not while they sync', () => {
    const { driver, ids } = MachineDriver.stable(1)
    expect(driver.commit(ids[0]!, 1)).toBe(NONE)
    expect(driver.commit(ids[0]!, 0)).toBe(ILLEGAL_GENERATION)
    driver.join()
    expect(driver.group.state).toBe('PreparingRebalance')
    expect(driver.commit(ids[0]!, 1)).toBe(NONE)
    driver.join({ memberId: ids[0]! })
    expect(driver.group.state).toBe('CompletingRebalance')
    expect(driver.commit(ids[0]!, 2)).toBe(REBALANCE_IN_PROGRESS)
    expect(driver.commit(ids[0]!, 1)).toBe(ILLEGAL_GENERATION)
  })

  test('is a sign of life', () => {
    const { driver, ids } = MachineDriver.stable(1)
    driver.advance(9000)
    driver.commit(ids[0]!, 1)
    driver.advance(9000)
    expect(driver.group.state).toBe('Stable')
  })
})

describe('static members (KIP-345)', () => {
  function stableStatic() {
    const driver = new MachineDriver({ initialRebalanceDelayMs: 1000 })
    const tickets = ['a', 'b'].map((groupInstanceId) => driver.join({ groupInstanceId }))
    driver.advance(2000)
    const [a, b] = tickets.map((ticket) => driver.joins.get(ticket)!.memberId) as [string, string]
    driver.sync(b, { groupInstanceId: 'b' })
    driver.sync(a, { groupInstanceId: 'a', assignments: { [a]: 'of a', [b]: 'of b' } })
    return { driver, a, b }
  }

  test('a restart in a stable group changes neither generation nor assignment', () => {
    const { driver, b } = stableStatic()
    const back = driver.joined({ groupInstanceId: 'b' })
    expect(back).toMatchObject({
      errorCode: NONE,
      generation: 1,
      skipAssignment: false,
      members: [],
    })
    expect(back.memberId).not.toBe(b)
    expect(driver.group.state).toBe('Stable')
    const ticket = driver.sync(back.memberId, { groupInstanceId: 'b' })
    expect(driver.syncs.get(ticket)!.assignment).toEqual(bytes('of b'))
    expect(driver.effects.slice(-4).map(({ kind }) => kind)).toEqual([
      'floor',
      'joined',
      'publish',
      'synced',
    ])
  })

  test('the old member is fenced from then on', () => {
    const { driver, b } = stableStatic()
    driver.join({ groupInstanceId: 'b' })
    expect(driver.heartbeat(b, 1, 'b')).toBe(FENCED_INSTANCE_ID)
    expect(driver.commit(b, 1, 'b')).toBe(FENCED_INSTANCE_ID)
    expect(driver.joined({ memberId: b, groupInstanceId: 'b' }).errorCode).toBe(FENCED_INSTANCE_ID)
    const left = driver.leave({ memberId: b, groupInstanceId: 'b' })
    expect(left.members[0]!.errorCode).toBe(FENCED_INSTANCE_ID)
    expect(driver.heartbeat(b, 1)).toBe(UNKNOWN_MEMBER_ID)
  })

  test('a returning leader skips the assignment, or is not told that it leads (KIP-814)', () => {
    const { driver, a } = stableStatic()
    const back = driver.joined({ groupInstanceId: 'a' })
    expect(back).toMatchObject({ skipAssignment: true, leader: back.memberId })
    expect(back.members).toHaveLength(2)
    const older = stableStatic()
    const old = older.driver.joined({ groupInstanceId: 'a', supportsSkippingAssignment: false })
    expect(old).toMatchObject({ skipAssignment: false, leader: older.a, members: [] })
    expect(older.a).toBe(a)
  })

  test('a restart with another protocol choice causes a rebalance', () => {
    const { driver } = stableStatic()
    const both = protocols('sticky', 'range')
    driver.join({ groupInstanceId: 'a', protocols: both })
    expect(driver.group.state).toBe('Stable')
    const narrow = new MachineDriver()
    narrow.join({ groupInstanceId: 'x', protocols: both })
    const { memberId } = narrow.joins.get(1)!
    narrow.sync(memberId, { groupInstanceId: 'x' })
    narrow.join({ groupInstanceId: 'x', protocols: protocols('range', 'sticky') })
    expect(narrow.group).toMatchObject({ generation: 2, protocol: 'range' })
  })

  test('a restart while the leader assigns causes a rebalance and fences', () => {
    const driver = new MachineDriver({ initialRebalanceDelayMs: 1000 })
    const tickets = ['a', 'b'].map((groupInstanceId) => driver.join({ groupInstanceId }))
    driver.advance(2000)
    const b = driver.joins.get(tickets[1]!)!.memberId
    const waiting = driver.sync(b, { groupInstanceId: 'b' })
    driver.join({ groupInstanceId: 'b' })
    expect(driver.syncs.get(waiting)!.errorCode).toBe(FENCED_INSTANCE_ID)
    expect(driver.group.state).toBe('PreparingRebalance')
  })

  test('keeps its place in a rebalance that it misses, until its session ends', () => {
    const { driver } = stableStatic()
    const patient = { sessionTimeoutMs: 100_000, groupInstanceId: 'b' }
    driver.join(patient)
    const ticket = driver.join({ groupInstanceId: 'a', protocols: protocols('range', 'other') })
    expect(driver.joins.get(ticket)).toMatchObject({ errorCode: NONE })
    driver.join({ memberId: driver.joins.get(ticket)!.memberId, groupInstanceId: 'a' })
    expect(driver.group.state).toBe('PreparingRebalance')
    driver.advance(60_000)
    expect(driver.group.roster.staticMember('b')).toBeDefined()
  })

  test('an administrator removes it by its instance alone', () => {
    const { driver } = stableStatic()
    const result = driver.leave(
      { memberId: '', groupInstanceId: 'b' },
      { memberId: '', groupInstanceId: 'nobody' },
    )
    expect(result.members.map(({ errorCode }) => errorCode)).toEqual([NONE, UNKNOWN_MEMBER_ID])
    expect(driver.group.state).toBe('PreparingRebalance')
  })
})

describe('when the floor cannot be made durable', () => {
  test('the generation is given up and the members join for a higher one', () => {
    const driver = new MachineDriver()
    const { memberId } = driver.joined()
    driver.run((group) => group.floorFailed(1, driver.now))
    expect(driver.group.state).toBe('PreparingRebalance')
    expect(driver.joined({ memberId })).toMatchObject({ errorCode: NONE, generation: 2 })
  })

  test('a late failure of an older generation changes nothing', () => {
    const { driver, ids } = MachineDriver.stable(1)
    driver.joined({ memberId: ids[0]! })
    driver.run((group) => group.floorFailed(1, driver.now))
    expect(driver.group).toMatchObject({ state: 'CompletingRebalance', generation: 2 })
  })
})
