import { errorCodes } from '@kfk/protocol'
import { encodeConsumerSubscription } from '@kfk/protocol'
import { FakeCluster, settle } from './fake-cluster.js'
import { commitInput, committed, joinInput, stableGroup } from './test-member.js'

const { NONE } = errorCodes
const DAY_MS = 86_400_000

let cluster: FakeCluster

beforeEach(async () => {
  cluster = new FakeCluster()
  await cluster.start()
})

async function fetchAll(groupId = 'g') {
  return (await cluster.coordinator.fetchOffsets(groupId, null)).offsets
}

describe('committing', () => {
  test('an offset comes back with leader epoch and metadata, also later', async () => {
    expect(await cluster.coordinator.commitOffsets(commitInput(42))).toEqual([NONE])
    const expected = [
      { topic: 'activity', partition: 0, offset: 42, leaderEpoch: 7, metadata: 'note' },
    ]
    expect(await fetchAll()).toEqual(expected)
    await cluster.crash()
    expect(await fetchAll()).toEqual(expected)
  })

  test('is answered when it is durable, and not visible before', async () => {
    await cluster.coordinator.commitOffsets(commitInput(1))
    cluster.partition.autoCommit = false
    let answered = false
    void cluster.coordinator.commitOffsets(commitInput(2)).then(() => (answered = true))
    await settle()
    expect(answered).toBe(false)
    expect(await committed(cluster.coordinator)).toBe(1)
    cluster.partition.commit()
    await settle()
    expect(answered).toBe(true)
    expect(await committed(cluster.coordinator)).toBe(2)
  })

  test('that takes too long is an error, but counts if it becomes durable', async () => {
    await cluster.coordinator.commitOffsets(commitInput(1))
    cluster.partition.autoCommit = false
    const codes = cluster.coordinator.commitOffsets(commitInput(2))
    await settle()
    cluster.clock.advance(5000)
    expect(await codes).toEqual([errorCodes.COORDINATOR_NOT_AVAILABLE])
    cluster.partition.commit()
    expect(await committed(cluster.coordinator)).toBe(2)
  })

  test('that is rolled back leaves what was there', async () => {
    await cluster.coordinator.commitOffsets(commitInput(1))
    cluster.partition.autoCommit = false
    const codes = cluster.coordinator.commitOffsets(commitInput(2))
    await settle()
    cluster.partition.rollback()
    expect(await codes).toEqual([errorCodes.COORDINATOR_NOT_AVAILABLE])
    cluster.partition.autoCommit = true
    await cluster.coordinator.commitOffsets(commitInput(3))
    expect(await committed(cluster.coordinator)).toBe(3)
  })

  test('metadata beyond offset.metadata.max.bytes fails for its partition alone', async () => {
    const [partition] = commitInput(5).partitions
    const partitions = [
      { ...partition!, metadata: 'x'.repeat(4097) },
      { ...partition!, partition: 1, metadata: 'x'.repeat(4096) },
    ]
    const codes = await cluster.coordinator.commitOffsets(commitInput(5, { partitions }))
    expect(codes).toEqual([errorCodes.OFFSET_METADATA_TOO_LARGE, NONE])
    expect((await fetchAll()).map(({ partition: index }) => index)).toEqual([1])
  })

  test('of many partitions takes several batches and is one commit', async () => {
    const [partition] = commitInput(0).partitions
    const partitions = Array.from({ length: 5000 }, (_, index) => ({
      ...partition!,
      partition: index,
      offset: index,
      metadata: 'x'.repeat(500),
    }))
    const codes = await cluster.coordinator.commitOffsets(commitInput(0, { partitions }))
    expect(codes.every((code) => code === NONE)).toBe(true)
    await cluster.crash()
    expect(await fetchAll()).toHaveLength(5000)
  })

  test('an unknown group takes commits from outside only', async () => {
    const codes = (change: object) => cluster.coordinator.commitOffsets(commitInput(1, change))
    expect(await codes({ generation: 3, memberId: 'm' })).toEqual([errorCodes.ILLEGAL_GENERATION])
    expect(await codes({ generation: 3, memberId: 'm', apiVersion: 9 })).toEqual([
      errorCodes.GROUP_ID_NOT_FOUND,
    ])
    expect(await codes({})).toEqual([NONE])
    expect(await codes({ generation: 3, memberId: 'm' })).toEqual([errorCodes.UNKNOWN_MEMBER_ID])
  })

  test('of a member needs its generation', async () => {
    const [member] = await stableGroup(cluster.coordinator)
    const { memberId } = member!
    const codes = (change: object) => cluster.coordinator.commitOffsets(commitInput(1, change))
    expect(await codes({ memberId, generation: 1 })).toEqual([NONE])
    expect(await codes({ memberId, generation: 2 })).toEqual([errorCodes.ILLEGAL_GENERATION])
    expect(await codes({})).toEqual([errorCodes.UNKNOWN_MEMBER_ID])
  })
})

