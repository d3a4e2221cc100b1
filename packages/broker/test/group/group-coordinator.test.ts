import { type Coordination, CoordinationError, memoryCoordination } from '@kfk/coordination'
import { errorCodes } from '@kfk/protocol'
import { groupKey } from '../../src/group/group-publisher.js'
import { FakeCluster, settle, TOPIC_ID } from './fake-cluster.js'
import { bytes, protocols } from './machine-driver.js'
import { commitInput, committed, joinInput, stableGroup } from './test-member.js'

const { COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NONE, NOT_COORDINATOR } =
  errorCodes

let cluster: FakeCluster

beforeEach(() => {
  cluster = new FakeCluster()
})

function heartbeat(
  member: { memberId: string; generation: number },
  instance: string | null = null,
) {
  const { memberId, generation } = member
  return cluster.coordinator.heartbeat({
    groupId: 'g',
    memberId,
    generation,
    groupInstanceId: instance,
  })
}

async function published(groupId = 'g') {
  const entry = await cluster.coordination.get(groupKey(groupId))
  return entry === undefined
    ? undefined
    : (JSON.parse(entry.value) as { generation: number; members: { memberId: string }[] })
}

describe('finding the coordinator', () => {
  test('creates the topic at first use, and names its leader', async () => {
    cluster = new FakeCluster({ create: false })
    await cluster.start()
    const found = await cluster.coordinator.coordinatorFor('g')
    expect(found).toEqual({ nodeId: 1, host: '10.0.0.1', port: 9092 })
    expect(cluster.topics.has('__consumer_offsets')).toBe(true)
  })

  test('while the leading broker is away there is none', async () => {
    cluster.leaderId = -1
    await cluster.start()
    expect(await cluster.coordinator.coordinatorFor('g')).toBe(COORDINATOR_NOT_AVAILABLE)
  })

  test('another broker’s groups are refused', async () => {
    cluster.leaderId = 2
    await cluster.start()
    const joined = await cluster.coordinator.joinGroup(joinInput())
    expect(joined.errorCode).toBe(NOT_COORDINATOR)
    expect(await committed(cluster.coordinator)).toEqual({ errorCode: NOT_COORDINATOR })
  })

  test('ids are validated, and harmless names are harmless', async () => {
    await cluster.start()
    const { coordinator } = cluster
    const code = async (groupId: string) =>
      (await coordinator.joinGroup(joinInput({ groupId }))).errorCode
    expect(await code('')).toBe(errorCodes.INVALID_GROUP_ID)
    expect(await code('x'.repeat(1025))).toBe(errorCodes.INVALID_GROUP_ID)
    expect(await code('\ud800')).toBe(errorCodes.INVALID_GROUP_ID)
    for (const groupId of ['constructor', '__proto__', 'é/%\n', 'x'.repeat(1024)]) {
      await stableGroup(coordinator, { groupId })
      expect((await published(groupId))?.generation).toBe(1)
      expect(
        await coordinator.commitOffsets(commitInput(1, { groupId: `${groupId}2`.slice(1) })),
      ).toEqual([NONE])
    }
  })

  test('session timeouts are bounded by the config', async () => {
    await cluster.start()
    for (const sessionTimeoutMs of [5999, 1_800_001]) {
      const { errorCode } = await cluster.coordinator.joinGroup(joinInput({ sessionTimeoutMs }))
      expect(errorCode).toBe(errorCodes.INVALID_SESSION_TIMEOUT)
    }
  })
})

