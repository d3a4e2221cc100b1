// The clients that are measured: which there are, why one cannot run here, and how each is started.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { root } from '../../lib/project.mjs'
import { confluentDir, isBare, kafkaClassPath, kafkaMissing } from './brokers.mjs'
import { startClient } from './child.mjs'
import {
  fetchFrames,
  fetchOffsetAt,
  produceFrames,
  recordsPerBatch,
  writeFrames,
} from './frames.mjs'
import { startJavaTool } from './java-tools.mjs'
import { nativeLoad } from './native.mjs'

const file = (name) => fileURLToPath(new URL(`clients/${name}`, import.meta.url))

/** `way`: how our consumer is read. */
const inNode = (client, way) => (job) =>
  startClient({
    name: `${client} ${job.role}`,
    file: process.execPath,
    args: [file('worker.mjs'), JSON.stringify({ ...job, client, way })],
    patience: job.patience,
  })

function confluentMissing() {
  const env = { ...process.env, PYTHONPATH: confluentDir }
  const tried = spawnSync('python3', ['-c', 'import confluent_kafka'], { env })
  return tried.status === 0
    ? undefined
    : 'python3 cannot import confluent_kafka (node scripts/install-peers.mjs)'
}

const startConfluent = (job) =>
  startClient({
    name: `confluent ${job.role}`,
    file: 'python3',
    args: [file('confluent.py'), JSON.stringify(job)],
    env: { PYTHONPATH: confluentDir },
  })

function startJava(job) {
  if (!job.role.startsWith('paced')) return startJavaTool(job)
  const { address, topic, partitions, valueBytes, rate, warmSeconds, seconds } = job
  const numbers = [partitions, valueBytes, rate, warmSeconds, seconds]
  const jvm = ['-Xms512m', '-Xmx512m', '-Dorg.slf4j.simpleLogger.defaultLogLevel=error']
  const warm = [job.warmCalls, job.warmMs]
  const args = [job.role, address, topic, ...numbers, Boolean(job.idle), ...warm]
  return startClient({
    name: `java ${job.role}`,
    file: 'java',
    args: [...jvm, '-cp', kafkaClassPath, file('Latency.java'), ...args.map(String)],
    patience: job.patience,
  })
}

/** The load program: `connections`, `inFlight` and `perBatch` of a job are for it alone. */
function startNative(job) {
  const frames = path.join(job.dir, `frames-${process.hrtime.bigint()}`)
  const raw = isBare(job.broker)
  const command =
    job.role === 'produce' ? nativeProduce(job, frames, raw) : nativeFetch(job, frames, raw)
  const args = command.map(String)
  const child = startClient({ name: `c ${job.role}`, file: nativeLoad(), args })
  const records = (figures) => {
    if (job.role === 'produce') return figures.requests * perBatchOf(job)
    return raw ? Math.round(figures.bytes / (job.valueBytes + 10)) : figures.records
  }
  return {
    ...child,
    async run() {
      const figures = await child.run()
      fs.rmSync(frames)
      return { ...figures, records: records(figures) }
    },
  }
}

const perBatchOf = ({ perBatch, valueBytes }) => perBatch ?? recordsPerBatch(valueBytes)

function nativeProduce(job, frames, raw) {
  const perBatch = perBatchOf(job)
  writeFrames(frames, produceFrames({ ...job, perBatch }))
  const requests = Math.ceil(job.records / perBatch)
  const check = job.acks === '0' ? -1 : raw ? 0 : 1
  return ['produce', job.port, frames, job.connections ?? 1, job.inFlight ?? 5, requests, check]
}

function nativeFetch(job, frames, raw) {
  const list = fetchFrames({ ...job, raw })
  writeFrames(frames, list)
  const offsetAt = fetchOffsetAt(list[0], raw ? 1 : Math.ceil(job.partitions / list.length))
  const amount = raw ? job.records * (job.valueBytes + 10) : job.records
  const topicBytes = raw ? 0 : job.topic.length
  return ['fetch', job.port, frames, amount, offsetAt, topicBytes, job.passes ?? 1]
}

const installed = (name) => () =>
  fs.existsSync(path.join(root, 'node_modules', name)) ? undefined : `no ${name} in node_modules`
const nativeMissing = () => (nativeLoad() ? undefined : 'no C compiler (cc) here')

/**
 * `missing` says why a client cannot run; `share` is the part of the records that it is given, so that slow ones do not
 * take all the time.
 */
export const clients = {
  kfk: { start: inNode('kfk'), missing: () => undefined, share: 1 },
  'kfk-callback': { start: inNode('kfk', 'callback'), missing: () => undefined, share: 1 },
  'kfk-typed': { start: inNode('typed'), missing: () => undefined, share: 1 },
  'kfk-each': { start: inNode('kfk', 'each'), missing: () => undefined, share: 1 },
  c: { start: startNative, missing: nativeMissing, share: 1 },
  raw: { start: startNative, missing: nativeMissing, share: 1 },
  java: { start: startJava, missing: kafkaMissing, share: 1 },
  confluent: { start: startConfluent, missing: confluentMissing, share: 0.25 },
  platformatic: {
    start: inNode('platformatic'),
    missing: installed('@platformatic/kafka'),
    share: 0.15,
  },
  node: { start: inNode('node'), missing: () => undefined, share: 1 },
  kafkajs: { start: inNode('kafkajs'), missing: installed('kafkajs'), share: 0.1 },
}
