import { apis, errorCodes, kafkaCodec, ZERO_UUID } from '@kfk/protocol'
import type { Api, RequestInput, ResponseOf } from '@kfk/protocol'
import type { BrokerServices, Handler } from '../../src/context.js'
import { FramePool } from '../../src/network/frame-pool.js'
import { groupOffsetHandlers } from '../../src/handlers/group-offsets.js'
import { groupHandlers } from '../../src/handlers/groups.js'
import { FakeCluster, TOPIC_ID } from './fake-cluster.js'
import { bytes, protocols } from './machine-driver.js'

const { NONE } = errorCodes
const handlers = new Map<number, Handler>(
  [...groupHandlers, ...groupOffsetHandlers].map((handler) => [handler.api.key, handler]),
)

let cluster: FakeCluster

beforeEach(async () => {
  cluster = new FakeCluster()
  await cluster.start()
})

/**
 * Sends a request as bytes of the given version and reads the answer's bytes: so each version's
 * fields are exercised.
 */
async function call<A extends Api>(
  api: A,
  apiVersion: number,
  body: RequestInput<A>,
): Promise<ResponseOf<A>> {
  const header = { apiVersion, correlationId: 5, clientId: 'tester' }
  const frame = Buffer.concat(kafkaCodec.encodeRequest(api, header, body)).subarray(4)
  const { bodyPosition } = kafkaCodec.decodeRequestHeader(frame)
  const request = kafkaCodec.decodeRequest(api, apiVersion, frame, bodyPosition)
  const response = await handlers.get(api.key)!.handle(
    {
      ...header,
      peer: '127.0.0.1:50123',
      signal: new AbortController().signal,
      disconnect: () => undefined,
      answer: () => undefined,
      memory: new FramePool(),
      services: { groups: cluster.coordinator, cluster: cluster.view } as unknown as BrokerServices,
    },
    request,
  )
  const answer = kafkaCodec.encodeResponse(api, apiVersion, 5, response as never)
  return kafkaCodec.decodeResponse(api, apiVersion, Buffer.concat(answer).subarray(4))
}

function versions(api: Api): number[] {
  const [min, max] = handlers.get(api.key)!.versions
  return Array.from({ length: max - min + 1 }, (_, index) => min + index)
}

const joinBody = { groupId: 'g', sessionTimeoutMs: 10_000, protocolType: 'consumer' }

async function joined(version = 9, memberId = ''): Promise<ResponseOf<typeof apis.joinGroup>> {
  const body = { ...joinBody, rebalanceTimeoutMs: 30_000, memberId, protocols: protocols('range') }
  const result = await call(apis.joinGroup, version, body)
  return result.errorCode === errorCodes.MEMBER_ID_REQUIRED
    ? joined(version, result.memberId)
    : result
}

async function stable(): Promise<{ memberId: string; generationId: number }> {
  const { memberId, generationId } = await joined()
  const assignments = [{ memberId, assignment: bytes('all') }]
  const body = {
    groupId: 'g',
    generationId,
    memberId,
    protocolType: 'consumer',
    protocolName: 'range',
  }
  await call(apis.syncGroup, 5, { ...body, assignments })
  return { memberId, generationId }
}

test('the table has the ranges that PROTOCOL.md advertises', () => {
  const ranges = [...handlers.values()].map(({ api, versions: [min, max] }) => [api.key, min, max])
  expect(ranges.sort(([a], [b]) => a! - b!)).toEqual([
    [8, 2, 10],
    [9, 1, 10],
    [10, 0, 6],
    [11, 0, 9],
    [12, 0, 4],
    [13, 0, 5],
    [14, 0, 5],
    [15, 0, 6],
    [16, 0, 5],
    [42, 0, 2],
    [47, 0, 0],
  ])
})

describe('FindCoordinator', () => {
  test.each(versions(apis.findCoordinator))('version %i', async (version) => {
    const body = version < 4 ? { key: 'g' } : { coordinatorKeys: ['g', 'h'] }
    const result = await call(apis.findCoordinator, version, body as never)
    const found = { nodeId: 1, host: '10.0.0.1', port: 9092, errorCode: NONE }
    if (version < 4) expect(result).toMatchObject(found)
    else
      expect(result.coordinators).toMatchObject([
        { key: 'g', ...found },
        { key: 'h', ...found },
      ])
  })

  test('coordinators of share groups are refused', async () => {
    const share = await call(apis.findCoordinator, 6, {
      keyType: 2,
      coordinatorKeys: ['s'],
    })
    expect(share.coordinators[0]).toMatchObject({ errorCode: errorCodes.INVALID_REQUEST })
  })
})