describe('the floor', () => {
  test('JoinGroup is answered once the generation is committed, not before', async () => {
    await cluster.start()
    await cluster.coordinator.describeGroup('g')
    cluster.partition.autoCommit = false
    let answered = false
    const joining = cluster.coordinator.joinGroup(joinInput()).then((result) => {
      answered = true
      return result
    })
    await settle()
    expect(answered).toBe(false)
    cluster.partition.commit()
    expect(await joining).toMatchObject({ errorCode: NONE, generation: 1 })
    expect(cluster.partition.records()).toMatchObject([{ kind: 'group', floor: { generation: 1 } }])
  })

  test('a repeated JoinGroup does not get around it', async () => {
    await cluster.start()
    const given = await cluster.coordinator.joinGroup(joinInput({ requireKnownMemberId: true }))
    cluster.partition.autoCommit = false
    const { memberId } = given
    let answers = 0
    for (let i = 0; i < 2; i++) {
      void cluster.coordinator.joinGroup(joinInput({ memberId })).then(() => answers++)
    }
    await settle()
    expect(answers).toBe(0)
    cluster.partition.commit()
    await settle()
    expect(answers).toBe(2)
  })

  test.each([
    ['refuses the append', NOT_COORDINATOR],
    ['rolls the append back', COORDINATOR_NOT_AVAILABLE],
    ['does not answer in time', COORDINATOR_NOT_AVAILABLE],
  ])('when the log %s the generation is never told, and the next is higher', async (how, code) => {
    await cluster.start()
    await cluster.coordinator.describeGroup('g')
    const { partition } = cluster
    partition.autoCommit = false
    if (how.startsWith('refuses')) partition.refusal = errorCodes.KAFKA_STORAGE_ERROR
    const joining = cluster.coordinator.joinGroup(joinInput())
    await settle()
    if (how.startsWith('rolls')) partition.rollback()
    if (how.startsWith('does')) cluster.clock.advance(5000)
    expect((await joining).errorCode).toBe(code)
    partition.refusal = NONE
    partition.autoCommit = true
    const again = cluster.coordinator.joinGroup(joinInput())
    await cluster.pass(60)
    expect(await again).toMatchObject({ errorCode: NONE, generation: 2 })
  })
})

describe('members and assignment in coordination', () => {
  test('are published when the rebalance ends', async () => {
    await cluster.start()
    const [leader, follower] = await stableGroup(cluster.coordinator, { size: 2 })
    expect(await published()).toMatchObject({
      generation: 2,
      protocolType: 'consumer',
      protocol: 'range',
      leader: leader!.memberId,
      members: [
        {
          memberId: leader!.memberId,
          groupInstanceId: null,
          clientId: 'client',
          clientHost: '/127.0.0.1',
          sessionTimeoutMs: 10_000,
          rebalanceTimeoutMs: 30_000,
          protocols: [
            { name: 'range', metadata: Buffer.from('metadata for range').toString('base64') },
          ],
        },
        { memberId: follower!.memberId },
      ],
      assignment: {
        [follower!.memberId]: Buffer.from(`part of ${follower!.memberId}`).toString('base64'),
      },
    })
  })

  test('go when the group is empty', async () => {
    await cluster.start()
    const [member] = await stableGroup(cluster.coordinator)
    const members = [{ memberId: member!.memberId, groupInstanceId: null, reason: null }]
    await cluster.coordinator.leaveGroup({ groupId: 'g', members })
    await settle()
    expect(await published()).toBeUndefined()
  })

  test('memory wins: what others delete or overwrite is published again', async () => {
    await cluster.start()
    await stableGroup(cluster.coordinator)
    for (const value of [null, '{}', JSON.stringify({ generation: 99 })]) {
      const entry = await cluster.coordination.get(groupKey('g'))
      await cluster.coordination.compareAndSet(groupKey('g'), {
        expectedVersion: entry!.version,
        value,
      })
      await settle()
      expect(await published()).toMatchObject({ generation: 1, leader: expect.any(String) })
    }
  })

  test('are published again when coordination has lost its state', async () => {
    const inner = memoryCoordination({ clock: cluster.clock })
    let onGap: () => void = () => undefined
    cluster.coordination = Object.assign(Object.create(inner) as Coordination, {
      get: (key: string) => inner.get(key),
      compareAndSet: (...args: Parameters<Coordination['compareAndSet']>) =>
        inner.compareAndSet(...args),
      watch: (_: string, options: { onGap?: () => void }) => {
        onGap = options.onGap!
        return Promise.resolve({ close: () => undefined })
      },
    })
    await cluster.start()
    await stableGroup(cluster.coordinator)
    const entry = await inner.get(groupKey('g'))
    await inner.compareAndSet(groupKey('g'), { expectedVersion: entry!.version, value: null })
    await settle()
    expect(await published()).toBeUndefined()
    onGap()
    await settle()
    expect(await published()).toMatchObject({ generation: 1 })
  })

  test('wait, without anybody waiting for them, while coordination is away', async () => {
    const inner = memoryCoordination({ clock: cluster.clock })
    let away = true
    let calls = 0
    const reach = <T>(call: () => Promise<T>): Promise<T> => {
      calls++
      return away
        ? Promise.reject(new CoordinationError('KFK_COORDINATION_UNAVAILABLE', 'away'))
        : call()
    }
    cluster.coordination = Object.assign(Object.create(inner) as Coordination, {
      get: (key: string) => reach(() => inner.get(key)),
      compareAndSet: (...args: Parameters<Coordination['compareAndSet']>) =>
        reach(() => inner.compareAndSet(...args)),
      watch: (...args: Parameters<Coordination['watch']>) => inner.watch(...args),
    })
    await cluster.start()
    const members = await stableGroup(cluster.coordinator)
    expect(heartbeat(members[0]!)).toBe(NONE)
    const keepAlive = () => expect(heartbeat(members[0]!)).toBe(NONE)
    await cluster.pass(60, keepAlive)
    expect(calls).toBeLessThan(20)
    away = false
    await cluster.pass(10, keepAlive)
    expect((await inner.get(groupKey('g')))?.value).toContain('"generation":1')
  })
})

