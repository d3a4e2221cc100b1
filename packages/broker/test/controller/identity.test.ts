import { memoryCoordination } from '@kfk/coordination'
import { memoryFileSystem } from '@kfk/log-store'
import { finishFounding, type IdentityOptions, settleIdentity } from '../../src/controller/identity'
import { silentLogger } from '../../src/runtime/logger'
import { SystemClock } from '../../src/runtime/system-clock'

const clock = new SystemClock()

async function broker(
  nodeId: number,
  options: Partial<IdentityOptions> & Pick<IdentityOptions, 'coordination'>,
) {
  const fileSystem = options.fileSystem ?? memoryFileSystem()
  await fileSystem.makeDirectory('/data')
  return {
    fileSystem,
    settle: (more: Partial<IdentityOptions> = {}) =>
      settleIdentity({
        fileSystem,
        dataDir: '/data',
        nodeId,
        recorded: undefined,
        voter: undefined,
        clock,
        logger: silentLogger,
        timeoutMs: 150,
        ...options,
        ...more,
      }),
  }
}
const refused = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) })

describe('the identity of a broker', () => {
  test('of several fresh brokers one founds the cluster, the others join it', async () => {
    const coordination = memoryCoordination()
    const brokers = await Promise.all([1, 2, 3].map((nodeId) => broker(nodeId, { coordination })))
    const settled = await Promise.all(brokers.map(({ settle }) => settle()))
    expect(new Set(settled.map(({ clusterId }) => clusterId)).size).toBe(1)
    const founders = settled.filter(({ isFounding }) => isFounding)
    expect(founders).toHaveLength(1)
    expect(new Set(settled.map(({ controllerNodeId }) => controllerNodeId)).size).toBe(1)
    expect(new Set(settled.map(({ directoryId }) => directoryId)).size).toBe(3)
    await coordination.close()
  })

  test('a founder that crashed before its first record goes on founding, also if coordination was emptied meanwhile', async () => {
    const coordination = memoryCoordination()
    const { settle, fileSystem } = await broker(1, { coordination })
    const first = await settle()
    expect(await settle()).toEqual(first)
    const emptied = memoryCoordination()
    expect(await settle({ coordination: emptied })).toEqual(first)
    // Once the log is there, losing it is noticed.
    await finishFounding(fileSystem, '/data')
    await expect(settle()).rejects.toEqual(
      refused('KFK_BROKER_CLUSTER', /restore the data directory/),
    )
    await coordination.close()
    await emptied.close()
  })

  test('what the metadata log says is published when coordination is empty, and wins over nothing else', async () => {
    const coordination = memoryCoordination()
    const recorded = { clusterId: 'c1', controllerNodeId: 3 }
    const { settle } = await broker(1, { coordination, recorded })
    expect(await settle()).toMatchObject({ ...recorded, isFounding: false })
    expect(JSON.parse((await coordination.get('cluster'))!.value)).toEqual(recorded)
    const foreign = await broker(2, {
      coordination,
      recorded: { clusterId: 'c2', controllerNodeId: 3 },
    })
    await expect(foreign.settle()).rejects.toEqual(
      refused('KFK_BROKER_CLUSTER', /belongs to cluster c2, .* that of cluster c1/),
    )
    const moved = await broker(2, {
      coordination,
      recorded: { clusterId: 'c1', controllerNodeId: 4 },
    })
    await expect(moved.settle()).rejects.toEqual(
      refused('KFK_BROKER_CLUSTER', /names node 4 as controller/),
    )
    await coordination.close()
  })

  test('a configured voter founds, others wait for it in bounded time; it cannot be moved', async () => {
    const coordination = memoryCoordination()
    const other = await broker(1, { coordination, voter: 2 })
    await expect(other.settle()).rejects.toEqual(
      refused('KFK_BROKER_UNAVAILABLE', /node 2, has not founded/),
    )
    const voter = await broker(2, { coordination, voter: 2 })
    expect(await voter.settle()).toMatchObject({ controllerNodeId: 2, isFounding: true })
    expect(await other.settle()).toMatchObject({ controllerNodeId: 2, isFounding: false })
    const wrong = await broker(3, { coordination, voter: 3 })
    await expect(wrong.settle()).rejects.toEqual(
      refused('KFK_BROKER_CLUSTER', /cannot be moved yet/),
    )
    await coordination.close()
  })

  test('a joined broker without a copy of the metadata does not found a cluster of its own', async () => {
    const coordination = memoryCoordination()
    await (await broker(1, { coordination })).settle()
    const { settle } = await broker(2, { coordination })
    await settle()
    const emptied = memoryCoordination()
    await expect(settle({ coordination: emptied })).rejects.toEqual(
      refused('KFK_BROKER_UNAVAILABLE', /no cluster is there yet/),
    )
    await coordination.close()
    await emptied.close()
  })

  test('garbage under the key is an error, and coordination that is away is named', async () => {
    const coordination = memoryCoordination()
    await coordination.compareAndSet('cluster', { expectedVersion: 0, value: '{"clusterId":1}' })
    const { settle } = await broker(1, { coordination })
    await expect(settle()).rejects.toEqual(refused('KFK_BROKER_CLUSTER', /no valid cluster/))
    coordination.cut()
    await expect(settle()).rejects.toEqual(
      refused('KFK_BROKER_UNAVAILABLE', /memory\) does not answer/),
    )
    await coordination.close()
  })
})
