import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { planLoad, runLoad } from '../src/loader.js'
import { localTarget } from '../src/targets/local.js'
import { verifyLoad } from '../src/verify.js'
import {
  dataFiles,
  filesOf,
  loadedNumbers,
  numbers,
  removeTemporaryDirectories,
  startCluster,
  temporaryDirectory,
  views,
  type Cluster,
} from './harness.js'

let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster()
})
afterAll(async () => {
  await cluster.close()
  await removeTemporaryDirectories()
})

test('loads everything once, then only what is new, and verifies', async () => {
  await cluster.fill('page-views', views(5000, { stepMs: 2000, partitions: 3 }), 3)
  const dir = await temporaryDirectory()
  const target = localTarget(dir)
  const load = {
    client: cluster.client,
    topics: ['page-views'],
    target,
    timeField: 'time',
    splitRecords: 500,
  }
  const report = await runLoad(load)
  expect(report).toMatchObject({ records: 5000, rejected: 0, control: 0, missing: 0, splits: 12 })
  expect(await loadedNumbers(target, 'page-views')).toEqual(numbers(5000))
  expect(await filesOf(target, '_kfk/tmp')).toEqual([])

  expect(await runLoad(load)).toMatchObject({ records: 0, splits: 0, files: 0, rolledForward: 0 })
  expect(await planLoad(load)).toEqual({ splits: [], gaps: [], beginnings: [], offsets: 0 })

  await cluster.fill('page-views', views(100, { first: 5000, partitions: 3 }))
  expect(await runLoad(load)).toMatchObject({ records: 100, splits: 3 })
  expect(await loadedNumbers(target, 'page-views')).toEqual(numbers(5100))

  const verified = await verifyLoad({ ...load, checksums: true })
  expect(verified).toMatchObject({ ok: true, problems: [] })
  expect(verified.topics).toMatchObject([{ topic: 'page-views', records: 5100, rejected: 0 }])
})

test('files are readable by zcat', async () => {
  await cluster.fill('zipped', views(20_000, { stepMs: 1 }))
  const dir = await temporaryDirectory()
  const target = localTarget(dir)
  await runLoad({ client: cluster.client, topics: ['zipped'], target, timeField: 'time' })
  const [file] = await dataFiles(target, 'zipped')
  const text = execFileSync('zcat', [join(dir, file!)], { maxBuffer: 1 << 26 }).toString()
  expect(text.match(/\n/g)).toHaveLength(20_000)
})