describe('after a restart', () => {
  test('a group goes on with its generation, members and assignment', async () => {
    await cluster.start()
    const members = await stableGroup(cluster.coordinator, { size: 2, instances: ['a', 'b'] })
    await cluster.coordinator.commitOffsets(
      commitInput(42, { memberId: members[0]!.memberId, groupInstanceId: 'a', generation: 2 }),
    )
    cluster.clock.advance(9000)
    await cluster.crash()
    expect(await heartbeat(members[0]!, 'a')).toBe(NONE)
    cluster.clock.advance(9000)
    expect(heartbeat(members[0]!, 'a')).toBe(NONE)
    expect(heartbeat(members[1]!, 'b')).toBe(NONE)
    const description = await cluster.coordinator.describeGroup('g')
    expect(description).toMatchObject({ state: 'Stable', protocol: 'range' })
    expect(description.members.map(({ assignment }) => Buffer.from(assignment).toString())).toEqual(
      members.map(({ memberId }) => `part of ${memberId}`),
    )
    expect(await committed(cluster.coordinator)).toBe(42)
  })

  test('a resumed group loses the members that do not come back', async () => {
    await cluster.start()
    const members = await stableGroup(cluster.coordinator, { size: 2 })
    await cluster.crash()
    await heartbeat(members[0]!)
    cluster.clock.advance(9999)
    void heartbeat(members[0]!)
    cluster.clock.advance(1)
    expect(heartbeat(members[0]!)).toBe(errorCodes.REBALANCE_IN_PROGRESS)
    expect(heartbeat(members[1]!)).toBe(errorCodes.UNKNOWN_MEMBER_ID)
  })

  async function valueAfter(change: (value: Record<string, unknown>) => unknown): Promise<void> {
    const entry = (await cluster.coordination.get(groupKey('g')))!
    const value = change(JSON.parse(entry.value) as Record<string, unknown>)
    cluster.coordination = memoryCoordination({ clock: cluster.clock })
    if (value === undefined) return
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    await cluster.coordination.compareAndSet(groupKey('g'), { expectedVersion: 0, value: text })
  }

  test.each<[string, (value: Record<string, unknown>) => unknown]>([
    ['missing', () => undefined],
    ['lower', (value) => ({ ...value, generation: 0 })],
    ['higher', (value) => ({ ...value, generation: 2 })],
    ['of another writing', (value) => ({ ...value, floorTimestamp: 1 })],
    ['no JSON', () => '{'],
    ['no object', () => 'null'],
    ['without members', (value) => ({ ...value, members: [] })],
    ['of members of the wrong type', (value) => ({ ...value, members: [1] })],
    ['with a stranger as leader', (value) => ({ ...value, leader: 'x' })],
    ['with a stranger’s assignment', (value) => ({ ...value, assignment: { x: '' } })],
    ['with bytes that are not base64', (value) => ({ ...value, assignment: '$' })],
    ['with another protocol', (value) => ({ ...value, protocol: 'other' })],
  ])(
    'with a value that is %s the group is empty and goes on above the floor',
    async (_, change) => {
      await cluster.start()
      const [member] = await stableGroup(cluster.coordinator)
      await valueAfter(change)
      await cluster.crash()
      expect(await heartbeat(member!)).toBe(errorCodes.UNKNOWN_MEMBER_ID)
      expect(await cluster.coordinator.describeGroup('g')).toMatchObject({
        state: 'Empty',
        protocolType: 'consumer',
        members: [],
      })
      const again = await cluster.coordinator.joinGroup(joinInput())
      expect(again).toMatchObject({ errorCode: NONE, generation: 2 })
    },
  )

  test('when coordination is away while loading, members rejoin', async () => {
    await cluster.start()
    const [member] = await stableGroup(cluster.coordinator)
    const inner = memoryCoordination({ clock: cluster.clock })
    cluster.coordination = Object.assign(Object.create(inner) as Coordination, {
      get: () => Promise.reject(new CoordinationError('KFK_COORDINATION_UNAVAILABLE', 'away')),
      watch: (...args: Parameters<Coordination['watch']>) => inner.watch(...args),
    })
    await cluster.crash()
    expect(await heartbeat(member!)).toBe(errorCodes.UNKNOWN_MEMBER_ID)
    expect((await cluster.coordinator.joinGroup(joinInput())).generation).toBe(2)
  })

  test('a generation whose rebalance had not ended is not gone on with', async () => {
    await cluster.start()
    const [member] = await stableGroup(cluster.coordinator)
    void cluster.coordinator.joinGroup(joinInput())
    const second = cluster.coordinator.joinGroup(joinInput({ memberId: member!.memberId }))
    expect((await second).generation).toBe(2)
    await cluster.crash()
    expect(await heartbeat({ ...member!, generation: 2 })).toBe(errorCodes.UNKNOWN_MEMBER_ID)
    expect((await cluster.coordinator.joinGroup(joinInput())).generation).toBe(3)
  })

  test('a static member with a new id is never fenced by its former self', async () => {
    await cluster.start()
    const [member] = await stableGroup(cluster.coordinator, { instances: ['a'] })
    const before = (await cluster.coordination.get(groupKey('g')))!.value
    const back = await cluster.coordinator.joinGroup(joinInput({ groupInstanceId: 'a' }))
    expect(back).toMatchObject({ generation: 1, errorCode: NONE })
    await settle()
    // Coordination goes back to the state before.
    cluster.coordination = memoryCoordination({ clock: cluster.clock })
    await cluster.coordination.compareAndSet(groupKey('g'), { expectedVersion: 0, value: before })
    await cluster.crash()
    expect(await heartbeat(back, 'a')).toBe(errorCodes.UNKNOWN_MEMBER_ID)
    expect(await heartbeat(member!, 'a')).toBe(errorCodes.UNKNOWN_MEMBER_ID)
    expect(
      (await cluster.coordinator.joinGroup(joinInput({ groupInstanceId: 'a' }))).generation,
    ).toBe(2)
  })
})

