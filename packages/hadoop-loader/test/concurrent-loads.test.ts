// Several loads of the same topics at once share the work: each record is there exactly once, and each load ends with
// everything in its place.
import { seededRandom } from '@kfk/client'
import { runLoad } from '../src/loader.js'
import type { LoadOptions } from '../src/load-options.js'
import type { Target } from '../src/target.js'
import { localTarget } from '../src/targets/local.js'
import { verifyLoad } from '../src/verify.js'
import { FaultyTarget } from './faulty-target.js'
import {
  filesOf,
  loadedNumbers,
  numbers,
  removeTemporaryDirectories,
  startCluster,
  temporaryDirectory,
  views,
  type Cluster,
} from './harness.js'
import { MemoryTarget } from './memory-target.js'

const total = 400
let cluster: Cluster
let load: Omit<LoadOptions, 'target'>
beforeAll(async () => {
  cluster = await startCluster()
  await cluster.fill('views', views(total, { stepMs: 30_000, partitions: 3 }), 3)
  load = { client: cluster.client, topics: ['views'], timeField: 'time', splitRecords: 15 }
})
afterAll(async () => {
  await cluster.close()
  await removeTemporaryDirectories()
})

/** Lets the event loop turn a few times before each operation, so that loaders overtake each other. */
function jittery(target: Target, seed: number): Target {
  const random = seededRandom(seed)
  return new FaultyTarget(target, {
    async before() {
      for (let turns = Math.floor(random() * 4); turns > 0; turns--) {
        await new Promise((resolve) => setImmediate(resolve))
      }
    },
  })
}

async function loadTogether(target: Target, loaders: number, seed: number): Promise<void> {
  const reports = await Promise.all(
    Array.from({ length: loaders }, (_, n) =>
      runLoad({ ...load, target: jittery(target, seed * 100 + n) }),
    ),
  )
  expect(reports.reduce((sum, { records }) => sum + records, 0)).toBe(total)
  expect(await loadedNumbers(target, 'views')).toEqual(numbers(total))
  expect(await verifyLoad({ ...load, target, checksums: true })).toMatchObject({ problems: [] })
  expect(await filesOf(target, '_kfk/tmp')).toEqual([])
}

test.each(numbers(12))('two to four loads at once, interleaved by seed %i', async (seed) => {
  await loadTogether(new MemoryTarget(), 2 + (seed % 3), seed)
})

test('two loads at once into one directory', async () => {
  const dir = await temporaryDirectory()
  await loadTogether(localTarget(dir), 2, 1)
})

test('a load that is late finds its offsets committed and adds nothing', async () => {
  const target = new MemoryTarget()
  let other: Promise<unknown> | undefined
  const hooks = {
    // Just before the rename of the first split, another load does everything.
    at: (point: string) => (point === 'staged' ? (other ??= runLoad({ ...load, target })) : other),
  }
  const report = await runLoad({
    ...load,
    target,
    hooks: { at: async (p) => void (await hooks.at(p)) },
  })
  expect(report).toMatchObject({ records: 0, splits: 0 })
  expect(await loadedNumbers(target, 'views')).toEqual(numbers(total))
  expect(await filesOf(target, '_kfk/tmp')).toEqual([])
})
