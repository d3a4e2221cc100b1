import { memoryFileSystem } from '@kfk/log-store'
import { encodeRecordBatch, stampBatch } from '@kfk/protocol'
import type { ClusterChange, Partition } from '../../src/context'
import { MetadataLog } from '../../src/controller/metadata-log'
import { encodeMetadataRecord, type MetadataRecord } from '../../src/controller/metadata-records'
import { newTopicId } from '../../src/controller/topic-id'
import { metadataNode } from './metadata-node'

const founded: MetadataRecord = {
  type: 'cluster-founded',
  clusterId: 'c',
  controllerNodeId: 1,
  features: { 'kfk.metadata': 1 },
}
const topic = (name: string, seed: number): MetadataRecord => ({
  type: 'topic-created',
  name,
  id: newTopicId(() => new Uint8Array(16).fill(seed)),
  partitions: [[1]],
  configs: {},
})
const bytesOf = async (partition: Partition, from = 0) =>
  (await partition.read({ from, maxBytes: 1e6 })).bytes
const batchOf = (
  records: readonly MetadataRecord[],
  stamp: { baseOffset: number; leaderEpoch: number },
) => {
  const inputs = records.map((record) => ({ value: encodeMetadataRecord(record), timestamp: 0 }))
  const bytes = encodeRecordBatch(inputs, {})
  stampBatch(bytes, stamp)
  return bytes
}

describe('the metadata log', () => {
  test('of the controller: records are replayed once they are on disk, and again by the next start', async () => {
    const fileSystem = memoryFileSystem()
    const node = await metadataNode(1025, fileSystem)
    const changes: ClusterChange[] = []
    const log = new MetadataLog(node.partition, (change) => changes.push(change))
    await log.load()
    const appending = log.append([founded, topic('a', 1)], 5)
    expect(log.image.nextOffset).toBe(0)
    await appending
    expect(log.image.nextOffset).toBe(2)
    expect(node.partition.log.recoveryPoint).toBe(2)
    expect(changes.flatMap(({ added }) => added.map(({ name }) => name))).toEqual(['a'])
    await node.close()
    const again = await metadataNode(2049, fileSystem)
    const reloaded = new MetadataLog(again.partition, () => undefined)
    await reloaded.load()
    expect([...reloaded.image.topics.keys()]).toEqual(['a'])
    expect(reloaded.lastEpoch).toBe(1025)
    await again.close()
  })

  test('records beyond one batch are split, and come back in order', async () => {
    const node = await metadataNode(1025)
    const log = new MetadataLog(node.partition, () => undefined)
    const wide = (name: string, seed: number): MetadataRecord => ({
      ...(topic(name, seed) as MetadataRecord & { type: 'topic-created' }),
      partitions: Array.from({ length: 10_000 }, () => [1000]),
    })
    const records = [
      founded,
      ...Array.from({ length: 20 }, (_, index) => wide(`t${index}`, index + 1)),
    ]
    await log.append(records, 0)
    const again = new MetadataLog(node.partition, () => undefined)
    await again.load()
    expect([...again.image.topics.keys()]).toEqual(records.slice(1).map((_, index) => `t${index}`))
    await node.close()
  })

  test('of another: the same bytes, the same image, whatever the pieces they come in', async () => {
    const controller = await metadataNode(1025)
    const source = new MetadataLog(controller.partition, () => undefined)
    await source.append([founded, topic('a', 1)], 0)
    await source.append([topic('b', 2)], 0)
    const follower = await metadataNode(1026)
    const copy = new MetadataLog(follower.partition, () => undefined)
    const bytes = await bytesOf(controller.partition)
    await copy.appendReplicated(bytes, 1025)
    // A fetch that begins with batches that are here already, and one that brings nothing.
    await source.append([topic('c', 3)], 0)
    await copy.appendReplicated(await bytesOf(controller.partition), 1025)
    await copy.appendReplicated(new Uint8Array(0), 1025)
    expect([...copy.image.topics.keys()]).toEqual(['a', 'b', 'c'])
    expect(Buffer.from(await bytesOf(follower.partition))).toEqual(
      Buffer.from(await bytesOf(controller.partition)),
    )
    expect(copy.lastEpoch).toBe(1025)
    await controller.close()
    await follower.close()
  })

  test('what does not fit is refused, and leaves the copy as it was', async () => {
    const follower = await metadataNode(1026)
    const copy = new MetadataLog(follower.partition, () => undefined)
    await copy.appendReplicated(
      batchOf([founded, topic('a', 1)], { baseOffset: 0, leaderEpoch: 2049 }),
      2049,
    )
    const before = Buffer.from(await bytesOf(follower.partition))
    const next = { baseOffset: 2, leaderEpoch: 2049 }
    const corrupt = batchOf([topic('b', 2)], next)
    corrupt[corrupt.length - 1]! ^= 1
    const text = encodeRecordBatch([{ value: 'no metadata', timestamp: 0 }], {})
    stampBatch(text, next)
    const bad: [string, Uint8Array, number][] = [
      ['a gap', batchOf([topic('b', 2)], { ...next, baseOffset: 3 }), 2049],
      ['an epoch that goes back', batchOf([topic('b', 2)], { ...next, leaderEpoch: 1025 }), 2049],
      [
        "an epoch above the controller's",
        batchOf([topic('b', 2)], { ...next, leaderEpoch: 3073 }),
        2049,
      ],
      ['a flipped bit', corrupt, 2049],
      ['no metadata', text, 2049],
      ['a topic that exists', batchOf([topic('a', 2)], next), 2049],
      ['a second founding', batchOf([founded], next), 2049],
    ]
    for (const [what, bytes, epoch] of bad) {
      const outcome = await copy.appendReplicated(bytes, epoch).then(
        () => 'taken',
        () => 'refused',
      )
      expect([what, outcome]).toEqual([what, 'refused'])
      expect(copy.endOffset).toBe(2)
      expect(Buffer.from(await bytesOf(follower.partition))).toEqual(before)
    }
    await copy.appendReplicated(batchOf([topic('b', 2)], next), 2049)
    expect([...copy.image.topics.keys()]).toEqual(['a', 'b'])
    await follower.close()
  })
})