describe('JoinGroup and SyncGroup', () => {
  test.each(versions(apis.joinGroup))('JoinGroup version %i', async (version) => {
    const body = { ...joinBody, memberId: '', protocols: protocols('range') }
    const rebalance = version >= 1 ? { rebalanceTimeoutMs: 30_000 } : {}
    const first = await call(apis.joinGroup, version, { ...body, ...rebalance })
    if (version >= 4) {
      expect(first).toMatchObject({ errorCode: errorCodes.MEMBER_ID_REQUIRED, generationId: -1 })
      expect(first.memberId).toMatch(/^tester-/)
    }
    const result = version < 4 ? first : await joined(version, first.memberId)
    expect(result).toMatchObject({
      errorCode: NONE,
      generationId: 1,
      protocolType: version < 7 ? null : 'consumer',
      protocolName: 'range',
      leader: result.memberId,
      members: [{ memberId: result.memberId, metadata: bytes('metadata for range') }],
    })
    const description = await cluster.coordinator.describeGroup('g')
    expect(description.members[0]!.clientHost).toBe('/127.0.0.1')
  })

  test('a refusal has a protocol name that its version can carry', async () => {
    for (const version of versions(apis.joinGroup)) {
      const body = { ...joinBody, memberId: 'stranger', protocols: protocols('range') }
      const refusal = await call(apis.joinGroup, version, body)
      expect(refusal.errorCode).toBe(errorCodes.UNKNOWN_MEMBER_ID)
      expect(refusal.protocolName).toBe(version < 7 ? '' : null)
    }
  })

  test.each(versions(apis.syncGroup))('SyncGroup version %i', async (version) => {
    const { memberId, generationId } = await joined()
    const names = version >= 5 ? { protocolType: 'consumer', protocolName: 'range' } : {}
    const assignments = [{ memberId, assignment: bytes('all') }]
    const body = { groupId: 'g', generationId, memberId, assignments, ...names }
    const result = await call(apis.syncGroup, version, body)
    expect(result).toMatchObject({ errorCode: NONE, assignment: bytes('all') })
    expect(result.protocolName).toBe(version >= 5 ? 'range' : null)
  })

  test('SyncGroup 5 has to name type and protocol', async () => {
    const { memberId, generationId } = await joined()
    const body = { groupId: 'g', generationId, memberId, assignments: [] }
    const { errorCode } = await call(apis.syncGroup, 5, body)
    expect(errorCode).toBe(errorCodes.INCONSISTENT_GROUP_PROTOCOL)
  })
})

describe('Heartbeat and LeaveGroup', () => {
  test.each(versions(apis.heartbeat))('Heartbeat version %i', async (version) => {
    const { memberId, generationId } = await stable()
    const beat = (generation: number) =>
      call(apis.heartbeat, version, { groupId: 'g', generationId: generation, memberId })
    expect(await beat(generationId)).toMatchObject({ errorCode: NONE })
    expect(await beat(7)).toMatchObject({ errorCode: errorCodes.ILLEGAL_GENERATION })
  })

  test.each(versions(apis.leaveGroup))('LeaveGroup version %i', async (version) => {
    const { memberId } = await stable()
    const leave = (id: string) =>
      call(
        apis.leaveGroup,
        version,
        (version < 3
          ? { groupId: 'g', memberId: id }
          : { groupId: 'g', members: [{ memberId: id }, { memberId: 'x' }] }) as never,
      )
    const { UNKNOWN_MEMBER_ID } = errorCodes
    const result = await leave(memberId)
    expect(result.errorCode).toBe(NONE)
    if (version >= 3) {
      expect(result.members).toMatchObject([
        { memberId, errorCode: NONE },
        { memberId: 'x', errorCode: UNKNOWN_MEMBER_ID },
      ])
    } else {
      expect(await leave(memberId)).toMatchObject({ errorCode: UNKNOWN_MEMBER_ID })
    }
  })
})