describe('loading', () => {
  test('nobody is told an offset from a half-loaded partition', async () => {
    await cluster.start()
    await cluster.coordinator.commitOffsets(commitInput(42))
    const survivor = cluster.partition.survivor()
    let open = (): void => undefined
    survivor.readGate = new Promise((resolve) => (open = resolve))
    cluster.partitions = new Map([[0, survivor]])
    await cluster.start()
    const early = committed(cluster.coordinator)
    const listing = cluster.coordinator.listGroups()
    const joining = cluster.coordinator.joinGroup(joinInput())
    await settle()
    cluster.clock.advance(1000)
    const errorCode = COORDINATOR_LOAD_IN_PROGRESS
    expect(await early).toEqual({ errorCode })
    expect(await joining).toMatchObject({ errorCode })
    cluster.clock.advance(4000)
    expect(await listing).toMatchObject({ errorCode, groups: [] })
    open()
    await settle()
    expect(await committed(cluster.coordinator)).toBe(42)
  })

  test('a list of groups waits for a load that takes a while', async () => {
    await cluster.start()
    await cluster.coordinator.commitOffsets(commitInput(42))
    const survivor = cluster.partition.survivor()
    let open = (): void => undefined
    survivor.readGate = new Promise((resolve) => (open = resolve))
    cluster.partitions = new Map([[0, survivor]])
    await cluster.start()
    const listing = cluster.coordinator.listGroups()
    await settle()
    cluster.clock.advance(4000)
    open()
    expect(await listing).toMatchObject({ errorCode: NONE, groups: [{ groupId: 'g' }] })
  })

  test('a load that fails is not served, and tried again', async () => {
    await cluster.start()
    await cluster.coordinator.commitOffsets(commitInput(42))
    const survivor = cluster.partition.survivor()
    survivor.readGate = Promise.reject(new Error('bit rot'))
    cluster.partitions = new Map([[0, survivor]])
    await cluster.start()
    expect(await committed(cluster.coordinator)).toEqual({ errorCode: NOT_COORDINATOR })
    survivor.readGate = undefined
    expect(await committed(cluster.coordinator)).toBe(42)
  })

  test('groups are let go of with their partition', async () => {
    await cluster.start()
    const [member] = await stableGroup(cluster.coordinator)
    void cluster.coordinator.joinGroup(joinInput({ requireKnownMemberId: true }))
    const waiting = cluster.coordinator.joinGroup(joinInput())
    await settle()
    cluster.leaderId = 2
    cluster.partitions.clear()
    cluster.removeTopic('activity')
    expect((await waiting).errorCode).toBe(NOT_COORDINATOR)
    expect(await heartbeat(member!)).toBe(NOT_COORDINATOR)
  })
})

