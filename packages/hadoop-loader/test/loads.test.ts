// What a load does with records, topics and targets that are not as usual.
import { createAdmin } from '@kfk/client'
import { createProducer } from '@kfk/producer'
import { apis, type CompressionType } from '@kfk/protocol'
import { jsonLines } from '../src/formats/json-lines.js'
import type { LoadOptions, LoadProgress } from '../src/load-options.js'
import { planLoad, runLoad } from '../src/loader.js'
import { verifyLoad } from '../src/verify.js'
import {
  dataFiles,
  filesOf,
  linesOf,
  loadedLines,
  loadedNumbers,
  numbers,
  startCluster,
  views,
  type Cluster,
} from './harness.js'
import { FaultyTarget } from './faulty-target.js'
import { MemoryTarget } from './memory-target.js'

let cluster: Cluster
let target: MemoryTarget
let load: Omit<LoadOptions, 'topics'>
beforeAll(async () => {
  cluster = await startCluster()
})
beforeEach(() => {
  target = new MemoryTarget()
  load = { client: cluster.client, target, timeField: 'time' }
})
afterAll(() => cluster.close())

async function deleteRecordsBefore(topic: string, offset: number): Promise<void> {
  const { nodeId } = await cluster.client.metadata.leader(topic, 0)
  const partitions = [{ partitionIndex: 0, offset }]
  const body = { topics: [{ name: topic, partitions }], timeoutMs: 5000 }
  await cluster.client.request(apis.deleteRecords, body, { nodeId })
}

test('records that have no place are rejected with their reason, and nothing of them is lost', async () => {
  const time = '2026-05-17T10:00:00Z'
  await cluster.fill('mixed', [
    { value: JSON.stringify({ n: 0, time }) },
    { key: 'k', value: 'not json', timestamp: 5 },
    { value: null },
    { value: Buffer.from([0xff, 0xfe]) },
    { value: JSON.stringify({ n: 4 }) },
    { value: JSON.stringify({ n: 5, time: 'yesterday' }) },
    { value: JSON.stringify({ n: 6, time }) },
  ])
  const report = await runLoad({ ...load, topics: ['mixed'] })
  expect(report).toMatchObject({ records: 2, rejected: 5, control: 0, missing: 0, files: 2 })
  expect(await loadedNumbers(target, 'mixed')).toEqual([0, 6])
  const [file] = (await filesOf(target, 'mixed')).filter((path) => path.includes('_rejected'))
  const rejected = await linesOf(target, file!)
  expect(rejected.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    {
      offset: 1,
      reason: 'the value is not JSON',
      key: 'aw==',
      value: 'bm90IGpzb24=',
      timestamp: 5,
    },
    { offset: 2, reason: 'a tombstone has no value', key: null, value: null },
    { offset: 3, reason: 'the value is not UTF-8', value: '//4=' },
    { offset: 4, reason: 'no field "time"' },
    { offset: 5, reason: 'field "time" is not a time' },
  ])
  expect(JSON.parse(rejected[0]!)).toMatchObject({ topic: 'mixed', partition: 0 })
  expect(await verifyLoad({ ...load, topics: ['mixed'] })).toMatchObject({
    problems: [],
    topics: [{ records: 2, rejected: 5 }],
  })
})

test('an envelope and plain files, by the time of the record', async () => {
  const timestamp = Date.UTC(2026, 0, 2, 3, 4)
  await cluster.fill('wrapped', [{ key: 'visitor', value: '{"n":1}', timestamp }])
  const { client } = cluster
  const format = jsonLines({ envelope: true })
  await runLoad({ client, target, topics: ['wrapped'], format, compression: 'none' })
  const [file, ...more] = await dataFiles(target, 'wrapped')
  expect(more).toEqual([])
  expect(file).toMatch(/^wrapped\/dt=2026-01-02\/hour=03\/wrapped\+0\+0{20}\+0{19}1\+0\.jsonl$/)
  expect((await loadedLines(target, 'wrapped')).map((line) => JSON.parse(line) as unknown)).toEqual(
    [
      {
        topic: 'wrapped',
        partition: 0,
        offset: 0,
        timestamp,
        key: 'visitor',
        headers: [],
        value: { n: 1 },
      },
    ],
  )
})

