import { apis } from '@kfk/protocol'
import { batchOf, recordsOf } from '../support/batches'
import type { Peer, TestTopic } from '../support/peer'
import { produce, readBack } from '../support/produced'
import { scenario } from '../support/scenario'

async function producerId(peer: Peer): Promise<bigint> {
  const asked = { transactionalId: null, transactionTimeoutMs: 60_000 }
  return (await peer.ask(apis.initProducerId, 4, asked)).producerId
}

interface Sent {
  readonly epoch?: number
  readonly sequence: number
  readonly count?: number
}

async function sequence(peer: Peer, topic: TestTopic, sent: readonly Sent[]): Promise<void> {
  const id = await producerId(peer)
  for (const { epoch = 0, sequence, count = 1 } of sent) {
    const state = { producerId: id, producerEpoch: epoch, baseSequence: sequence }
    const note = `epoch ${epoch}, ${count} from ${sequence}`
    await produce(peer, { topic, records: batchOf(recordsOf(count), state), note })
  }
  await readBack(peer, topic)
}

const upTo = (count: number): Sent[] => Array.from({ length: count }, (_, at) => ({ sequence: at }))

export const producerStateScenarios = [
  scenario('producer state: ids', async (peer) => {
    for (const version of peer.versions(apis.initProducerId)) {
      await peer.send(apis.initProducerId, version, {
        transactionalId: null,
        transactionTimeoutMs: 60_000,
      })
      // Without a transaction the time is not looked at.
      for (const transactionTimeoutMs of [0, -1, 2147483647]) {
        await peer.attempt(
          apis.initProducerId,
          version,
          { transactionalId: null, transactionTimeoutMs },
          { note: `timeout ${transactionTimeoutMs}` },
        )
      }
      if (version < 3) continue
      const { producerId: id, producerEpoch } = await peer.ask(apis.initProducerId, version, {
        transactionalId: null,
        transactionTimeoutMs: 60_000,
      })
      for (const [at, state] of [
        { producerId: id, producerEpoch },
        { producerId: id, producerEpoch: 5 },
        { producerId: id, producerEpoch: -1 },
        { producerId: -1n, producerEpoch: 3 },
        { producerId: 123456789n, producerEpoch: 0 },
      ].entries()) {
        await peer.attempt(
          apis.initProducerId,
          version,
          { transactionalId: null, transactionTimeoutMs: 60_000, ...state },
          { note: `state ${at}` },
        )
      }
    }
  }),
  scenario('producer state: in order', async (peer) => {
    await sequence(peer, await peer.topic(), upTo(7))
  }),
  scenario('producer state: duplicates', async (peer) => {
    await sequence(peer, await peer.topic(), [...upTo(7), ...upTo(7).reverse(), { sequence: 7 }])
  }),
  scenario('producer state: duplicates of several records', async (peer) => {
    await sequence(peer, await peer.topic(), [
      { sequence: 0, count: 3 },
      { sequence: 3, count: 2 },
      { sequence: 0, count: 3 },
      { sequence: 0, count: 2 },
      { sequence: 1, count: 2 },
      { sequence: 0, count: 5 },
      { sequence: 3, count: 2 },
      { sequence: 4, count: 1 },
      { sequence: 5, count: 1 },
    ])
  }),
  scenario('producer state: gaps', async (peer) => {
    await sequence(peer, await peer.topic(), [
      { sequence: 0 },
      { sequence: 2 },
      { sequence: 1 },
      { sequence: 2 },
      { sequence: 2147483647 },
    ])
  }),
  scenario('producer state: begins elsewhere', async (peer) => {
    await sequence(peer, await peer.topic(), [{ sequence: 5 }, { sequence: 0 }, { sequence: 6 }])
  }),
  scenario('producer state: wraps around', async (peer) => {
    await sequence(peer, await peer.topic(), [
      { sequence: 2147483646, count: 1 },
      { sequence: 2147483647, count: 3 },
      { sequence: 2 },
      { sequence: 2147483647, count: 3 },
      { sequence: 3 },
    ])
  }),
  scenario('producer state: epochs', async (peer) => {
    await sequence(peer, await peer.topic(), [
      { epoch: 1, sequence: 0 },
      { epoch: 0, sequence: 1 },
      { epoch: 2, sequence: 1 },
      { epoch: 2, sequence: 0 },
      { epoch: 2, sequence: 0 },
      { epoch: 1, sequence: 0 },
      { epoch: 2, sequence: 1 },
      { epoch: 32767, sequence: 0 },
    ])
  }),
  scenario('producer state: odd states', async (peer) => {
    await sequence(peer, await peer.topic(), [
      { epoch: 0, sequence: -1 },
      { epoch: -1, sequence: 0 },
      { epoch: -1, sequence: -1 },
    ])
  }),
  scenario('producer state: a duplicate among other producers', async (peer) => {
    const topic = await peer.topic()
    const ids = [await producerId(peer), await producerId(peer)]
    for (const baseSequence of [0, 1, 0, 1, 2]) {
      for (const id of ids) {
        const records = batchOf(recordsOf(2), {
          producerId: id,
          producerEpoch: 0,
          baseSequence: baseSequence * 2,
        })
        await produce(peer, { topic, records })
      }
    }
    await readBack(peer, topic)
  }),
]