test('stop answers everybody who waits, and hands over what is to be published', async () => {
  await cluster.start()
  const [member] = await stableGroup(cluster.coordinator)
  const waiting = cluster.coordinator.joinGroup(joinInput())
  await settle()
  await cluster.coordinator.stop()
  expect((await waiting).errorCode).toBe(NOT_COORDINATOR)
  expect(await heartbeat(member!)).toBe(NOT_COORDINATOR)
  expect(await published()).toMatchObject({ generation: 1 })
})

test('groups are described and listed with their states', async () => {
  await cluster.start()
  const { coordinator } = cluster
  await stableGroup(coordinator, { groupId: 'stable' })
  await coordinator.commitOffsets(commitInput(1, { groupId: 'simple' }))
  expect((await coordinator.listGroups()).groups).toEqual([
    { groupId: 'stable', protocolType: 'consumer', state: 'Stable', type: 'classic' },
    { groupId: 'simple', protocolType: '', state: 'Empty', type: 'classic' },
  ])
  expect(await coordinator.describeGroup('nobody')).toMatchObject({
    errorCode: errorCodes.GROUP_ID_NOT_FOUND,
    state: 'Dead',
  })
  void coordinator.joinGroup(joinInput({ groupId: 'stable', protocols: protocols('range') }))
  expect(await coordinator.describeGroup('stable')).toMatchObject({
    state: 'PreparingRebalance',
    protocol: '',
    members: [{ metadata: bytes('') }, { metadata: bytes('') }],
  })
  expect(TOPIC_ID).toHaveLength(22)
})