test('topics whose names look alike stay apart, and one may be called tmp', async () => {
  const topics = ['a.b', 'a', 'tmp', '0', 'constructor']
  for (const [index, topic] of topics.entries()) {
    await cluster.fill(topic, views(3, { first: 10 * index }))
  }
  await runLoad({ ...load, topics })
  target.nowMs = 0
  await runLoad({ ...load, topics, stagingMaxAgeMs: 1 })
  for (const [index, topic] of topics.entries()) {
    expect(await loadedNumbers(target, topic)).toEqual(numbers(3, 10 * index))
  }
  expect(await verifyLoad({ ...load, topics, checksums: true })).toMatchObject({ problems: [] })
})

test('a late event lands in its own hour, and an hour is marked once all partitions have passed it', async () => {
  const hour = (h: number, minute = 0) => new Date(Date.UTC(2026, 4, 17, h, minute)).toISOString()
  const event = (partition: number, n: number, time: string) => ({
    partition,
    value: JSON.stringify({ n, time }),
  })
  const marked = async () =>
    (await filesOf(target, 'late'))
      .filter((path) => path.endsWith('_SUCCESS'))
      .map((path) => /hour=(..)/.exec(path)![1])
  await cluster.fill(
    'late',
    [event(0, 0, hour(10)), event(1, 1, hour(10)), event(0, 2, hour(12))],
    3,
  )
  await runLoad({ ...load, topics: ['late'] })
  expect(await marked()).toEqual([])

  await cluster.fill('late', [event(1, 3, hour(11, 59))])
  await runLoad({ ...load, topics: ['late'] })
  expect(await marked()).toEqual(['10'])

  await cluster.fill('late', [event(1, 4, hour(13)), event(0, 5, hour(10, 30))])
  await runLoad({ ...load, topics: ['late'] })
  expect(await marked()).toEqual(['10', '11'])
  const tenOClock = (await dataFiles(target, 'late')).filter((path) => path.includes('hour=10'))
  const lines = await Promise.all(tenOClock.map((path) => linesOf(target, path)))
  expect(
    lines
      .flat()
      .map((line) => (JSON.parse(line) as { n: number }).n)
      .sort(),
  ).toEqual([0, 1, 5])
})

test('hours of a load that was killed are marked by the next one; the future marks nothing', async () => {
  await cluster.fill('killed', views(120, { stepMs: 60_000 }))
  const dying = new FaultyTarget(target, {
    before(_n, what) {
      if (/success|checkpoint/.test(what)) throw new Error('killed')
    },
  })
  await expect(runLoad({ ...load, target: dying, topics: ['killed'] })).rejects.toThrow('killed')
  await runLoad({ ...load, topics: ['killed'] })
  const marks = async () =>
    (await filesOf(target, 'killed')).filter((path) => /_SUCCESS/.test(path))
  expect(await marks()).toEqual(['killed/dt=2026-05-17/hour=10/_SUCCESS'])

  const value = JSON.stringify({ n: 120, time: '9999-01-01' })
  await cluster.fill('killed', [{ value }])
  await runLoad({ ...load, topics: ['killed'] })
  expect((await marks()).some((path) => path.includes('9998') || path.includes('9999'))).toBe(false)
})

test('records that were deleted before they were loaded are an error, or committed as missing', async () => {
  const topics = ['short']
  await cluster.fill('short', views(10))
  await deleteRecordsBefore('short', 4)
  // What was gone before the first load is not missing to anybody.
  expect(await runLoad({ ...load, topics })).toMatchObject({ records: 6, missing: 0, splits: 1 })
  await cluster.fill('short', views(10, { first: 10 }))
  await deleteRecordsBefore('short', 15)
  await expect(runLoad({ ...load, topics })).rejects.toMatchObject({
    code: 'KFK_LOADER_GAP',
    message: expect.stringMatching(/^offsets 10 to 14 of short-0 were deleted .*skip-missing/),
  })
  expect((await planLoad({ ...load, topics })).gaps).toMatchObject([{ from: 10, to: 15 }])
  const report = await runLoad({ ...load, topics, skipMissing: true })
  expect(report).toMatchObject({ records: 5, missing: 5 })
  expect(await loadedNumbers(target, 'short')).toEqual([...numbers(6, 4), ...numbers(5, 15)])
  expect(await verifyLoad({ ...load, topics })).toMatchObject({
    problems: [],
    topics: [{ records: 11, missing: 5 }],
  })
})