describe('administration', () => {
  test.each(versions(apis.describeGroups))('DescribeGroups version %i', async (version) => {
    const { memberId } = await stable()
    const asked = version >= 3 ? { includeAuthorizedOperations: true } : {}
    const body = { groups: ['g', 'nobody'], ...asked }
    const { groups } = await call(apis.describeGroups, version, body as never)
    expect(groups[0]).toMatchObject({
      errorCode: NONE,
      groupId: 'g',
      groupState: 'Stable',
      protocolType: 'consumer',
      protocolData: 'range',
      members: [
        {
          memberId,
          clientId: 'tester',
          clientHost: '/127.0.0.1',
          memberMetadata: bytes('metadata for range'),
          memberAssignment: bytes('all'),
        },
      ],
    })
    expect(groups[1]).toMatchObject({
      errorCode: version < 6 ? NONE : errorCodes.GROUP_ID_NOT_FOUND,
      errorMessage: version < 6 ? null : 'Group nobody not found.',
      groupState: 'Dead',
      members: [],
    })
  })

  test.each(versions(apis.listGroups))('ListGroups version %i', async (version) => {
    await stable()
    const listed = async (filters: object) =>
      (await call(apis.listGroups, version, filters as never)).groups
    expect(await listed({})).toEqual([
      {
        groupId: 'g',
        protocolType: 'consumer',
        groupState: version < 4 ? '' : 'Stable',
        groupType: version < 5 ? '' : 'classic',
      },
    ])
    if (version >= 4) {
      expect(await listed({ statesFilter: ['stable', 'Dead'] })).toHaveLength(1)
      expect(await listed({ statesFilter: ['Empty'] })).toHaveLength(0)
    }
    if (version >= 5) {
      expect(await listed({ typesFilter: ['Classic'] })).toHaveLength(1)
      expect(await listed({ typesFilter: ['consumer'] })).toHaveLength(0)
    }
  })

  test.each(versions(apis.deleteGroups))('DeleteGroups version %i', async (version) => {
    await stable()
    await cluster.coordinator.commitOffsets({
      ...{ groupId: 'simple', memberId: '', groupInstanceId: null, generation: -1, apiVersion: 8 },
      partitions: [
        {
          topic: 'activity',
          topicId: TOPIC_ID,
          partition: 0,
          offset: 1,
          leaderEpoch: 0,
          metadata: '',
        },
      ],
    })
    const { results } = await call(apis.deleteGroups, version, {
      groupsNames: ['g', 'simple', 'x'],
    })
    expect(results).toEqual([
      { groupId: 'g', errorCode: errorCodes.NON_EMPTY_GROUP },
      { groupId: 'simple', errorCode: NONE },
      { groupId: 'x', errorCode: errorCodes.GROUP_ID_NOT_FOUND },
    ])
  })
})

