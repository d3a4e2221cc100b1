import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { kfk, RunningCommand, Sandbox } from './kfk-in-process'

const sandbox = new Sandbox()
let env: { KFK_BROKERS: string }
let lastTopic = 0
beforeAll(async () => {
  const broker = await sandbox.broker()
  env = { KFK_BROKERS: broker.brokers[0]! }
})
afterAll(() => sandbox.close())

const load = (...args: string[]) => kfk(['load', ...args], { env })
const at = '2026-01-31T12:30:00Z'

async function produce(topic: string, count: number, first = 0): Promise<void> {
  const lines = Array.from({ length: count }, (_, index) =>
    JSON.stringify({ value: { n: first + index, time: at } }),
  )
  await kfk(['produce', topic, '--json', '-q'], { env, input: lines.join('\n') })
}

async function topicWith(count: number, partitions = 2): Promise<string> {
  const topic = `loaded-${++lastTopic}`
  await kfk(['topic', 'create', topic, '-p', String(partitions)], { env })
  await produce(topic, count)
  return topic
}

/** Lines of all files of a topic that are in their final place, sorted. */
async function loaded(dir: string, topic: string): Promise<unknown[]> {
  const names = await readdir(join(dir, topic), { recursive: true })
  const files = names.filter((name) => /\.jsonl(\.gz)?$/.test(name)).sort()
  const texts = await Promise.all(
    files.map(async (name) => {
      const bytes = await readFile(join(dir, topic, name))
      return (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString()
    }),
  )
  const lines = texts.flatMap((text) => text.trimEnd().split('\n'))
  return lines.map((line) => JSON.parse(line) as unknown)
}

it('copies what is new, each record once, and says what it did', async () => {
  const [topic, dir] = [await topicWith(20), await sandbox.directory()]
  const args = [topic, '--to', dir, '--time-field', 'time', '--split-records', '5']
  const first = await load(...args)
  expect(first.code).toBe(0)
  expect(first.stderr).toBe('')
  expect(first.stdout).toMatch(/^TOPIC +PARTITION +FROM +TO +OFFSETS$/m)
  expect(first.stdout).toMatch(/^20 records \(.* files\) into \S+ in [\d.]+ s/m)
  await produce(topic, 5, 20)
  const report = JSON.parse((await load(...args, '--json')).stdout) as { records: number }
  expect(report).toMatchObject({ records: 5, rejected: 0, rolledForward: 0 })
  expect((await load(...args)).stdout).toBe(`nothing new to load into ${dir}\n`)
  const values = (await loaded(dir, topic)) as { n: number }[]
  expect(values.map(({ n }) => n).sort((a, b) => a - b)).toEqual([...Array(25).keys()])
  expect(await readdir(join(dir, topic, 'dt=2026-01-31'))).toEqual(['hour=12'])
})

it('a dry run prints the plan and writes nothing', async () => {
  const [topic, dir] = [await topicWith(10, 1), await sandbox.directory()]
  const { code, stdout } = await load(topic, '--to', dir, '--dry-run', '--split-records', '5')
  expect(code).toBe(0)
  expect(stdout).toMatch(/ 0 +5 +5\n.* 5 +10 +5\n2 splits, 10 offsets to copy\n$/)
  expect(await readdir(dir)).toEqual([])
  const plan: unknown = JSON.parse((await load(topic, '--to', dir, '--dry-run', '--json')).stdout)
  expect(plan).toMatchObject({ offsets: 10, splits: [{ topic, partition: 0, from: 0, to: 10 }] })
})

it('writes plain files with envelopes, by the old name of --to', async () => {
  const [topic, dir] = [await topicWith(1, 1), await sandbox.directory()]
  const { code } = await load(topic, '--hdfs', dir, '--compression', 'none', '--envelope')
  expect(code).toBe(0)
  expect(await loaded(dir, topic)).toMatchObject([
    { topic, partition: 0, offset: 0, key: null, value: { n: 0 } },
  ])
})

it('says how many records were rejected', async () => {
  const [topic, dir] = [await topicWith(1, 1), await sandbox.directory()]
  await kfk(['produce', topic, '-q'], { env, input: 'no json\n' })
  const { code, stdout } = await load(topic, '--to', dir)
  expect(code).toBe(0)
  expect(stdout).toMatch(/^1 record .*\n1 record rejected: see _rejected/m)
})

it('shows its progress on a terminal', async () => {
  const [topic, dir] = [await topicWith(10), await sandbox.directory()]
  const run = new RunningCommand(['load', topic, '--to', dir], { env, isTTY: true })
  expect(await run.ended).toBe(0)
  expect(run.stderr.text).toContain('loading [')
})

it('a topic that there is not, and a target that cannot be, are exit code 1', async () => {
  const dir = await sandbox.directory()
  const missing = await load('missing', '--to', dir)
  expect(missing.code).toBe(1)
  expect(missing.stderr).toContain('missing')
  await writeFile(join(dir, 'file'), '')
  const target = await load(await topicWith(1), '--to', join(dir, 'file'))
  expect(target.code).toBe(1)
  expect(target.stderr).toContain(join(dir, 'file'))
})

it('Ctrl-C is exit code 130, and the next load goes on', async () => {
  const [topic, dir] = [await topicWith(10), await sandbox.directory()]
  const run = new RunningCommand(['load', topic, '--to', dir], { env })
  expect(await run.stop()).toBe(130)
  expect((await load(topic, '--to', dir)).code).toBe(0)
  expect(await loaded(dir, topic)).toHaveLength(10)
})

it('verify proves a load, and finds what is missing', async () => {
  const [topic, dir] = [await topicWith(10, 1), await sandbox.directory()]
  await load(topic, '--to', dir, '--time-field', 'time')
  const verify = (...args: string[]) => kfk(['verify', topic, '--to', dir, ...args])
  const sound = await verify()
  expect(sound.code).toBe(0)
  expect(sound.stdout).toMatch(/ 10 +0 +0 +0 +1 +\d+ B\nsound\n$/)
  expect((await verify('--checksums', '--brokers', env.KFK_BROKERS)).code).toBe(0)
  await produce(topic, 1, 10)
  const behind = await verify('--brokers', env.KFK_BROKERS)
  expect(behind.code).toBe(1)
  const hour = join(dir, topic, 'dt=2026-01-31', 'hour=12')
  const [name] = await readdir(hour)
  await rm(join(hour, name!))
  const broken = await verify()
  expect(broken.code).toBe(1)
  expect(broken.stdout).toMatch(new RegExp(`PROBLEM .*${topic}.* is missing`))
  expect(JSON.parse((await verify('--json')).stdout)).toMatchObject({ ok: false })
})
