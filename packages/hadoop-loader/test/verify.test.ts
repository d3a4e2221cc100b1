import { runLoad } from '../src/loader.js'
import { verifyLoad } from '../src/verify.js'
import { dataFiles, filesOf, startCluster, views, type Cluster } from './harness.js'
import { MemoryTarget } from './memory-target.js'

let cluster: Cluster
const topics = ['views']
let loaded: MemoryTarget
beforeAll(async () => {
  cluster = await startCluster()
  await cluster.fill('views', views(300, { stepMs: 60_000, partitions: 2 }), 2)
  loaded = new MemoryTarget()
  const load = { client: cluster.client, topics, target: loaded, timeField: 'time' }
  await runLoad({ ...load, splitRecords: 50 })
})
afterAll(() => cluster.close())

function copy(): MemoryTarget {
  const target = new MemoryTarget()
  for (const [path, file] of loaded.files) target.files.set(path, { ...file })
  return target
}

async function problemsOf(target: MemoryTarget, options = {}): Promise<readonly string[]> {
  const { ok, problems } = await verifyLoad({ target, topics, ...options })
  expect(ok).toBe(problems.length === 0)
  return problems
}

test('a whole load is all right, with the log and without', async () => {
  expect(await problemsOf(loaded, { checksums: true })).toEqual([])
  expect(await problemsOf(loaded, { client: cluster.client })).toEqual([])
})

test('a file that is gone, shorter, changed, or one too many is named', async () => {
  const target = copy()
  const [gone, shorter, changed] = (await dataFiles(target, 'views')) as [string, string, string]
  target.files.delete(gone)
  target.files.set(shorter, { ...target.files.get(shorter)!, bytes: Buffer.from('x') })
  const bytes = Buffer.from(target.files.get(changed)!.bytes)
  bytes[bytes.length - 1]! ^= 1
  target.files.set(changed, { ...target.files.get(changed)!, bytes })
  const stray = 'views/dt=2026-05-17/hour=10/copy-of-something.jsonl.gz'
  target.files.set(stray, { bytes, modifiedMs: 0 })
  const problems = await problemsOf(target, { checksums: true })
  expect(problems).toHaveLength(4)
  const all = problems.join('\n')
  expect(all).toContain(`${gone} is missing`)
  expect(all).toContain(`${shorter} has 1 bytes, committed were`)
  expect(all).toContain(`${changed} has other bytes than were committed (checksum)`)
  expect(all).toContain(`${stray} is in no manifest`)
})

test('a hole in the chain, and a manifest that is damaged, are named', async () => {
  const target = copy()
  const manifests = (await filesOf(target, '_kfk/views/0')).filter((path) => path.endsWith('.json'))
  expect(manifests).toHaveLength(3)
  target.files.set(manifests[1]!, { bytes: Buffer.from('{'), modifiedMs: 0 })
  const problems = await problemsOf(target)
  expect(problems[0]).toContain(`the manifest ${manifests[1]} cannot be used`)
  expect(problems[1]).toBe('views-0: offsets 50 to 99 are in no manifest')
})

test('a log that has gone on is named', async () => {
  await cluster.fill('views', views(10))
  expect(await problemsOf(loaded, { client: cluster.client })).toEqual([
    'views-0: loaded up to 150, the log ends at 160: load again',
  ])
})

test('a topic that was never loaded has nothing wrong, but is not the log either', async () => {
  await cluster.fill('unloaded', views(3))
  const target = new MemoryTarget()
  expect(await verifyLoad({ target, topics: ['unloaded'] })).toMatchObject({ ok: true })
  const { problems } = await verifyLoad({ target, topics: ['unloaded'], client: cluster.client })
  expect(problems).toEqual(['unloaded-0: loaded up to nothing, the log ends at 3: load again'])
})

test('a name that is no topic is refused', async () => {
  const refused = verifyLoad({ target: loaded, topics: ['../views'] })
  await expect(refused).rejects.toMatchObject({ code: 'KFK_LOADER_INVALID_ARGUMENT' })
})
