import { apis, encodeRecordBatch } from '@kfk/protocol'
import { eventually } from '../../../src/index'
import type { Peer, TestTopic } from '../support/peer'
import { scenario } from '../support/scenario'

/** What a transactional producer knows of itself. */
interface Identity {
  readonly transactionalId: string
  producerId: bigint
  producerEpoch: number
}

/** Errors after which a client asks again: the coordinator is not ready, or ends a transaction. */
const soon = new Set([14, 15, 16, 51])

/** InitProducerId until it is answered for good; the answer is not compared. */
async function initialised(peer: Peer, suffix: string, timeoutMs = 60_000): Promise<Identity> {
  const transactionalId = peer.name(suffix)
  await peer.ask(apis.findCoordinator, 3, { key: transactionalId, keyType: 1 })
  return eventually(`${transactionalId} is initialised`, async () => {
    const { errorCode, ...rest } = await peer.ask(apis.initProducerId, 4, {
      ...{ transactionalId, transactionTimeoutMs: timeoutMs },
    })
    if (soon.has(errorCode)) return undefined
    if (errorCode !== 0) throw new Error(`InitProducerId: ${errorCode}`)
    return { transactionalId, producerId: rest.producerId, producerEpoch: rest.producerEpoch }
  })
}

/** Waits until all markers are written. */
async function settled(peer: Peer, { transactionalId }: Identity): Promise<void> {
  await eventually(`${transactionalId} is settled`, async () => {
    const transactionalIds = [transactionalId]
    const found = await peer.ask(apis.describeTransactions, 0, { transactionalIds })
    return !found.transactionStates[0]!.transactionState.startsWith('Prepare') || undefined
  })
}

async function describe(peer: Peer, { transactionalId }: Identity, note: string): Promise<void> {
  const transactionalIds = [transactionalId]
  await peer.send(apis.describeTransactions, 0, { transactionalIds }, { note })
}

function add(peer: Peer, of: Identity, partitions: readonly [string, number][], version = 3) {
  const { transactionalId, producerId, producerEpoch } = of
  const topics = partitions.map(([name, partition]) => ({ name, partitions: [partition] }))
  return version < 4
    ? peer.send(apis.addPartitionsToTxn, version, {
        v3AndBelowTransactionalId: transactionalId,
        v3AndBelowProducerId: producerId,
        v3AndBelowProducerEpoch: producerEpoch,
        v3AndBelowTopics: topics,
      })
    : peer.send(apis.addPartitionsToTxn, version, {
        transactions: [{ transactionalId, producerId, producerEpoch, topics, verifyOnly: false }],
      })
}

function verify(peer: Peer, of: Identity, [name, partitions]: readonly [string, number[]]) {
  const transactions = [{ ...of, topics: [{ name, partitions }], verifyOnly: true }]
  return peer.send(apis.addPartitionsToTxn, 5, { transactions }, { note: 'verify' })
}

/** One transactional record; its error code is noted. */
async function write(
  peer: Peer,
  of: Identity,
  to: { topic: TestTopic; sequence: number; version: number },
): Promise<void> {
  const { transactionalId, producerId, producerEpoch } = of
  const records = encodeRecordBatch([{ key: null, value: 'x', timestamp: Date.now() }], {
    ...{ producerId, producerEpoch, baseSequence: to.sequence, transactional: true },
  })
  const send = () =>
    peer.ask(apis.produce, to.version, {
      ...{ transactionalId, acks: -1, timeoutMs: 30_000 },
      topicData: [{ name: to.topic.name, partitionData: [{ index: 0, records }] }],
    })
  const code = await eventually('the write is answered for good', async () => {
    const { errorCode } = (await send()).responses[0]!.partitionResponses[0]!
    // NOT_ENOUGH_REPLICAS and CONCURRENT_TRANSACTIONS: to be sent again.
    return errorCode === 19 || errorCode === 51 ? undefined : { errorCode }
  })
  peer.note(`write v${to.version}, epoch ${producerEpoch}, sequence ${to.sequence}`, code)
}

/** EndTxn; takes over the next epoch where the answer has one. */
async function end(peer: Peer, of: Identity, committed: boolean, version: number): Promise<void> {
  const { transactionalId, producerId, producerEpoch } = of
  const response = await peer.send(apis.endTxn, version, {
    ...{ transactionalId, producerId, producerEpoch, committed },
  })
  if (version < 5 || response.errorCode !== 0) return
  of.producerId = response.producerId
  of.producerEpoch = response.producerEpoch
}

async function producers(peer: Peer, topic: TestTopic, note: string): Promise<void> {
  const topics = [{ name: topic.name, partitionIndexes: [0] }]
  const answer = await peer.ask(apis.describeProducers, 0, { topics })
  peer.cover(apis.describeProducers, 0)
  const active = answer.topics[0]!.partitions[0]!.activeProducers.map((one) => ({
    epoch: one.producerEpoch,
    lastSequence: one.lastSequence,
    start: one.currentTxnStartOffset,
    marked: one.coordinatorEpoch >= 0,
  }))
  peer.note(`producers ${note}`, active)
}

