import { apis } from '@kfk/protocol'
import { batchOf, recordsOf } from '../support/batches'
import { produce, produceBody, readBack } from '../support/produced'
import { scenario } from '../support/scenario'

const unknownId = 'c2VlIHRoZSBub3RoaW5nbg'

export const produceScenarios = [
  scenario('produce: every version and acks', async (peer) => {
    const topic = await peer.topic()
    for (const version of peer.versions(apis.produce)) {
      const acksOf = version < 3 ? [-1] : [-1, 1, 2, -2, 100]
      for (const acks of acksOf) {
        const records = batchOf()
        await produce(peer, { topic, records, version, acks, note: `acks ${acks}` })
      }
    }
    await readBack(peer, topic)
  }),
  scenario('produce: without acks', async (peer) => {
    const topic = await peer.topic()
    for (const version of peer.versions(apis.produce).filter((version) => version >= 3)) {
      await peer.tell(apis.produce, version, produceBody({ topic, records: batchOf(), acks: 0 }))
      const missing = { topic, partition: 7, records: batchOf(), acks: 0 }
      await peer.tell(apis.produce, version, produceBody(missing))
    }
    // What is committed after them says that they are, too.
    await produce(peer, { topic, records: batchOf() })
    await readBack(peer, topic)
  }),
  scenario('produce: unknown topics and partitions', async (peer) => {
    const topic = await peer.topic()
    for (const version of peer.versions(apis.produce).filter((version) => version >= 3)) {
      const unknown = { name: 'no-such-topic', id: unknownId }
      const odd = { name: 'a b', id: topic.id }
      for (const one of [unknown, ...(version < 13 ? [odd] : [])]) {
        await produce(peer, { topic: one, records: batchOf(), version, note: one.name })
      }
      for (const partition of [1, -1, 2147483647]) {
        const note = `partition ${partition}`
        await produce(peer, { topic, partition, records: batchOf(), version, note })
      }
    }
  }),
  scenario('produce: codecs', async (peer) => {
    const topic = await peer.topic()
    for (const version of peer.versions(apis.produce).filter((version) => version >= 3)) {
      for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
        const records = batchOf(recordsOf(20), { compression })
        await produce(peer, { topic, records, version, note: compression })
      }
    }
    await readBack(peer, topic)
  }),
]
