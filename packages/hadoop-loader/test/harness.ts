/** A broker in memory of the test's process, records in it, and what is found in a target afterwards. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
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

/** Paths of all files below a directory, sorted. */
export async function filesBelow(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
    .sort()
}

/** Final data files of a topic: what a job over the topic's directory reads. */
export async function dataFiles(dir: string, topic: string): Promise<string[]> {
  const hidden = /(^|\/)[_.]/
  const all = await filesBelow(dir).catch(() => [])
  return all.filter((path) => path.startsWith(`${topic}/`) && !hidden.test(path))
}

export async function linesOf(dir: string, path: string): Promise<string[]> {
  const bytes = await readFile(join(dir, path))
  const text = (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString()
  return text.split('\n').slice(0, -1)
}

/** The JSON values of all final files of a topic. */
export async function loadedValues<T = { n: number }>(dir: string, topic: string): Promise<T[]> {
  const files = await dataFiles(dir, topic)
  const lines = await Promise.all(files.map((path) => linesOf(dir, path)))
  return lines.flat().map((line) => JSON.parse(line) as T)
}

/** Numbers of the loaded records, sorted; a record twice is a number twice. */
export async function loadedNumbers(dir: string, topic: string): Promise<number[]> {
  const values = await loadedValues(dir, topic)
  return values.map(({ n }) => n).sort((a, b) => a - b)
}

export function numbers(count: number, first = 0): number[] {
  return Array.from({ length: count }, (_, index) => first + index)
}

export async function textOf(target: Target, path: string): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of target.read(path)) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}