test('retention that overtakes a load makes a gap too', async () => {
  const topics = ['overtaken']
  await cluster.fill('overtaken', views(30))
  const options = { ...load, topics, splitRecords: 10, parallelism: 1 }
  let deleted = false
  const hooks = {
    async at(): Promise<void> {
      if (!deleted) await deleteRecordsBefore('overtaken', 25)
      deleted = true
    },
  }
  await expect(runLoad({ ...options, hooks })).rejects.toMatchObject({ code: 'KFK_LOADER_GAP' })
  deleted = false
  const report = await runLoad({ ...options, hooks, skipMissing: true })
  expect(report.records + report.missing).toBe(20)
  expect(await loadedNumbers(target, 'overtaken')).toEqual([...numbers(10), ...numbers(5, 25)])
})

test('a topic that was deleted and created again is not taken for the earlier one', async () => {
  const topics = ['reborn']
  await cluster.fill('reborn', views(10))
  await runLoad({ ...load, topics })
  await createAdmin({ client: cluster.client }).deleteTopics(topics)
  await cluster.fill('reborn', views(20, { first: 100 }))
  const otherTopic = { code: 'KFK_LOADER_OTHER_TOPIC', message: expect.stringContaining('reborn') }
  await expect(runLoad({ ...load, topics })).rejects.toMatchObject(otherTopic)
  await target.delete('_kfk/reborn/0/checkpoint')
  await expect(planLoad({ ...load, topics })).rejects.toMatchObject(otherTopic)
  expect(await loadedNumbers(target, 'reborn')).toEqual(numbers(10))
  const { problems } = await verifyLoad({ ...load, topics })
  expect(problems[0]).toBe('reborn-0 from 0 is of an earlier topic of this name')
})

test('a topic that is replaced during a load does not mix with the earlier one', async () => {
  const topics = ['swapped']
  await cluster.fill('swapped', views(20))
  let swapped = false
  const hooks = {
    async at(point: string): Promise<void> {
      if (point !== 'moved' || swapped) return
      swapped = true
      await createAdmin({ client: cluster.client }).deleteTopics(topics)
      await cluster.fill('swapped', views(20, { first: 100 }))
    },
  }
  const loading = runLoad({ ...load, topics, hooks, splitRecords: 5, parallelism: 1 })
  await expect(loading).rejects.toMatchObject({ code: 'KFK_LOADER_OTHER_TOPIC' })
  expect(await loadedNumbers(target, 'swapped')).toEqual(numbers(5))
})

test('a log that ends before what was loaded of it is an error, not silence', async () => {
  const topics = ['shrunk']
  await cluster.fill('shrunk', views(10))
  await runLoad({ ...load, topics })
  const path = '_kfk/shrunk/0/checkpoint'
  const checkpoint = target.files.get(path)!
  const text = checkpoint.bytes.toString().replace('"to":10', '"to":50')
  target.files.set(path, { ...checkpoint, bytes: Buffer.from(text) })
  await expect(runLoad({ ...load, topics })).rejects.toMatchObject({
    code: 'KFK_LOADER_LOG_BEHIND',
    message: expect.stringContaining('ends at 10, but memory: holds it up to 50'),
  })
})

test('without its checkpoint, or with one that is garbage, a chain is followed from its beginning', async () => {
  const topics = ['hints']
  await cluster.fill('hints', views(30))
  await runLoad({ ...load, topics, splitRecords: 7 })
  for (const text of [
    undefined,
    '',
    'garbage',
    'null',
    '{"version":1,"to":"x"}',
    '{"version":9}',
  ]) {
    await target.delete('_kfk/hints/0/checkpoint')
    if (text !== undefined) {
      target.files.set('_kfk/hints/0/checkpoint', { bytes: Buffer.from(text), modifiedMs: 0 })
    }
    expect(await runLoad({ ...load, topics })).toMatchObject({ records: 0, rolledForward: 0 })
  }
  expect(await loadedNumbers(target, 'hints')).toEqual(numbers(30))
})

