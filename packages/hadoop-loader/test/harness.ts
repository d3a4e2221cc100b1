/** A broker in memory of the test's process, records in it, and what is found in a target afterwards. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { createBroker, type Broker } from '@kfk/broker'
import { createAdmin, createClient, type Client } from '@kfk/client'
import { createProducer, type ProducerRecord } from '@kfk/producer'
import type { Target } from '../src/target.js'

export interface Cluster {
  readonly broker: Broker
  readonly client: Client
  /** Makes the topic, and appends the records to the partitions they name (0 by default). */
  fill(topic: string, records: readonly ProducerRecord[], partitions?: number): Promise<void>
  close(): Promise<void>
}

export async function startCluster(): Promise<Cluster> {
  const dataDir = await temporaryDirectory()
  const broker = await createBroker({ dataDir, listen: false, durability: 'os' })
  const client = createClient({ broker })
  const producer = createProducer({ broker })
  return {
    broker,
    client,
    async fill(topic, records, partitions = 1) {
      const admin = createAdmin({ client })
      await admin.createTopics([{ name: topic, partitions }], { ifNotExists: true })
      const placed = records.map((record) => ({ ...record, partition: record.partition ?? 0 }))
      await producer.send(topic, placed)
    },
    async close() {
      await producer.close()
      await client.close()
      await broker.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

const made: string[] = []

export async function temporaryDirectory(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'kfk-loader-'))
  made.push(dir)
  return dir
}

export async function removeTemporaryDirectories(): Promise<void> {
  await Promise.all(made.splice(0).map((dir) => rm(dir, { recursive: true, force: true })))
}

/** `count` page views, `stepMs` of event time apart. */
export function views(
  count: number,
  { startMs = Date.UTC(2026, 4, 17, 10), stepMs = 1000, first = 0, partitions = 1 } = {},
): ProducerRecord[] {
  return Array.from({ length: count }, (_, index) => {
    const n = first + index
    const time = new Date(startMs + index * stepMs).toISOString()
    return { partition: n % partitions, value: JSON.stringify({ n, time }) }
  })
}

/** Paths of all files of a target, sorted. */
export async function filesOf(target: Target, dir?: string): Promise<string[]> {
  const roots = dir === undefined ? await topLevel(target) : [dir]
  const found: string[] = []
  for (const root of roots) {
    for (const { name, isDirectory } of await target.list(root)) {
      const path = `${root}/${name}`
      if (isDirectory) found.push(...(await filesOf(target, path)))
      else found.push(path)
    }
  }
  return found.sort()
}

/** Topics of a target, by its manifests, and what the loader keeps for itself. */
async function topLevel(target: Target): Promise<string[]> {
  const topics = await target.list('_kfk')
  return ['_kfk', ...topics.map(({ name }) => name).filter((name) => name !== 'tmp')]
}

/** Final data files of a topic: what a job over the topic's directory reads. */
export async function dataFiles(target: Target, topic: string): Promise<string[]> {
  const all = await filesOf(target, topic)
  return all.filter((path) => !/\/[_.]/.test(path))
}

export async function linesOf(target: Target, path: string): Promise<string[]> {
  const bytes = await bytesOf(target, path)
  const text = (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString()
  return text.split('\n').slice(0, -1)
}

/** Lines of all final files of a topic. */
export async function loadedLines(target: Target, topic: string): Promise<string[]> {
  const files = await dataFiles(target, topic)
  const lines = await Promise.all(files.map((path) => linesOf(target, path)))
  return lines.flat()
}

/** Numbers of the loaded records, sorted; a record twice is a number twice. */
export async function loadedNumbers(target: Target, topic: string): Promise<number[]> {
  const lines = await loadedLines(target, topic)
  return lines.map((line) => (JSON.parse(line) as { n: number }).n).sort((a, b) => a - b)
}

export function numbers(count: number, first = 0): number[] {
  return Array.from({ length: count }, (_, index) => first + index)
}

export async function bytesOf(target: Target, path: string): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of target.read(path)) chunks.push(chunk)
  return Buffer.concat(chunks)
}
