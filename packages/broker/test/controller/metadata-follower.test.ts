import { apis, errorCodes } from '@kfk/protocol'
import type { Partition } from '../../src/context'
import { ControllerPeer, type PeerClient } from '../../src/controller/controller-peer'
import type { ControllerEntry } from '../../src/controller/coordination-entries'
import { MetadataFollower } from '../../src/controller/metadata-follower'
import { MetadataLog } from '../../src/controller/metadata-log'
import type { MetadataRecord } from '../../src/controller/metadata-records'
import { SystemClock } from '../../src/runtime/system-clock'
import { until } from './broker-group'
import { metadataNode } from './metadata-node'

const founded: MetadataRecord = {
  type: 'cluster-founded',
  clusterId: 'ours',
  controllerNodeId: 1,
  features: { 'kfk.metadata': 1 },
}
const grant = (first: bigint): MetadataRecord => ({
  type: 'producer-ids-granted',
  first,
  count: 1000,
  to: 1,
})

/** Answers Metadata and Fetch as the broker of `partition` would. */
function clientOf(
  partition: Partition,
  options: { clusterId: string; fetchError?: number; epoch?: number },
): PeerClient {
  const request = async (api: { key: number }, body: unknown): Promise<unknown> => {
    if (api.key === apis.metadata.key) return { clusterId: options.clusterId }
    const wanted = body as {
      topics: { partitions: { fetchOffset: number; currentLeaderEpoch: number }[] }[]
    }
    const { fetchOffset, currentLeaderEpoch } = wanted.topics[0]!.partitions[0]!
    const isFenced = currentLeaderEpoch !== (options.epoch ?? partition.leaderEpoch)
    const isBeyond = fetchOffset > partition.logEndOffset
    const errorCode =
      options.fetchError ??
      (isFenced ? errorCodes.FENCED_LEADER_EPOCH : isBeyond ? errorCodes.OFFSET_OUT_OF_RANGE : 0)
    const isBefore = errorCode === 0 && fetchOffset < partition.logEndOffset
    const records = isBefore
      ? (await partition.read({ from: fetchOffset, maxBytes: 1e6 })).bytes
      : null
    // What is appended may not be written yet; asked again at once, nobody would come to write it.
    if (!records?.length) await new Promise((resolve) => setImmediate(resolve))
    const answer = {
      errorCode,
      records,
      highWatermark: partition.highWatermark,
      divergingEpoch: { epoch: -1, endOffset: -1 },
    }
    return { errorCode: 0, responses: [{ partitions: [answer] }] }
  }
  return { request: request as PeerClient['request'], close: () => Promise.resolve() }
}

async function setUp() {
  const controller = await metadataNode(1025)
  const source = new MetadataLog(controller.partition, () => undefined)
  await source.append([founded], 0)
  const copyNode = await metadataNode(1026)
  const copy = new MetadataLog(copyNode.partition, () => undefined)
  const logged: string[] = []
  const log = (message: string) => void logged.push(message)
  const state: { entry: ControllerEntry | undefined; client: PeerClient } = {
    entry: { nodeId: 1, epoch: 1025, host: 'h', port: 1 },
    client: clientOf(controller.partition, { clusterId: 'ours' }),
  }
  const peer = new ControllerPeer({
    createClient: () => state.client,
    identity: () => ({ clusterId: 'ours', controllerNodeId: 1 }),
    directory: () => state.entry,
    lowestEpoch: () => copy.lastEpoch,
  })
  const logger = { debug: log, info: log, warn: log, error: log }
  const follower = new MetadataFollower({ peer, log: copy, clock: new SystemClock(), logger })
  const close = async () => {
    await follower.stop()
    await controller.close()
    await copyNode.close()
  }
  return { controller, source, copy, state, peer, follower, logged, close }
}

describe('following the metadata log', () => {
  test('copies what there is and what comes', async () => {
    const { source, copy, follower, close } = await setUp()
    follower.start()
    await follower.caughtUpOnce(new AbortController().signal, { orFailed: false })
    expect(copy.image.clusterId).toBe('ours')
    await source.append([grant(0n)], 0)
    await until(() => copy.image.nextProducerId === 1000n)
    await close()
  })

  test('waits for a controller that is not known yet, and finds it at once when told to look', async () => {
    const { copy, state, follower, close } = await setUp()
    const { entry } = state
    state.entry = undefined
    follower.start()
    await follower.caughtUpOnce(new AbortController().signal, { orFailed: true })
    expect(copy.image.clusterId).toBeUndefined()
    state.entry = entry
    follower.lookAgain()
    await follower.caughtUpOnce(new AbortController().signal, { orFailed: false })
    expect(copy.image.clusterId).toBe('ours')
    await close()
  })

  test.each([
    ['of another cluster', { clusterId: 'theirs' }, /is of cluster theirs, not of cluster ours/],
    ['that serves under another epoch', { clusterId: 'ours', epoch: 2049 }, /FENCED_LEADER_EPOCH/],
    ['that is no controller', { clusterId: 'ours', fetchError: 6 }, /NOT_LEADER_OR_FOLLOWER/],
  ])('refuses metadata of a broker %s', async (_what, options, message) => {
    const { controller, copy, state, follower, logged, close } = await setUp()
    state.client = clientOf(controller.partition, options)
    follower.start()
    await until(() => logged.some((line) => message.test(line)))
    expect(copy.endOffset).toBe(0)
    await close()
  })

  test('refuses a controller of a lower epoch than its copy, or of another node', async () => {
    const { copy, source, state, peer, follower, close } = await setUp()
    await source.append([grant(0n)], 0)
    follower.start()
    await until(() => copy.image.nextProducerId === 1000n)
    expect(peer.entry).toBeDefined()
    state.entry = { nodeId: 1, epoch: 1, host: 'h', port: 1 }
    expect(peer.entry).toBeUndefined()
    state.entry = { nodeId: 2, epoch: 4098, host: 'h', port: 1 }
    expect(peer.entry).toBeUndefined()
    await close()
  })

  test('refuses a controller that has lost records', async () => {
    const { copy, source, state, follower, logged, close } = await setUp()
    await source.append([grant(0n)], 0)
    follower.start()
    await until(() => copy.image.nextProducerId === 1000n)
    const shorter = await metadataNode(2049)
    await new MetadataLog(shorter.partition, () => undefined).append([founded], 0)
    state.client = clientOf(shorter.partition, { clusterId: 'ours' })
    state.entry = { nodeId: 1, epoch: 2049, host: 'h', port: 1 }
    await until(() => logged.some((line) => line.includes('has lost records')))
    expect(copy.image.nextProducerId).toBe(1000n)
    await close()
    await shorter.close()
  })
})
