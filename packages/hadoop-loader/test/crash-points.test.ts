// A load may end at any point. No record is ever twice among the final files; after the next complete load every record
// is there exactly once.
import { runLoad } from '../src/loader.js'
import type { LoadOptions } from '../src/load-options.js'
import { verifyLoad } from '../src/verify.js'
import { broken, diesAt, failsAt, FaultyTarget, type Faults } from './faulty-target.js'
import { filesOf, loadedNumbers, numbers, startCluster, views, type Cluster } from './harness.js'
import { MemoryTarget } from './memory-target.js'

const total = 90
let cluster: Cluster
let load: Omit<LoadOptions, 'target'>
beforeAll(async () => {
  cluster = await startCluster()
  await cluster.fill('views', views(total, { stepMs: 60_000, partitions: 2 }), 2)
  await cluster.fill('views', [{ value: 'garbage', partition: 1 }])
  load = {
    client: cluster.client,
    topics: ['views'],
    timeField: 'time',
    splitRecords: 20,
    maxOpenFiles: 4,
    parallelism: 2,
  }
})
afterAll(() => cluster.close())

async function expectUnique(target: MemoryTarget): Promise<void> {
  const loaded = await loadedNumbers(target, 'views')
  expect(new Set(loaded).size).toBe(loaded.length)
}

async function expectComplete(target: MemoryTarget): Promise<void> {
  expect(await loadedNumbers(target, 'views')).toEqual(numbers(total))
  const verified = await verifyLoad({ ...load, target, checksums: true })
  expect(verified).toMatchObject({ ok: true, problems: [] })
  expect(verified.topics[0]).toMatchObject({ records: total, rejected: 1 })
}

async function operationsOfALoad(): Promise<number> {
  const target = new FaultyTarget(new MemoryTarget())
  await runLoad({ ...load, target })
  return target.operations
}

/** Loads with these faults, then without. */
async function interrupt(faults: Faults): Promise<void> {
  const target = new MemoryTarget()
  const outcome = await runLoad({ ...load, target: new FaultyTarget(target, faults) }).then(
    () => 'ended',
    (error: { code?: string }) => error.code,
  )
  expect(['ended', 'KFK_LOADER_TARGET']).toContain(outcome)
  await expectUnique(target)
  await runLoad({ ...load, target })
  await expectComplete(target)
}

test.each(['before', 'after'] as const)('a loader may die %s any operation', async (when) => {
  const operations = await operationsOfALoad()
  expect(operations).toBeGreaterThan(80)
  for (let at = 1; at <= operations; at++) await interrupt(diesAt(at, when))
})

test.each(['before', 'after'] as const)('any operation may fail %s it is done', async (when) => {
  const operations = await operationsOfALoad()
  for (let at = 1; at <= operations; at++) await interrupt(failsAt(at, when))
})

test('a loader may die several times in a row, each time a little later', async () => {
  const target = new MemoryTarget()
  for (let at = 5; ; at += 7) {
    const dying = new FaultyTarget(target, diesAt(at, 'after'))
    const report = await runLoad({ ...load, target: dying }).catch(() => undefined)
    await expectUnique(target)
    if (report) break
  }
  await expectComplete(target)
})

test.each(['staged', 'committed', 'moved'] as const)(
  'a load that is interrupted when a split is %s goes on where it was',
  async (point) => {
    const target = new MemoryTarget()
    let dead = false
    const alive = (): void => {
      if (dead) throw broken()
    }
    const hooks = {
      at(reached: string): void {
        dead ||= reached === point
        alive()
      },
    }
    const dying = new FaultyTarget(target, { before: alive })
    await expect(runLoad({ ...load, target: dying, hooks })).rejects.toThrow('broken')
    await expectUnique(target)
    const manifests = (await filesOf(target, '_kfk/views')).filter((path) => /json$/.test(path))
    expect(manifests).toHaveLength(point === 'staged' ? 0 : 1)
    const { rolledForward } = await runLoad({ ...load, target })
    expect(rolledForward).toBe(point === 'committed' ? 1 : 0)
    await expectComplete(target)
  },
)

test('a failed load leaves nothing of splits that it did not commit', async () => {
  const target = new MemoryTarget()
  const full = new FaultyTarget(target, {
    before(n, what) {
      if (n > 40 && /^write/.test(what)) throw broken('cannot write: the disk is full')
    },
  })
  await expect(runLoad({ ...load, target: full })).rejects.toThrow('the disk is full')
  const left = await filesOf(target, '_kfk/tmp')
  expect(left).toEqual([])
  await runLoad({ ...load, target })
  await expectComplete(target)
})