describe('fetching', () => {
  test('what is not committed is -1 without error', async () => {
    expect(await committed(cluster.coordinator, 'nobody')).toBe(-1)
  })

  test('an offset of a deleted topic does not pass to a new topic of its name', async () => {
    await cluster.coordinator.commitOffsets(commitInput(42))
    cluster.addTopic('activity', 4, 'anotherTopicIdAAAAAAAA')
    expect(await committed(cluster.coordinator)).toBe(-1)
    expect(await fetchAll()).toEqual([])
  })

  test('deleting a topic removes its offsets', async () => {
    await cluster.coordinator.commitOffsets(commitInput(42))
    cluster.removeTopic('activity')
    await settle()
    expect(cluster.partition.records().at(-1)).toMatchObject({ topic: 'activity', committed: null })
    expect(await fetchAll()).toEqual([])
  })
})

describe('deleting', () => {
  const topics = [{ topic: 'activity', partitions: [0, 3] }]

  test('a group goes with its offsets, also those that are on their way to the disk', async () => {
    await cluster.coordinator.commitOffsets(commitInput(1))
    cluster.partition.autoCommit = false
    const [partition] = commitInput(2).partitions
    const late = commitInput(2, { partitions: [{ ...partition!, partition: 1 }] })
    void cluster.coordinator.commitOffsets(late)
    const deleted = cluster.coordinator.deleteGroup('g')
    await settle()
    cluster.partition.commit()
    expect(await deleted).toBe(NONE)
    expect(await fetchAll()).toEqual([])
    await cluster.crash()
    expect((await cluster.coordinator.listGroups()).groups).toEqual([])
    expect(await cluster.coordinator.deleteGroup('g')).toBe(errorCodes.GROUP_ID_NOT_FOUND)
  })

  test('a group with members is not deleted', async () => {
    await stableGroup(cluster.coordinator)
    expect(await cluster.coordinator.deleteGroup('g')).toBe(errorCodes.NON_EMPTY_GROUP)
  })

  test('a deletion that does not become durable leaves the group as it was', async () => {
    await cluster.coordinator.commitOffsets(commitInput(1))
    cluster.partition.refusal = errorCodes.KAFKA_STORAGE_ERROR
    expect(await cluster.coordinator.deleteGroup('g')).toBe(errorCodes.NOT_COORDINATOR)
    cluster.partition.refusal = NONE
    expect(await cluster.coordinator.commitOffsets(commitInput(2))).toEqual([NONE])
    expect(await committed(cluster.coordinator)).toBe(2)
  })

  test('offsets of an empty group go one by one', async () => {
    await cluster.coordinator.commitOffsets(commitInput(1))
    const result = await cluster.coordinator.deleteOffsets('g', topics)
    expect(result).toEqual({ errorCode: NONE, partitions: [NONE, NONE] })
    expect(await fetchAll()).toEqual([])
    expect((await cluster.coordinator.deleteOffsets('g', topics)).errorCode).toBe(
      errorCodes.GROUP_ID_NOT_FOUND,
    )
  })

  test('offsets of topics that the group reads stay', async () => {
    const metadata = encodeConsumerSubscription({ topics: ['activity'] })
    const join = joinInput({ protocols: [{ name: 'range', metadata }] })
    await cluster.coordinator.joinGroup(join)
    const result = await cluster.coordinator.deleteOffsets('g', [
      ...topics,
      { topic: 'other', partitions: [0] },
    ])
    const { GROUP_SUBSCRIBED_TO_TOPIC } = errorCodes
    expect(result.partitions).toEqual([GROUP_SUBSCRIBED_TO_TOPIC, GROUP_SUBSCRIBED_TO_TOPIC, NONE])
  })
})

describe('expiry', () => {
  async function passDays(days: number): Promise<void> {
    for (let day = 0; day < days; day++) {
      cluster.clock.advance(DAY_MS)
      await settle()
    }
  }

  test('offsets of a simple consumer go a week after the commit', async () => {
    await cluster.coordinator.commitOffsets(commitInput(1))
    await passDays(6)
    expect(await committed(cluster.coordinator)).toBe(1)
    await passDays(2)
    expect(await committed(cluster.coordinator)).toBe(-1)
    expect((await cluster.coordinator.listGroups()).groups).toEqual([])
  })

  test('those of a group stay as long as it has members, and a week after', async () => {
    const [member] = await stableGroup(cluster.coordinator)
    const { memberId } = member!
    await cluster.coordinator.commitOffsets(commitInput(1, { memberId, generation: 1 }))
    const beat = { groupId: 'g', memberId, generation: 1, groupInstanceId: null }
    for (let hours = 0; hours < 24 * 9; hours++) {
      for (let i = 0; i < 400; i++) {
        cluster.clock.advance(9000)
        void cluster.coordinator.heartbeat(beat)
      }
    }
    await settle()
    expect(await committed(cluster.coordinator)).toBe(1)
    await passDays(6)
    expect(await committed(cluster.coordinator)).toBe(1)
    await passDays(2)
    expect(await committed(cluster.coordinator)).toBe(-1)
    await cluster.crash()
    expect((await cluster.coordinator.listGroups()).groups).toEqual([])
  })
})