test('a plan writes and moves nothing', async () => {
  const topics = ['planned']
  await cluster.fill('planned', views(30))
  const hooks = {
    at(point: string): void {
      if (point === 'committed') throw new Error('killed')
    },
  }
  const dying = { ...load, topics, hooks, splitRecords: 10, parallelism: 1 }
  await expect(runLoad(dying)).rejects.toThrow('killed')
  const before = [...target.files.keys()]
  const { splits, offsets } = await planLoad({ ...load, topics, splitRecords: 15 })
  expect(splits).toMatchObject([
    { from: 10, to: 20 },
    { from: 20, to: 30 },
  ])
  expect(offsets).toBe(20)
  expect([...target.files.keys()]).toEqual(before)
})

test('progress grows to the whole', async () => {
  await cluster.fill('watched', views(100, { partitions: 2 }), 2)
  const seen: LoadProgress[] = []
  const onProgress = (progress: LoadProgress): void => void seen.push(progress)
  await runLoad({ ...load, topics: ['watched'], splitRecords: 10, onProgress })
  const records = seen.map((progress) => progress.records)
  expect(records).toEqual([...records].sort((a, b) => a - b))
  expect(seen.at(-1)).toMatchObject({ records: 100, totalRecords: 100, splits: 10 })
})

test('an abort ends a load with its reason, and the next one goes on', async () => {
  const topics = ['aborted']
  await cluster.fill('aborted', views(100))
  const controller = new AbortController()
  const hooks = {
    at(point: string): void {
      if (point === 'moved') controller.abort(new Error('enough'))
    },
  }
  const options = { ...load, topics, splitRecords: 10 }
  const aborted = runLoad({ ...options, hooks, signal: controller.signal })
  await expect(aborted).rejects.toThrow('enough')
  await expect(runLoad({ ...options, signal: controller.signal })).rejects.toThrow('enough')
  expect((await runLoad(options)).records).toBeLessThan(100)
  expect(await loadedNumbers(target, 'aborted')).toEqual(numbers(100))
})

test.each<CompressionType>(['none', 'gzip', 'snappy', 'lz4', 'zstd'])(
  'records in %s batches are loaded',
  async (compression) => {
    const topic = `in-${compression}`
    const { broker, client } = cluster
    await createAdmin({ client }).createTopics([topic])
    const producer = createProducer({ broker, compression })
    await producer.send(topic, views(500))
    await producer.close()
    await runLoad({ ...load, topics: [topic], splitRecords: 99 })
    expect(await loadedNumbers(target, topic)).toEqual(numbers(500))
  },
)

test('staging that was left behind long ago is removed, and younger one is not', async () => {
  const topics = ['swept']
  await cluster.fill('swept', views(5))
  const day = 24 * 3_600_000
  const put = (path: string, ageMs: number) =>
    target.files.set(path, { bytes: Buffer.from('x'), modifiedMs: Date.now() - ageMs })
  put('_kfk/tmp/swept+old/0~0~0', 2 * day)
  put('_kfk/tmp/swept+young/0~0~0', day / 2)
  put('_kfk/tmp/swept+mixed/0~0~0', 2 * day)
  put('_kfk/tmp/swept+mixed/0~0~1', day / 2)
  put('_kfk/tmp/swept.not+old/0~0~0', 2 * day)
  await runLoad({ ...load, topics })
  const left = await filesOf(target, '_kfk/tmp')
  expect(left.map((path) => path.split('/')[2])).toEqual([
    'swept+mixed',
    'swept+mixed',
    'swept+young',
    'swept.not+old',
  ])
})

test.each([
  [{ topics: [] }, 'names no topic'],
  [{ topics: ['../x'] }, 'is no topic name'],
  [{ topics: ['x'], parallelism: 0 }, '`parallelism`'],
  [{ topics: ['x'], splitRecords: 1.5 }, '`splitRecords`'],
  [{ topics: ['x'], maxOpenFiles: -1 }, '`maxOpenFiles`'],
])('%j is refused', async (options, message) => {
  await expect(runLoad({ ...load, ...options })).rejects.toMatchObject({
    code: 'KFK_LOADER_INVALID_ARGUMENT',
    message: expect.stringContaining(message),
  })
})

test('a topic that does not exist is an error that names it, and is not created', async () => {
  await expect(runLoad({ ...load, topics: ['absent'] })).rejects.toThrow('absent')
  expect(await createAdmin({ client: cluster.client }).listTopics()).not.toContain('absent')
})