describe('offsets', () => {
  const partition = { partitionIndex: 1, committedOffset: 42, committedMetadata: 'note' }

  function commit(version: number, change: object = {}) {
    const topic = version >= 10 ? { topicId: TOPIC_ID } : { name: 'activity' }
    const epoch = version >= 6 ? { committedLeaderEpoch: 3 } : {}
    const body = {
      groupId: 'g',
      memberId: '',
      topics: [{ ...topic, partitions: [{ ...partition, ...epoch }], ...change }],
    }
    return call(apis.offsetCommit, version, body as never)
  }

  test.each(versions(apis.offsetCommit))('OffsetCommit version %i', async (version) => {
    const { topics } = await commit(version)
    expect(topics[0]!.partitions).toEqual([{ partitionIndex: 1, errorCode: NONE }])
    expect(topics[0]).toMatchObject(version >= 10 ? { topicId: TOPIC_ID } : { name: 'activity' })
    const { offsets } = await cluster.coordinator.fetchOffsets('g', null)
    const leaderEpoch = version >= 6 ? 3 : -1
    expect(offsets).toEqual([
      { topic: 'activity', partition: 1, offset: 42, leaderEpoch, metadata: 'note' },
    ])
  })

  test('OffsetCommit tells what does not exist, and commits the rest', async () => {
    const partitions = [partition, { ...partition, partitionIndex: 4 }]
    const result = await commit(9, { partitions })
    const { UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION } = errorCodes
    expect(result.topics[0]!.partitions).toEqual([
      { partitionIndex: 1, errorCode: NONE },
      { partitionIndex: 4, errorCode: UNKNOWN_TOPIC_OR_PARTITION },
    ])
    const codeOf = async (version: number, topic: object) =>
      (await commit(version, topic)).topics[0]!.partitions[0]!.errorCode
    expect(await codeOf(9, { name: 'nothing' })).toBe(UNKNOWN_TOPIC_OR_PARTITION)
    expect(await codeOf(10, { topicId: 'nothingTopicIdAAAAAAAA' })).toBe(UNKNOWN_TOPIC_ID)
  })

  function fetchBody(version: number, all = false) {
    const name = version >= 10 ? { topicId: TOPIC_ID } : { name: 'activity' }
    const topics = all ? null : [{ ...name, partitionIndexes: [0, 1] }]
    return version < 8
      ? { groupId: 'g', topics }
      : {
          groups: [
            { groupId: 'g', topics },
            { groupId: 'nobody', topics },
          ],
        }
  }

  test.each(versions(apis.offsetFetch))('OffsetFetch version %i', async (version) => {
    await commit(9)
    const result = await call(apis.offsetFetch, version, fetchBody(version) as never)
    const groups = version < 8 ? [{ groupId: 'g', topics: result.topics }] : result.groups
    const epoch = version < 5 ? -1 : 3
    const found = { committedOffset: 42, committedLeaderEpoch: epoch, metadata: 'note' }
    const nothing = { committedOffset: -1, committedLeaderEpoch: -1, metadata: '', errorCode: NONE }
    expect(groups[0]!.topics).toMatchObject([
      {
        ...(version >= 10 ? { topicId: TOPIC_ID } : { name: 'activity' }),
        partitions: [
          { partitionIndex: 0, ...nothing },
          { partitionIndex: 1, errorCode: NONE, ...found },
        ],
      },
    ])
    if (version >= 8) expect(result.groups[1]!.topics[0]!.partitions[1]).toMatchObject(nothing)
    if (version < 2) return
    const everything = await call(apis.offsetFetch, version, fetchBody(version, true) as never)
    const topics = version < 8 ? everything.topics : everything.groups[0]!.topics
    expect(topics[0]!.partitions).toHaveLength(1)
    expect(topics[0]!.partitions[0]).toMatchObject({ partitionIndex: 1, ...found })
  })

  test('OffsetFetch has an error, never -1 alone, where the group is not served', async () => {
    cluster.leaderId = 2
    cluster.partitions.clear()
    for (const version of versions(apis.offsetFetch)) {
      const result = await call(apis.offsetFetch, version, fetchBody(version) as never)
      const code = errorCodes.NOT_COORDINATOR
      if (version < 2) expect(result.topics[0]!.partitions[1]!.errorCode).toBe(code)
      else expect(version < 8 ? result.errorCode : result.groups[0]!.errorCode).toBe(code)
    }
  })

  test('OffsetFetch 10 tells an unknown topic id', async () => {
    const topics = [{ topicId: 'nothingTopicIdAAAAAAAA', partitionIndexes: [0] }]
    const { groups } = await call(apis.offsetFetch, 10, {
      groups: [{ groupId: 'g', topics }],
    })
    expect(groups[0]!.topics[0]).toMatchObject({
      topicId: 'nothingTopicIdAAAAAAAA',
      partitions: [{ partitionIndex: 0, errorCode: errorCodes.UNKNOWN_TOPIC_ID }],
    })
    expect(ZERO_UUID).toHaveLength(22)
  })

  test('OffsetDelete', async () => {
    await commit(9)
    const topics = [
      { name: 'activity', partitions: [{ partitionIndex: 1 }, { partitionIndex: 9 }] },
    ]
    const result = await call(apis.offsetDelete, 0, { groupId: 'g', topics })
    expect(result.topics[0]!.partitions).toEqual([
      { partitionIndex: 1, errorCode: NONE },
      { partitionIndex: 9, errorCode: errorCodes.UNKNOWN_TOPIC_OR_PARTITION },
    ])
    expect((await cluster.coordinator.fetchOffsets('g', null)).offsets).toEqual([])
  })
})
