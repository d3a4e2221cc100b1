import { memoryFileSystem, type FileSystem } from '@kfk/log-store'
import type { ControllerGateway } from '../../src/context'
import { BlockProducerIds } from '../../src/controller/producer-ids'
import { BrokerError } from '../../src/errors'
import { silentLogger } from '../../src/runtime/logger'

/** Grants blocks of three ids, while it is there. */
class Granter {
  isAway = false
  granted = 0
  readonly gateway: ControllerGateway = {
    forward: async () => {
      if (this.isAway) throw new BrokerError('KFK_BROKER_UNAVAILABLE', 'away')
      const producerIdStart = BigInt(3 * this.granted++)
      return { throttleTimeMs: 0, errorCode: 0, producerIdStart, producerIdLen: 3 } as never
    },
    ensureTopic: async () => 0,
  }
}

async function start(granter: Granter, fileSystem: FileSystem, clusterId = 'c') {
  await fileSystem.makeDirectory('/data')
  const ids = new BlockProducerIds({
    nodeId: 1,
    clusterId,
    fileSystem,
    dataDir: '/data',
    gateway: granter.gateway,
    logger: silentLogger,
    timeoutMs: 100,
    stopped: new AbortController().signal,
  })
  await ids.load()
  return ids
}

const take = async (ids: BlockProducerIds, count: number) => {
  const taken: bigint[] = []
  for (let index = 0; index < count; index++) taken.push(await ids.next())
  return taken
}

describe('producer ids', () => {
  test('are given out once each, whoever asks at the same time', async () => {
    const ids = await start(new Granter(), memoryFileSystem())
    const taken = await Promise.all(Array.from({ length: 100 }, () => ids.next()))
    expect(new Set(taken).size).toBe(100)
  })

  test('the spare block serves while the controller is away, across a restart, and then they end with an error', async () => {
    const granter = new Granter()
    const fileSystem = memoryFileSystem()
    const ids = await start(granter, fileSystem)
    const before = await take(ids, 1)
    await ids.settle()
    granter.isAway = true
    const restarted = await start(granter, fileSystem)
    const after = await take(restarted, 3)
    expect(before.some((id) => after.includes(id))).toBe(false)
    await expect(restarted.next()).rejects.toMatchObject({ code: 'KFK_BROKER_UNAVAILABLE' })
    // The block was off the disk before its first id was given out.
    await expect((await start(granter, fileSystem)).next()).rejects.toBeInstanceOf(BrokerError)
    granter.isAway = false
    expect(before.concat(after)).not.toContain(await restarted.next())
  })

  test('a spare block of another cluster, or garbage, is ignored', async () => {
    const granter = new Granter()
    const fileSystem = memoryFileSystem()
    const ids = await start(granter, fileSystem)
    await ids.next()
    await ids.settle()
    granter.isAway = true
    await expect((await start(granter, fileSystem, 'other')).next()).rejects.toBeInstanceOf(
      BrokerError,
    )
  })
})