export const transactionScenarios = [
  scenario('transactions: beginning', async (peer) => {
    const known = await initialised(peer, 'id')
    for (const version of peer.versions(apis.initProducerId)) {
      const init = (transactionalId: string, transactionTimeoutMs: number, more = {}) =>
        peer.send(apis.initProducerId, version, { transactionalId, transactionTimeoutMs, ...more })
      const { producerEpoch } = await init(known.transactionalId, 60_000)
      await init('', 60_000)
      await init(known.transactionalId, 0)
      await init(known.transactionalId, -1)
      await init(known.transactionalId, 900_001)
      if (version < 3) continue
      const { producerId } = known
      await init(known.transactionalId, 60_000, { producerId, producerEpoch })
      await init(known.transactionalId, 60_000, { producerId, producerEpoch })
      await init(known.transactionalId, 60_000, { producerId, producerEpoch: 0 })
      await init(known.transactionalId, 60_000, { producerId: 424242n, producerEpoch: 0 })
      await init(known.transactionalId, 60_000, { producerId, producerEpoch: -1 })
    }
    await describe(peer, known, 'at the end')
  }),
  scenario('transactions: of old clients', async (peer) => {
    const topic = await peer.topic('topic', { partitions: 2 })
    for (const version of [0, 1, 2, 3, 4]) {
      const producer = await initialised(peer, `v${version}`)
      const adds = Math.min(version, 3)
      await end(peer, producer, true, version)
      await end(peer, producer, false, version)
      await write(peer, producer, { topic, sequence: 0, version: version < 4 ? 9 : 11 })
      await add(peer, producer, [['nowhere', 0]], adds)
      await add(peer, { ...producer, producerEpoch: 9 }, [[topic.name, 0]], adds)
      await add(peer, { ...producer, producerId: 424242n }, [[topic.name, 0]], adds)
      await add(peer, { ...producer, transactionalId: '' }, [[topic.name, 0]], adds)
      await add(peer, producer, [[topic.name, 0]], adds)
      await verify(peer, producer, [topic.name, [0]])
      await describe(peer, producer, `open, v${version}`)
      await write(peer, producer, { topic, sequence: 0, version: 9 })
      await write(peer, producer, { topic, sequence: 1, version: 9 })
      await producers(peer, topic, `open, v${version}`)
      await end(peer, { ...producer, producerEpoch: 9 }, true, version)
      await end(peer, { ...producer, producerId: 424242n }, true, version)
      await end(peer, { ...producer, transactionalId: '' }, true, version)
      await end(peer, producer, version % 2 === 0, version)
      await settled(peer, producer)
      await describe(peer, producer, `ended, v${version}`)
      await end(peer, producer, true, version)
      await end(peer, producer, false, version)
      await producers(peer, topic, `ended, v${version}`)
    }
  }),
  scenario('transactions: what brokers ask', async (peer) => {
    const topic = await peer.topic('topic', { partitions: 2 })
    for (const version of [4, 5]) {
      const producer = await initialised(peer, `v${version}`)
      await verify(peer, producer, [topic.name, [0]])
      await verify(peer, producer, [topic.name, [1]])
      await add(peer, producer, [['nowhere', 0]], version)
      await add(peer, { ...producer, producerEpoch: 9 }, [[topic.name, 0]], version)
      await add(peer, { ...producer, transactionalId: '' }, [[topic.name, 0]], version)
      await add(peer, producer, [[topic.name, 0]], version)
      await verify(peer, producer, [topic.name, [0]])
      await verify(peer, producer, [topic.name, [1]])
      await verify(peer, { ...producer, producerEpoch: 9 }, [topic.name, [0]])
      await verify(peer, { ...producer, producerId: 424242n }, [topic.name, [0]])
      await verify(peer, { ...producer, transactionalId: '' }, [topic.name, [0]])
      await describe(peer, producer, `v${version}`)
      await end(peer, producer, false, version)
      await settled(peer, producer)
    }
  }),
  scenario('transactions: of new clients', async (peer) => {
    const topic = await peer.topic()
    const producer = await initialised(peer, 'id')
    const early = { ...producer }
    await end(peer, producer, true, 5)
    await write(peer, producer, { topic, sequence: 0, version: 12 })
    await describe(peer, producer, 'open')
    await producers(peer, topic, 'open')
    for (const committed of [true, false]) {
      const before = { ...producer }
      await end(peer, producer, committed, 5)
      await settled(peer, producer)
      await describe(peer, producer, `ended ${committed}`)
      await producers(peer, topic, `ended ${committed}`)
      await end(peer, { ...before }, committed, 5)
      await end(peer, { ...before }, !committed, 5)
      await end(peer, { ...early, producerEpoch: 30_000 }, committed, 5)
      await write(peer, before, { topic, sequence: 1, version: 12 })
      await write(peer, producer, { topic, sequence: 0, version: 12 })
      await write(peer, producer, { topic, sequence: 1, version: 12 })
    }
    await end(peer, producer, false, 5)
    await settled(peer, producer)
    // Nothing was written since: the epoch moves on all the same.
    await end(peer, producer, false, 5)
    await settled(peer, producer)
    await end(peer, producer, true, 5)
    await describe(peer, producer, 'at the end')
  }),
  scenario('transactions: who begins anew fences the one before', async (peer) => {
    const topic = await peer.topic()
    const zombie = await initialised(peer, 'id')
    await write(peer, zombie, { topic, sequence: 0, version: 12 })
    await peer.send(apis.initProducerId, 4, {
      ...{ transactionalId: zombie.transactionalId, transactionTimeoutMs: 60_000 },
    })
    await settled(peer, zombie)
    await describe(peer, zombie, 'aborted')
    await producers(peer, topic, 'aborted')
    const heir = await initialised(peer, 'id')
    peer.note('epoch of the heir', { epoch: heir.producerEpoch })
    await write(peer, zombie, { topic, sequence: 1, version: 12 })
    for (const version of peer.versions(apis.endTxn)) await end(peer, { ...zombie }, true, version)
    await add(peer, zombie, [[topic.name, 0]], 1)
    await add(peer, zombie, [[topic.name, 0]], 2)
    await write(peer, heir, { topic, sequence: 0, version: 12 })
  }),
  scenario('transactions: lists', async (peer) => {
    const topic = await peer.topic()
    const open = await initialised(peer, 'open')
    await initialised(peer, 'empty')
    await write(peer, open, { topic, sequence: 0, version: 12 })
    const mine = { producerIdFilters: [] as bigint[], stateFilters: [] as string[] }
    for (const version of peer.versions(apis.listTransactions)) {
      peer.cover(apis.listTransactions, version)
      const list = async (note: string, more = {}): Promise<void> => {
        const { transactionStates, ...rest } = await peer.ask(apis.listTransactions, version, {
          ...mine,
          ...more,
        })
        // Other scenarios have theirs.
        const own = transactionStates
          .filter(({ transactionalId }) => transactionalId.startsWith(peer.name('')))
          .map(({ transactionalId, transactionState }) => `${transactionalId} ${transactionState}`)
        peer.note(`v${version}: ${note}`, { ...rest, own: own.sort() })
      }
      await list('all')
      await list('by state', { stateFilters: ['Ongoing'] })
      await list('by unknown states', { stateFilters: ['Nonsense', 'Empty', 'ongoing'] })
      await list('by id', { producerIdFilters: [open.producerId] })
      await list('by an unknown id', { producerIdFilters: [987654321n] })
      if (version < 1) continue
      await list('that take long', { durationFilter: 600_000n })
      await list('that have begun', { durationFilter: -1n })
      if (version < 2) continue
      const exact = open.transactionalId
      for (const pattern of ['', '.*', exact, 'transactions', '(', `${exact}|x`, '[z-a]']) {
        await list(`matching ${pattern}`, { transactionalIdPattern: pattern })
      }
    }
  }),
  scenario('transactions: offsets', async (peer) => {
    const topic = await peer.topic()
    const groupId = peer.name('group')
    await peer.ask(apis.findCoordinator, 3, { key: groupId, keyType: 0 })
    const fetched = async (note: string): Promise<void> => {
      for (const requireStable of [false, true]) {
        const groups = [{ groupId, topics: [{ name: topic.name, partitionIndexes: [0] }] }]
        const { groups: found } = await eventually('the group is loaded', async () => {
          const asked = await peer.ask(apis.offsetFetch, 8, { groups, requireStable })
          return soon.has(asked.groups[0]!.errorCode) ? undefined : asked
        })
        peer.note(`offsets ${note}, stable ${requireStable}`, found[0]!.topics)
      }
    }
    await fetched('before')
    for (const version of peer.versions(apis.txnOffsetCommit)) {
      const producer = await initialised(peer, `v${version}`)
      const commit = (of: Identity, more = {}) =>
        peer.send(apis.txnOffsetCommit, version, {
          ...{ ...of, groupId, ...more },
          topics: [topic.name, 'nowhere'].map((name) => ({
            name,
            partitions: [
              { partitionIndex: 0, committedOffset: version + 1, committedMetadata: 'm' },
            ],
          })),
        })
      if (version < 5) {
        const addVersion = Math.min(version, 4)
        await peer.send(apis.addOffsetsToTxn, addVersion, {
          ...{ ...producer, producerEpoch: 9, groupId },
        })
        await peer.send(apis.addOffsetsToTxn, addVersion, { ...producer, groupId })
      }
      await commit({ ...producer, producerEpoch: 9 })
      await commit(producer)
      if (version >= 3) await commit(producer, { generationId: 1, memberId: 'nobody' })
      await fetched(`open, v${version}`)
      await end(peer, producer, version % 2 === 1, version < 5 ? 3 : 5)
      await settled(peer, producer)
      await fetched(`ended, v${version}`)
    }
  }),
]
