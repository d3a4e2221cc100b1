// One round of one row: starts its clients, lets them work together, and says what they and the broker took.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { warmBytes } from './broker-pool.mjs'
import { isBare } from './brokers.mjs'
import { clients } from './clients.mjs'
import { nativeLoad } from './native.mjs'
import { usedBetween } from './proc.mjs'

/** Memory that a host has reclaimed costs ten microseconds a page at its first touch: that is paid before, not measured. */
const touchMb = 512

function touchMemory() {
  const code = `const kept = []; for (let n = 0; n < ${touchMb / 64}; n++) kept.push(Buffer.alloc(64 << 20, 1))`
  spawnSync(process.execPath, ['-e', code])
}

/** Takes the files below `dir` out of the page cache, once they are on disk. */
function evict(dir) {
  const files = fs
    .readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.log'))
    .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name))
  spawnSync('sync', ['-d', ...files])
  for (const file of files) spawnSync('dd', [`if=${file}`, 'iflag=nocache', 'count=0'])
}

/** What all roles of a row have in common. */
function jobOf(context, { client, broker, topic, params }) {
  const { share } = clients[client]
  const records = Math.max(1, Math.round(params.records * share))
  const warm = Math.round((warmBytes / params.valueBytes) * share)
  return {
    ...params,
    ...{ records, topic, broker: broker.name, address: broker.address, port: broker.port },
    warmRecords: Math.max(1, Math.min(records, warm)),
    warmTopic: context.warmTopic,
    dir: context.dir,
  }
}

/**
 * Runs jobs `[{ client, job }]` together, those that wait for records first. Answers the figures of each, and what each
 * process and the broker used.
 */
async function runTogether(context, broker, jobs) {
  const running = []
  let timer
  try {
    for (const { client, job } of jobs) {
      const profile = context.profiler?.fileFor(`${client} ${job.role}`)
      running.push(clients[client].start({ ...job, profile }))
    }
    await Promise.all(running.map((each) => each.ready()))
    touchMemory()
    const before = broker.usage()
    const residentMb = []
    timer = setInterval(() => residentMb.push(broker.usage()?.residentMb), 1000)
    const figures = await Promise.all(running.map((each) => each.run()))
    const used = { broker: usedBetween(before, broker.usage()) }
    figures.forEach((each, index) => {
      const { role } = jobs[index].job
      used[/consume/i.test(role) ? 'consumer' : 'producer'] ??= each.used
    })
    await Promise.all(running.map((each) => each.end()))
    return { figures, used, residentMb }
  } catch (error) {
    await Promise.all(running.map((each) => each.stop('SIGKILL')))
    throw error
  } finally {
    clearInterval(timer)
  }
}

const rateOf = ({ records, seconds }) => records / seconds
/** What processor time is told by: gigabytes of values. */
const gigabytesOf = (records, { valueBytes }) => (records * valueBytes) / 1e9

const besideBytes = 1e9

/** Somebody else who reads a topic of their own: from the page cache, or what is no longer in it. */
async function readerBeside(context, { broker, params }) {
  if (nativeLoad() === undefined) throw new Error('no C compiler (cc) here, which the reader needs')
  const records = Math.round(besideBytes / params.valueBytes)
  const row = { broker, params: { ...params, records }, client: 'c' }
  const topic = await context.pool.createTopic(broker, row.params)
  await fill(context, { ...row, topic })
  if (params.beside === 'cold') evict(broker.dataDir)
  return { client: 'c', job: { ...jobOf(context, { ...row, topic }), role: 'consume' } }
}

const kinds = {
  async produce(context, row) {
    const job = { ...jobOf(context, row), role: 'produce' }
    const { figures, used } = await runTogether(context, row.broker, [{ client: row.client, job }])
    const [{ records }] = figures
    return { value: rateOf(figures[0]), used, amount: gigabytesOf(records, row.params) }
  },

  async consume(context, row) {
    if (row.params.tier === 'cold') evict(row.broker.dataDir)
    const job = { ...jobOf(context, row), role: 'consume' }
    const { figures, used } = await runTogether(context, row.broker, [{ client: row.client, job }])
    const [{ records }] = figures
    return { value: rateOf(figures[0]), used, amount: gigabytesOf(records, row.params) }
  },

  /** The value is what one consumer gets, the slowest; the producer's rate stands beside it. */
  async both(context, row) {
    const job = jobOf(context, row)
    const readers = Array.from({ length: row.params.consumers }, () => ({
      client: row.client,
      job: { ...job, role: 'consume', live: true },
    }))
    const jobs = [...readers, { client: row.client, job: { ...job, role: 'produce' } }]
    const { figures, used } = await runTogether(context, row.broker, jobs)
    const produced = figures.pop()
    const value = Math.min(...figures.map(rateOf))
    return {
      value,
      producedPerSecond: rateOf(produced),
      used,
      amount: gigabytesOf(job.records, row.params),
    }
  },

  async latency(context, row) {
    const job = { ...jobOf(context, row), patience: (row.params.seconds + 120) * 1000 }
    const jobs = ['pacedConsume', 'pacedProduce'].map((role) => ({
      client: row.client,
      job: { ...job, role },
    }))
    if (row.params.beside) jobs.push(await readerBeside(context, row))
    const { figures, used, residentMb } = await runTogether(context, row.broker, jobs)
    const [{ p50Us, p99Us, p999Us, maxUs }, produced] = figures
    const keptUp = rateOf(produced) / row.params.rate
    const amount = produced.seconds
    return { value: p99Us, p50Us, p99Us, p999Us, maxUs, keptUp, used, amount, residentMb }
  },

  async requests(context, row) {
    const job = { ...jobOf(context, row), role: 'produce' }
    const { figures, used } = await runTogether(context, row.broker, [{ client: row.client, job }])
    const [{ requests, seconds, p50Us, p99Us }] = figures
    return { value: requests / seconds, p50Us, p99Us, used, amount: requests / 1e6 }
  },
}
kinds.soak = kinds.latency

/**
 * `row` is { client, broker, topic, params }; the answer has `value` in the unit of the case and `amount`, by which
 * processor time is told: gigabytes of values, millions of requests, or at a fixed rate seconds.
 */
export function measure(context, kind, row) {
  return kinds[kind](context, row)
}

/** Writes what a case is to read: enough for the client that reads most. */
export async function fill(context, row) {
  const { name, dataDir } = row.broker
  if (isBare(name)) {
    const { records, valueBytes } = row.params
    fs.writeFileSync(path.join(dataDir, 'bytes'), Buffer.alloc(records * (valueBytes + 10), 1))
    return
  }
  const common = jobOf(context, { ...row, client: 'kfk' })
  const job = { ...common, role: 'produce', acks: 'all', warmRecords: 1 }
  await runTogether({ ...context, profiler: undefined }, row.broker, [{ client: 'kfk', job }])
}
