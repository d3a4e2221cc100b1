import path from 'node:path'
import { apis, encodeConsumerSubscription, errorCodes } from '@kfk/protocol'
import type { Api, RequestInput } from '@kfk/protocol'
import { javaTool, type JavaKafka, peers, startJavaKafka, withPeer } from '@kfk/testing'
import { Harness, type RawClient } from '../harness.js'
import { bytes } from './machine-driver.js'

/**
 * Plays one script of requests and writes down what is answered, ids of members replaced by their
 * order of appearance.
 */
class Transcript {
  readonly lines: string[] = []
  readonly #names = new Map<string, string>()

  constructor(readonly client: RawClient) {}

  async call<A extends Api>(api: A, version: number, body: RequestInput<A>) {
    const answer = await this.client.request(api, version, body)
    const text = JSON.stringify(answer, (_, value: unknown) => {
      if (value instanceof Uint8Array || (value as { type?: string } | null)?.type === 'Buffer') {
        return 'bytes'
      }
      return value
    })
    const told = JSON.stringify(sorted(JSON.parse(this.#anonymous(text))))
    this.lines.push(`${api.name} ${version}: ${told}`)
    return answer
  }

  #anonymous(text: string): string {
    return text
      .replace(/"throttleTimeMs":\d+,?/g, '')
      .replace(/[\w.]+-[0-9a-f]{8}-[0-9a-f-]{27}/g, (id) => {
        const name = this.#names.get(id) ?? `member${this.#names.size}`
        this.#names.set(id, name)
        return name
      })
  }
}

const subscription = encodeConsumerSubscription({ topics: ['activity'] })
const range = [{ name: 'range', metadata: subscription }]
const sticky = [{ name: 'sticky', metadata: subscription }]
const join = {
  groupId: 'g',
  sessionTimeoutMs: 30_000,
  rebalanceTimeoutMs: 2000,
  protocolType: 'consumer',
}

/** The same clients for every act, and what they were told so far. */
interface Stage {
  readonly t: Transcript
  readonly client: RawClient
  readonly other: RawClient
}

function joinAs({ t }: Stage, memberId: string, change: object = {}) {
  return t.call(apis.joinGroup, 9, { ...join, memberId, protocols: range, ...change })
}

async function play(client: RawClient, other: RawClient): Promise<readonly string[]> {
  await untilCreated(client)
  await untilServed(client)
  const t = new Transcript(client)
  const stage = { t, client, other }
  await nobody(stage)
  const memberId = await aFirstMember(stage)
  await itsOffsets(stage, memberId)
  await aSecondMember(stage, memberId)
  await anEmptyGroup(stage, memberId)
  await staticMembers(stage)
  await t.call(apis.deleteGroups, 2, { groupsNames: ['g', 's', 'simple', 'unknown'] })
  await t.call(apis.listGroups, 5, { statesFilter: [], typesFilter: [] })
  return t.lines
}

async function nobody(stage: Stage): Promise<void> {
  const { t } = stage
  await t.call(apis.describeGroups, 5, { groups: ['g'] })
  await t.call(apis.describeGroups, 6, { groups: ['g'] })
  await t.call(apis.heartbeat, 4, { groupId: 'g', generationId: 0, memberId: 'x' })
  await t.call(apis.heartbeat, 4, { groupId: '', generationId: 0, memberId: 'x' })
  await t.call(apis.leaveGroup, 5, { groupId: 'g', members: [{ memberId: 'x' }] })
  await t.call(apis.leaveGroup, 2, { groupId: 'g', memberId: 'x' })
  await t.call(apis.syncGroup, 5, sync('x', 1))
  await t.call(apis.deleteGroups, 2, { groupsNames: ['g', ''] })
  await t.call(apis.offsetDelete, 0, { groupId: 'g', topics: [] })
  await t.call(apis.offsetFetch, 9, fetchAll('g'))
  await t.call(apis.offsetFetch, 7, { groupId: 'g', topics: null })
  await joinAs(stage, 'stranger')
  await joinAs(stage, '', { groupId: '' })
  await joinAs(stage, '', { sessionTimeoutMs: 1 })
  await joinAs(stage, '', { protocols: [] })
}

async function aFirstMember(stage: Stage): Promise<string> {
  const { t } = stage
  const { memberId } = await joinAs(stage, '')
  await joinAs(stage, memberId, { protocolType: '' })
  await joinAs(stage, memberId)
  await t.call(apis.offsetCommit, 9, commit(memberId, 1))
  await t.call(apis.heartbeat, 4, { groupId: 'g', generationId: 1, memberId })
  await joinAs(stage, memberId)
  await t.call(apis.syncGroup, 5, { ...sync(memberId, 1), protocolName: 'other' })
  await t.call(apis.syncGroup, 5, sync(memberId, 2))
  await t.call(apis.syncGroup, 5, sync(memberId, 1))
  await t.call(apis.syncGroup, 5, { ...sync(memberId, 1), assignments: [] })
  await t.call(apis.describeGroups, 6, { groups: ['g'], includeAuthorizedOperations: true })
  await t.call(apis.listGroups, 5, { statesFilter: ['stable'], typesFilter: ['Classic'] })
  await t.call(apis.listGroups, 5, { statesFilter: ['Empty'], typesFilter: [] })
  await t.call(apis.listGroups, 5, { statesFilter: [], typesFilter: ['consumer'] })
  return memberId
}

async function itsOffsets({ t }: Stage, memberId: string): Promise<void> {
  await t.call(apis.offsetCommit, 9, commit(memberId, 1))
  await t.call(apis.offsetCommit, 9, commit(memberId, 2))
  await t.call(apis.offsetCommit, 9, commit('', -1))
  await t.call(apis.offsetCommit, 9, commit('stranger', 1))
  await t.call(apis.offsetCommit, 9, commit(memberId, 1, { name: 'nothing' }))
  await t.call(apis.offsetCommit, 9, commit(memberId, 1, {}, 'x'.repeat(5000)))
  await t.call(apis.offsetFetch, 9, fetchAll('g'))
  const topics = [
    { name: 'activity', partitionIndexes: [0, 7] },
    { name: 'nothing', partitionIndexes: [0] },
  ]
  await t.call(apis.offsetFetch, 1, { groupId: 'g', topics })
  await t.call(apis.offsetDelete, 0, deletion('activity'))
  await t.call(apis.offsetDelete, 0, deletion('nothing'))
  await t.call(apis.deleteGroups, 2, { groupsNames: ['g'] })
  await t.call(apis.joinGroup, 9, { ...join, memberId: '', protocols: sticky })
}

/** It makes the first one rejoin; commits go on meanwhile. */
async function aSecondMember(stage: Stage, memberId: string): Promise<void> {
  const { t, client, other } = stage
  const second = other.request(apis.joinGroup, 3, { ...join, memberId: '', protocols: range })
  await untilState(client, 'PreparingRebalance')
  await t.call(apis.heartbeat, 4, { groupId: 'g', generationId: 1, memberId })
  await t.call(apis.offsetCommit, 9, commit(memberId, 1))
  await t.call(apis.syncGroup, 5, sync(memberId, 1))
  await t.call(apis.describeGroups, 5, { groups: ['g'] })
  const again = await joinAs(stage, memberId)
  const { memberId: secondId, errorCode, generationId, members, protocolName } = await second
  t.lines.push(`second: ${errorCode} ${generationId} ${members.length} ${protocolName}`)
  await t.call(apis.offsetCommit, 9, commit(memberId, 2))
  await t.call(apis.syncGroup, 5, sync(memberId, again.generationId))
  await t.call(apis.syncGroup, 3, { ...sync(secondId, 2), protocolType: null, protocolName: null })
  await t.call(apis.leaveGroup, 5, {
    groupId: 'g',
    members: [{ memberId: secondId, reason: 'tired' }, { memberId: 'x' }],
  })
  await t.call(apis.heartbeat, 4, { groupId: 'g', generationId: 2, memberId })
  await t.call(apis.leaveGroup, 1, { groupId: 'g', memberId })
}

/** Known, with its offsets, and open to everybody. */
async function anEmptyGroup({ t }: Stage, memberId: string): Promise<void> {
  await t.call(apis.describeGroups, 6, { groups: ['g'] })
  await t.call(apis.listGroups, 5, { statesFilter: [], typesFilter: [] })
  await t.call(apis.heartbeat, 4, { groupId: 'g', generationId: 2, memberId })
  await t.call(apis.syncGroup, 5, sync(memberId, 2))
  await t.call(apis.leaveGroup, 5, { groupId: 'g', members: [{ memberId }] })
  await t.call(apis.offsetCommit, 9, commit(memberId, 2))
  await t.call(apis.offsetCommit, 9, commit('', -1))
  await t.call(apis.offsetCommit, 8, commit('', 3))
  await t.call(apis.offsetCommit, 8, { ...commit('m', 3), groupId: 'unknown' })
  await t.call(apis.offsetCommit, 9, { ...commit('m', 3), groupId: 'unknown' })
  await t.call(apis.offsetCommit, 9, { ...commit('', -1), groupId: 'simple' })
  await t.call(apis.listGroups, 5, { statesFilter: ['empty'], typesFilter: [] })
  await t.call(apis.describeGroups, 6, { groups: ['simple'] })
  await t.call(apis.offsetDelete, 0, deletion('activity'))
  await t.call(apis.offsetFetch, 8, fetchAll('g'))
}

async function staticMembers(stage: Stage): Promise<void> {
  const { t } = stage
  const own = { groupId: 's', groupInstanceId: 'a' }
  const a = await joinAs(stage, '', own)
  await t.call(apis.syncGroup, 5, { ...sync(a.memberId, 1), ...own })
  const b = await joinAs(stage, '', own)
  const identity = { ...own, generationId: b.generationId }
  await t.call(apis.heartbeat, 4, { ...identity, memberId: a.memberId })
  await t.call(apis.heartbeat, 4, { ...identity, memberId: b.memberId })
  await joinAs(stage, a.memberId, own)
  await t.call(apis.syncGroup, 5, { ...sync(a.memberId, 1), ...own })
  await t.call(apis.syncGroup, 5, { ...sync(b.memberId, 1), ...own })
  await t.call(apis.heartbeat, 4, { ...identity, memberId: b.memberId, groupInstanceId: 'b' })
  await t.call(apis.joinGroup, 8, { ...join, ...own, memberId: '', protocols: range })
  await t.call(apis.describeGroups, 5, { groups: ['s'] })
  await t.call(apis.leaveGroup, 5, {
    groupId: 's',
    members: [
      { memberId: b.memberId, groupInstanceId: 'a' },
      { memberId: '', groupInstanceId: 'b' },
      { memberId: '', groupInstanceId: 'a' },
    ],
  })
}

/** Kafka tells groups and members in the order of a hash table. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = value.map(sorted)
    return items.sort((left, right) => (JSON.stringify(left) < JSON.stringify(right) ? -1 : 1))
  }
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, sorted(field)]))
}

function sync(memberId: string, generationId: number) {
  const assignments = [{ memberId, assignment: bytes('all') }]
  const names = { protocolType: 'consumer', protocolName: 'range' }
  return { groupId: 'g', memberId, generationId, assignments, ...names }
}

function commit(memberId: string, generation: number, topic: object = {}, metadata = 'note') {
  const partition = { partitionIndex: 0, committedOffset: 5, committedMetadata: metadata }
  return {
    groupId: 'g',
    memberId,
    generationIdOrMemberEpoch: generation,
    topics: [{ name: 'activity', partitions: [partition], ...topic }],
  }
}

function fetchAll(groupId: string) {
  return { groups: [{ groupId, topics: null }] }
}

function deletion(name: string) {
  return { groupId: 'g', topics: [{ name, partitions: [{ partitionIndex: 0 }] }] }
}

/** Kafka creates topics behind the back of the request that asks for them. */
async function untilCreated(client: RawClient): Promise<void> {
  const body = { topics: [{ name: 'activity' }], allowAutoTopicCreation: true }
  for (;;) {
    const { topics } = await client.request(apis.metadata, 4, body)
    if (topics[0]!.errorCode === errorCodes.NONE) return
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

async function untilServed(client: RawClient): Promise<void> {
  for (;;) {
    const found = await client.request(apis.findCoordinator, 2, { key: 'g', keyType: 0 })
    const listed = await client.request(apis.listGroups, 4, { statesFilter: [] })
    if (found.errorCode === errorCodes.NONE && listed.errorCode === errorCodes.NONE) return
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

async function untilState(client: RawClient, state: string): Promise<void> {
  for (;;) {
    const { groups } = await client.request(apis.describeGroups, 5, { groups: ['g'] })
    if (groups[0]!.groupState === state) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

withPeer(peers.kafka(), 'against Apache Kafka', () => {
  const harness = new Harness()
  let kafka: JavaKafka | undefined

  afterAll(async () => {
    await harness.close()
    await kafka?.stop()
  })

  test('the same requests get the same answers', async () => {
    kafka = await startJavaKafka()
    const broker = await harness.broker()
    const clientsOf = async (address: { host: string; port: number }) =>
      [await harness.client(address), await harness.client(address)] as const
    const theirs = await play(...(await clientsOf({ host: '127.0.0.1', port: kafka.port })))
    const ours = await play(...(await clientsOf(broker)))
    expect(ours).toEqual(theirs)
  })

  test('its tools read our records', async () => {
    const dataDir = await harness.directory()
    const client = await harness.client(await harness.broker({ dataDir }))
    await untilCreated(client)
    await untilServed(client)
    await client.request(apis.joinGroup, 3, { ...join, memberId: '', protocols: range })
    await client.request(apis.offsetCommit, 8, { ...commit('', -1), groupId: '3' })
    // String.hashCode of "g" is 103, of "3" it is 51: partitions 3 and 1 of 50.
    const dumps = [3, 1].map((index) =>
      javaTool('kafka.tools.DumpLogSegments', [
        ...['--offsets-decoder', '--print-data-log', '--files'],
        path.join(dataDir, `__consumer_offsets-${index}`, '00000000000000000000.log'),
      ]),
    )
    const [floor, offset] = await Promise.all(dumps)
    expect(floor!.stdout).toContain('"protocolType":"consumer","generation":1,"protocol":null')
    expect(offset!.stdout).toContain('{"group":"3","topic":"activity","partition":0}')
    expect(offset!.stdout).toContain('"offset":5,"leaderEpoch":-1,"metadata":"note"')
  })
})
