import { apis, encodeConsumerSubscription, type RequestInput, type ResponseOf } from '@kfk/protocol'
import { eventually } from '../../../src/index'
import type { Peer } from '../support/peer'
import { scenario } from '../support/scenario'

type Join = RequestInput<typeof apis.joinGroup>
type Joined = ResponseOf<typeof apis.joinGroup>

/** Kafka never answers who sends what is no subscription. */
const subscription = { topics: ['one'], userData: null }
const metadata = encodeConsumerSubscription(subscription, 0)
const otherMetadata = encodeConsumerSubscription({ ...subscription, topics: ['two'] }, 0)

function joining(groupId: string, more: Partial<Join> = {}): Join {
  return {
    groupId,
    sessionTimeoutMs: 30_000,
    rebalanceTimeoutMs: 30_000,
    memberId: '',
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata }],
    ...more,
  }
}

/** Waits until the coordinator of a group has loaded what it knows. */
export async function coordinated(peer: Peer, groupId: string): Promise<string> {
  await eventually(
    `${groupId} has a coordinator`,
    async () => {
      await peer.ask(apis.findCoordinator, 2, { key: groupId, keyType: 0 })
      const { errorCode } = await peer.ask(apis.offsetFetch, 5, { groupId, topics: [] })
      return errorCode === 0 || undefined
    },
    20_000,
  )
  return groupId
}

/** Joins as a new member, in the version's way: since 4 the first answer only names the member. */
async function join(peer: Peer, version: number, wanted: Join): Promise<Joined> {
  const first = await peer.send(apis.joinGroup, version, wanted)
  if (version < 4 || first.errorCode !== 79) return first
  return peer.send(apis.joinGroup, version, { ...wanted, memberId: first.memberId })
}

function leaving(version: number, groupId: string, memberId: string, groupInstanceId?: string) {
  return version < 3
    ? { groupId, memberId, members: [] }
    : { groupId, members: [{ memberId, groupInstanceId: groupInstanceId ?? null }] }
}

async function everything(peer: Peer, groupId: string): Promise<void> {
  const { groups } = await peer.send(apis.describeGroups, 5, { groups: [groupId] })
  expect(groups).toHaveLength(1)
}

