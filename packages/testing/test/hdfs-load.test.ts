// Loads into a real HDFS, killed and crowded: after each kill no record is twice among the final files, after the next
// complete load every record is there exactly once. The loads that are killed run from the built packages.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { createBroker, type Broker } from '@kfk/broker'
import { createClient, seededRandom, type Client } from '@kfk/client'
import {
  runLoad,
  verifyLoad,
  webHdfsTarget,
  type LoadReport,
  type Target,
} from '@kfk/hadoop-loader'
import { createProducer, type Producer } from '@kfk/producer'
import { peers, runProcess, startHdfs, withPeer, type Finished, type Hdfs } from '../src/index'

const worker = path.resolve(__dirname, '../fixtures/loader/load-and-die.mjs')
/** Which points the loads are killed at. */
const seed = Number(process.env.KFK_SEED ?? 20)
const kills = process.env['KFK_PROOFS'] === 'full' ? 20 : 5
const partitions = 4

withPeer(peers.hdfs(), 'loads into a real HDFS', () => {
  let hdfs: Hdfs
  let broker: Broker
  let client: Client
  let producer: Producer
  let dataDir: string
  beforeAll(async () => {
    dataDir = fs.mkdtempSync(path.join(os.tmpdir(), 'kfk-hdfs-load-'))
    hdfs = await startHdfs()
    const config = { 'num.partitions': String(partitions) }
    broker = await createBroker({ dataDir, port: 0, durability: 'os', config })
    client = createClient({ broker })
    producer = createProducer({ broker })
  })
  afterAll(async () => {
    await producer.close()
    await client.close()
    await broker.close()
    await hdfs.stop()
    fs.rmSync(dataDir, { recursive: true })
  })

  /** Appends numbered events, a minute apart, to all partitions. */
  async function append(topic: string, first: number, count: number): Promise<void> {
    const events = Array.from({ length: count }, (_, index) => {
      const n = first + index
      const time = new Date(Date.UTC(2026, 4, 17) + n * 20_000).toISOString()
      return { partition: n % partitions, value: JSON.stringify({ n, time }) }
    })
    await producer.send(topic, events)
  }

  function loadInChild(settings: object) {
    const env = { KFK_LOAD: JSON.stringify({ brokers: broker.brokers, ...settings }) }
    return runProcess(process.execPath, [worker], { env })
  }

  test(`killed ${kills} times at random points`, async () => {
    const topic = 'killed'
    const url = `${hdfs.nameNode}/killed`
    const target = webHdfsTarget({ url })
    const settings = { url, topics: [topic], splitRecords: 40 }
    const random = seededRandom(seed)
    let appended = 0
    let killed = 0
    for (let round = 0; killed < kills; round++) {
      expect(round).toBeLessThan(3 * kills)
      await append(topic, appended, 200)
      appended += 200
      const when = ['before', 'during', 'after'][Math.floor(random() * 3)]!
      const killAt = 1 + Math.floor(random() * 110)
      const { signal, stderr } = await loadInChild({ ...settings, killAt, when })
      expect(stderr).toBe('')
      if (signal === 'SIGKILL') killed += 1
      const found = await loadedNumbers(target, topic)
      expect({ round, killAt, when, twice: found.length - new Set(found).size }).toMatchObject({
        twice: 0,
      })
    }
    const report = await runLoad({ client, topics: [topic], target, timeField: 'time' })
    expect(report.records).toBeLessThanOrEqual(appended)
    expect(await loadedNumbers(target, topic)).toEqual(upTo(appended))
    const verified = await verifyLoad({ client, topics: [topic], target, checksums: true })
    expect(verified).toMatchObject({ problems: [], topics: [{ records: appended }] })
  }, 240_000)

  test('two loads of one topic at once, in two processes', async () => {
    const topic = 'crowded'
    const url = `${hdfs.nameNode}/crowded`
    const target = webHdfsTarget({ url })
    await append(topic, 0, 1000)
    const settings = { url, topics: [topic], splitRecords: 50 }
    const both = await Promise.all([loadInChild(settings), loadInChild(settings)])
    expect(both.map(({ code, stderr }) => ({ code, stderr }))).toEqual([
      { code: 0, stderr: '' },
      { code: 0, stderr: '' },
    ])
    const reports = both.map(({ stdout }) => JSON.parse(stdout) as LoadReport)
    expect(reports[0]!.records + reports[1]!.records).toBe(1000)
    expect(await loadedNumbers(target, topic)).toEqual(upTo(1000))
    const verified = await verifyLoad({ client, topics: [topic], target, checksums: true })
    expect(verified).toMatchObject({ problems: [], topics: [{ records: 1000 }] })
  })

  test('HDFS goes away half-way and comes back', async () => {
    const topic = 'interrupted'
    const target = webHdfsTarget({ url: `${hdfs.nameNode}/interrupted`, retries: 1 })
    await append(topic, 0, 1000)
    const load = { client, topics: [topic], target, timeField: 'time', splitRecords: 50 }
    let commits = 0
    const hooks = {
      async at(point: string): Promise<void> {
        if (point === 'committed' && (commits += 1) === 3) await hdfs.kill()
      },
    }
    await expect(runLoad({ ...load, hooks })).rejects.toMatchObject({
      code: 'KFK_LOADER_NO_TARGET',
      retriable: true,
      message: expect.stringMatching(/load again: it goes on where it was/),
    })
    await hdfs.start()
    const { rolledForward } = await runLoad(load)
    expect(rolledForward).toBeGreaterThan(0)
    expect(await loadedNumbers(target, topic)).toEqual(upTo(1000))
    expect(await verifyLoad({ ...load, checksums: true })).toMatchObject({ problems: [] })
  })

  test('HDFS restarts while a load waits for it', async () => {
    const topic = 'patient'
    const target = webHdfsTarget({ url: `${hdfs.nameNode}/patient`, retries: 40 })
    await append(topic, 0, 400)
    const load = { client, topics: [topic], target, timeField: 'time', splitRecords: 50 }
    let restarted: Promise<void> | undefined
    const hooks = {
      at(point: string): void {
        if (point === 'committed') restarted ??= hdfs.kill().then(() => hdfs.start())
      },
    }
    expect(await runLoad({ ...load, hooks })).toMatchObject({ records: 400 })
    await restarted
    expect(await loadedNumbers(target, topic)).toEqual(upTo(400))
    expect(await verifyLoad({ ...load, checksums: true })).toMatchObject({ problems: [] })
  })

  test("Hadoop's own tools read what was loaded", async () => {
    const topic = 'read-by-hadoop'
    const target = webHdfsTarget({ url: `${hdfs.nameNode}/tools` })
    await append(topic, 0, 500)
    await runLoad({ client, topics: [topic], target, timeField: 'time' })
    const text: Finished = await hdfs.dfs('-text', `/tools/${topic}/dt=*/hour=*/*`)
    expect(text.code).toBe(0)
    // Hadoop's own warnings go to the same stream.
    const lines = text.stdout.split('\n').filter((line) => line.startsWith('{'))
    const found = lines.map((line) => (JSON.parse(line) as { n: number }).n)
    expect(found.sort((a, b) => a - b)).toEqual(upTo(500))
  })
})

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n)
}

/** Numbers of the events in all final files of a topic, sorted. */
async function loadedNumbers(target: Target, topic: string): Promise<number[]> {
  const found: number[] = []
  const visit = async (dir: string): Promise<void> => {
    for (const { name, isDirectory } of await target.list(dir)) {
      if (/^[_.]/.test(name)) continue
      if (isDirectory) await visit(`${dir}/${name}`)
      else found.push(...(await numbersIn(target, `${dir}/${name}`)))
    }
  }
  await visit(topic)
  return found.sort((a, b) => a - b)
}

async function numbersIn(target: Target, file: string): Promise<number[]> {
  const chunks: Uint8Array[] = []
  for await (const chunk of target.read(file)) chunks.push(chunk)
  const lines = gunzipSync(Buffer.concat(chunks)).toString().trimEnd().split('\n')
  return lines.map((line) => (JSON.parse(line) as { n: number }).n)
}
