import { apis, errorCodes } from '@kfk/protocol'
import { eventually } from '@kfk/testing'
import { Harness, type RawClient } from '../harness.js'
import { bytes, protocols } from './machine-driver.js'

/*
 * What members of a group find after a restart of its coordinator, with sockets and files: asked
 * by requests of the test's own, because client libraries may give their membership up when they
 * lose a connection.
 */

const { NONE } = errorCodes
const harness = new Harness()
const group = { groupId: 'g', sessionTimeoutMs: 60_000, rebalanceTimeoutMs: 60_000 }

afterEach(() => harness.close())

function join(client: RawClient, memberId: string) {
  const body = { ...group, memberId, protocolType: 'consumer', protocols: protocols('range') }
  // The last version that takes a member without a second request.
  return client.request(apis.joinGroup, 3, body)
}

async function untilServed(client: RawClient): Promise<void> {
  await eventually('the coordinator', async () => {
    const found = await client.request(apis.findCoordinator, 2, { key: 'g', keyType: 0 })
    return found.errorCode === NONE ? true : undefined
  })
}

/** Two members of a stable generation, as both are told of it. */
async function stable(first: RawClient, second: RawClient) {
  const { memberId } = await join(first, '')
  const newcomer = join(second, '')
  await eventually('the rebalance', async () => {
    const { groups } = await first.request(apis.describeGroups, 5, { groups: ['g'] })
    return groups[0]!.groupState === 'PreparingRebalance' ? true : undefined
  })
  const members = await Promise.all([join(first, memberId), newcomer])
  const ids = members.map((member) => member.memberId)
  const sync = (client: RawClient, { generationId, memberId, leader }: (typeof members)[0]) => {
    const assigned = ids.map((id) => ({ memberId: id, assignment: bytes(`part of ${id}`) }))
    const assignments = memberId === leader ? assigned : []
    return client.request(apis.syncGroup, 3, { groupId: 'g', generationId, memberId, assignments })
  }
  const synced = await Promise.all([sync(first, members[0]), sync(second, members[1])])
  expect(synced.map(({ errorCode }) => errorCode)).toEqual([NONE, NONE])
  const [{ generationId }] = members
  return { ids, generationId }
}

function commit(client: RawClient, member: { memberId: string; generation: number }, at: number) {
  const partition = { partitionIndex: 0, committedOffset: at, committedMetadata: 'note' }
  const { memberId, generation } = member
  const topics = [{ name: 'activity', partitions: [partition] }]
  const body = { groupId: 'g', memberId, generationIdOrMemberEpoch: generation, topics }
  return client.request(apis.offsetCommit, 8, body)
}

test('members, generation, assignment and offsets are those from before', async () => {
  const dataDir = await harness.directory()
  const before = await harness.broker({ dataDir })
  const first = await harness.client(before)
  const second = await harness.client(before)
  await first.topic('activity')
  await untilServed(first)
  const { ids, generationId: generation } = await stable(first, second)
  await commit(first, { memberId: ids[0]!, generation }, 17)
  await before.close()
  await Promise.all([first.untilClosed(), second.untilClosed()])

  const client = await harness.client(await harness.broker({ dataDir }))
  await untilServed(client)
  for (const memberId of ids) {
    const heartbeat = { groupId: 'g', generationId: generation, memberId }
    expect((await client.request(apis.heartbeat, 3, heartbeat)).errorCode).toBe(NONE)
  }
  const { groups } = await client.request(apis.describeGroups, 5, { groups: ['g'] })
  expect(groups[0]).toMatchObject({ errorCode: NONE, groupState: 'Stable', protocolData: 'range' })
  const assigned = groups[0]!.members.map(({ memberId, memberAssignment }) => [
    memberId,
    Buffer.from(memberAssignment).toString(),
  ])
  expect(new Map(assigned as [string, string][])).toEqual(
    new Map(ids.map((id) => [id, `part of ${id}`])),
  )
  const topics = [{ name: 'activity', partitionIndexes: [0] }]
  const fetched = await client.request(apis.offsetFetch, 5, { groupId: 'g', topics })
  expect(fetched.topics[0]!.partitions[0]).toMatchObject({ committedOffset: 17, metadata: 'note' })
  const committed = await commit(client, { memberId: ids[1]!, generation }, 18)
  expect(committed.topics[0]!.partitions[0]!.errorCode).toBe(NONE)
})