export const groupsScenarios = [
  scenario('groups: coordinators', async (peer) => {
    const group = await coordinated(peer, peer.name('g'))
    for (const version of peer.versions(apis.findCoordinator)) {
      for (const key of [group, '']) {
        const body = version < 4 ? { key, keyType: 0 } : { keyType: 0, coordinatorKeys: [key] }
        await peer.attempt(apis.findCoordinator, version, body, { note: `key "${key}"` })
      }
      if (version < 4) continue
      for (const coordinatorKeys of [[], [group, peer.name('h')], [group, group]]) {
        const note = `${coordinatorKeys.length} keys`
        await peer.attempt(apis.findCoordinator, version, { keyType: 0, coordinatorKeys }, { note })
      }
    }
  }),
  scenario(
    'groups: a life in every version',
    async (peer) => {
      for (const version of peer.versions(apis.joinGroup)) {
        const group = await coordinated(peer, peer.name(`g${version}`))
        const joined = await join(peer, version, joining(group))
        const { memberId, generationId } = joined
        const known = { groupId: group, generationId, memberId }
        const sync = Math.min(version, peer.newest(apis.syncGroup))
        const protocol = { protocolType: 'consumer', protocolName: 'range' }
        const assignments = [{ memberId, assignment: Buffer.from('all') }]
        await everything(peer, group)
        await peer.send(apis.syncGroup, sync, { ...known, ...protocol, assignments })
        await everything(peer, group)
        const beat = Math.min(version, peer.newest(apis.heartbeat))
        await peer.send(apis.heartbeat, beat, known)
        await peer.send(apis.heartbeat, beat, { ...known, generationId: generationId + 1 })
        await peer.send(apis.heartbeat, beat, { ...known, memberId: 'nobody' })
        await peer.send(apis.heartbeat, beat, { ...known, groupId: peer.name('nothing') })
        await peer.send(apis.syncGroup, sync, { ...known, ...protocol, assignments: [] })
        for (const wrong of [
          { generationId: generationId + 1 },
          { memberId: 'nobody' },
          { groupId: peer.name('nothing') },
          ...(sync >= 5 ? [{ protocolName: 'sticky' }, { protocolType: 'connect' }] : []),
        ]) {
          await peer.send(apis.syncGroup, sync, {
            ...known,
            ...protocol,
            assignments: [],
            ...wrong,
          })
        }
        await peer.send(apis.joinGroup, version, joining(group, { memberId }))
        await everything(peer, group)
        const leave = Math.min(version, peer.newest(apis.leaveGroup))
        await peer.send(apis.leaveGroup, leave, leaving(leave, group, 'nobody'))
        await peer.send(apis.leaveGroup, leave, leaving(leave, group, memberId))
        await peer.send(apis.leaveGroup, leave, leaving(leave, group, memberId))
        await everything(peer, group)
      }
    },
    [
      {
        api: 'DescribeGroups',
        path: 'groups[].members[].memberAssignment',
        why: 'Kafka shows the assignment of the last generation until there is a new one',
      },
    ],
  ),
  scenario('groups: odd members', async (peer) => {
    for (const version of peer.versions(apis.joinGroup)) {
      const name = `g${version}`
      const odd: Partial<Join>[] = [
        { groupId: '' },
        { sessionTimeoutMs: 0 },
        { sessionTimeoutMs: -1 },
        { sessionTimeoutMs: 5999 },
        { sessionTimeoutMs: 1_800_001 },
        { memberId: 'nobody' },
        { protocolType: '' },
        { protocols: [] },
      ]
      for (const [at, more] of odd.entries()) {
        const group = await coordinated(peer, peer.name(`${name}-${at}`))
        const note = `odd ${at}`
        await peer.attempt(apis.joinGroup, version, joining(group, more), { note })
      }
      const group = await coordinated(peer, peer.name(name))
      const { memberId } = await join(peer, version, joining(group))
      for (const [at, more] of [
        { protocolType: 'connect' },
        { protocols: [{ name: 'sticky', metadata }] },
        { memberId, protocols: [{ name: 'sticky', metadata }] },
      ].entries()) {
        const note = `against others ${at}`
        await peer.attempt(apis.joinGroup, version, joining(group, more), { note })
      }
    }
  }),
  scenario(
    'groups: two members',
    async (peer) => {
      const group = await coordinated(peer, peer.name('g'))
      const protocols = ['a', 'b'].map((name) => ({ name, metadata }))
      const first = await join(peer, 9, joining(group, { protocols }))
      const known = { protocolType: 'consumer', protocolName: first.protocolName }
      const of = (joined: Joined) => {
        const { generationId, memberId } = joined
        return { groupId: group, generationId, memberId }
      }
      await peer.send(apis.syncGroup, 5, { ...of(first), ...known, assignments: [] })
      const [secondId] = [await peer.send(apis.joinGroup, 9, joining(group, { protocols }))]
      const waiting = peer.send(
        apis.joinGroup,
        9,
        joining(group, {
          memberId: secondId.memberId,
          protocols: [{ name: 'b', metadata: otherMetadata }],
        }),
        { on: 'second' },
      )
      await eventually('the second one waits', async () => {
        const { errorCode } = await peer.ask(apis.heartbeat, 4, of(first))
        return errorCode === 27 || undefined
      })
      await peer.send(apis.heartbeat, 4, of(first))
      await everything(peer, group)
      const again = await peer.send(
        apis.joinGroup,
        9,
        joining(group, { memberId: first.memberId, protocols }),
      )
      const second = await waiting
      await everything(peer, group)
      const protocol = { protocolType: 'consumer', protocolName: 'b' }
      const synced = peer.send(
        apis.syncGroup,
        5,
        { ...of(second), ...protocol, assignments: [] },
        { on: 'second' },
      )
      await peer.send(apis.syncGroup, 5, {
        ...of(again),
        ...protocol,
        assignments: [
          { memberId: again.memberId, assignment: Buffer.from('one') },
          { memberId: second.memberId, assignment: Buffer.from('two') },
          { memberId: 'nobody', assignment: Buffer.from('three') },
        ],
      })
      await synced
      await everything(peer, group)
      await peer.send(apis.deleteGroups, 2, { groupsNames: [group] }, { note: 'not empty' })
      await peer.send(apis.leaveGroup, 5, leaving(5, group, again.memberId))
      await peer.send(apis.heartbeat, 4, of(second))
    },
    [
      {
        api: 'DescribeGroups',
        path: 'groups[].members[].memberId',
        why: 'the order of members says nothing, and in a rebalance only their ids tell them apart',
      },
    ],
  ),
  scenario('groups: static members', async (peer) => {
    for (const version of peer.versions(apis.joinGroup).filter((version) => version >= 5)) {
      const group = await coordinated(peer, peer.name(`g${version}`))
      const wanted = joining(group, { groupInstanceId: 'one' })
      const first = await peer.send(apis.joinGroup, version, wanted)
      const known = {
        groupId: group,
        generationId: first.generationId,
        memberId: first.memberId,
        groupInstanceId: 'one',
      }
      const assignments = [{ memberId: first.memberId, assignment: Buffer.from('all') }]
      const protocol = { protocolType: 'consumer', protocolName: 'range' }
      await peer.send(apis.syncGroup, 5, { ...known, ...protocol, assignments })
      const second = await peer.send(apis.joinGroup, version, wanted, { note: 'the same again' })
      await peer.send(apis.heartbeat, 4, known, { note: 'fenced' })
      await peer.send(apis.syncGroup, 5, { ...known, ...protocol, assignments: [] })
      await peer.send(apis.heartbeat, 4, { ...known, memberId: second.memberId })
      await peer.send(apis.heartbeat, 4, {
        ...known,
        memberId: second.memberId,
        groupInstanceId: 'two',
      })
      await everything(peer, group)
      await peer.send(apis.leaveGroup, 5, leaving(5, group, '', 'two'))
      await peer.send(apis.leaveGroup, 5, leaving(5, group, first.memberId, 'one'))
      await peer.send(apis.leaveGroup, 5, leaving(5, group, '', 'one'))
      await everything(peer, group)
    }
  }),
  scenario('groups: described, listed and deleted', async (peer) => {
    const group = await coordinated(peer, peer.name('g'))
    const { memberId } = await join(peer, 9, joining(group))
    const empty = await coordinated(peer, peer.name('empty'))
    const left = await join(peer, 9, joining(empty))
    await peer.send(apis.leaveGroup, 5, leaving(5, empty, left.memberId))
    for (const version of peer.versions(apis.describeGroups)) {
      for (const groups of [[group], [empty], [peer.name('nothing')], [''], [], [group, group]]) {
        for (const includeAuthorizedOperations of version >= 3 ? [false, true] : [false]) {
          const body = { groups, includeAuthorizedOperations }
          const note = groups.join()
          await peer.attempt(apis.describeGroups, version, body, { note })
        }
      }
    }
    const filters: readonly [string[], string[]][] = [
      [[], []],
      [['Stable', 'Empty'], []],
      [['empty'], []],
      [['Nonsense'], []],
      [[], ['classic']],
      [[], ['Consumer']],
      [[], ['nonsense']],
    ]
    for (const version of peer.versions(apis.listGroups)) {
      for (const [statesFilter, typesFilter] of filters) {
        if (version < 4 && statesFilter.length > 0) continue
        if (version < 5 && typesFilter.length > 0) continue
        const { errorCode, groups } = await peer.ask(apis.listGroups, version, {
          ...(version >= 4 && { statesFilter }),
          ...(version >= 5 && { typesFilter }),
        })
        peer.cover(apis.listGroups, version)
        const own = groups.filter(({ groupId }) => groupId === group || groupId === empty)
        own.sort((a, b) => (a.groupId < b.groupId ? -1 : 1))
        peer.note(`v${version} ${statesFilter.join()} ${typesFilter.join()}`, { errorCode, own })
      }
    }
    for (const version of peer.versions(apis.deleteGroups)) {
      for (const groupsNames of [[group], [peer.name('nothing')], [''], []]) {
        await peer.attempt(apis.deleteGroups, version, { groupsNames })
      }
    }
    await peer.send(apis.deleteGroups, 2, { groupsNames: [empty, group] })
    await peer.send(apis.leaveGroup, 5, leaving(5, group, memberId))
    await peer.send(apis.describeGroups, 6, { groups: [empty] })
  }),
]
