// npm run bench: broker and clients beside their peers, doing the same work in the same run. Every process is one of its own;
// the rows of a case take turns within a round, so that all meet the machine in the same mood.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { root } from '../../lib/project.mjs'
import { judgeAims } from './aims.mjs'
import { kafkaMissing } from './brokers.mjs'
import { BrokerPool } from './broker-pool.mjs'
import { allCases, chooseCases, soakCase } from './cases.mjs'
import { clients } from './clients.mjs'
import { recordsPerBatch } from './frames.mjs'
import { fill, measure } from './measure.mjs'
import { nativeLoad } from './native.mjs'
import { createProfiler } from './profiles.mjs'
import { plotResults } from './plot.mjs'
import { formatAims, formatCase } from './table.mjs'

const budgetBytes = { normal: 300e6, quick: 60e6 }

/** Small volumes on purpose: the first touch of fresh page cache is what varies most on virtual machines. */
function recordsOf({ kind, params }, quick) {
  if (params.requests) return params.requests * recordsPerBatch(params.valueBytes)
  if (kind === 'requests') {
    const requests = params.durability === 'disk' ? 20_000 : 100_000
    return Math.round(Math.min(requests, params.connections * 20_000) / (quick ? 4 : 1))
  }
  // What a tail cache holds, read many times over.
  const bytes = params.tier === 'hot' ? 16e6 : budgetBytes[quick ? 'quick' : 'normal']
  const perFile = params.durability === 'disk' && params.partitions >= 100 ? 0.3 : 1
  return Math.round((bytes * perFile) / params.valueBytes)
}

function completed(each, quick) {
  const extra = each.params.tier === 'hot' ? { passes: quick ? 5 : 20 } : {}
  const shorter =
    quick && each.kind === 'latency' ? { seconds: 2, warmCalls: 3000, warmMs: 2000 } : {}
  const records = recordsOf(each, quick)
  return { ...each, params: { ...each.params, ...extra, ...shorter, records } }
}

/** What cannot run here, with the reason, said once. */
function sayMissing(cases) {
  const missing = new Map()
  const reason = (side) => {
    if (side === 'kafka') return kafkaMissing()
    if (side === 'raw') return nativeLoad() ? undefined : 'no C compiler (cc) here'
    return clients[side]?.missing()
  }
  for (const side of new Set(cases.flatMap(({ rows }) => rows.flatMap((row) => row.split('>'))))) {
    const why = reason(side)
    if (why !== undefined) missing.set(side, why)
  }
  for (const [side, why] of missing) console.log(`left out: ${side}: ${why}`)
  return cases.map((each) => ({
    ...each,
    rows: each.rows.filter((row) => !row.split('>').some((side) => missing.has(side))),
  }))
}

/** What is being done, on one line of a terminal. */
function tell(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}

async function runCase(context, each) {
  const topics = new Map()
  const rounds = new Map(each.rows.map((row) => [row, []]))
  const failures = new Map()
  const topicOf = async (own, row) => {
    const { broker } = row
    if (each.kind !== 'consume') return context.pool.createTopic(broker, each.params)
    if (!topics.has(broker)) {
      const topic = await context.pool.createTopic(broker, each.params)
      await fill(own, { ...row, topic })
      topics.set(broker, topic)
    }
    return topics.get(broker)
  }
  for (let round = 0; round < context.rounds; round++) {
    const turns = each.rows.map((_, at) => each.rows[(at + round) % each.rows.length])
    for (const name of turns.filter((row) => !failures.has(row))) {
      const [client, brokerName] = name.split('>')
      tell(`${each.name}: round ${round + 1}, ${name}`)
      try {
        const broker = await context.pool.get(brokerName, each.params)
        const warmTopic = await context.pool.warmTopic(broker, each.params)
        const row = { client, broker, params: each.params }
        const own = { ...context, warmTopic }
        const topic = await topicOf(own, row)
        rounds.get(name).push(await measure(own, each.kind, { ...row, topic }))
        if (each.kind !== 'consume') await context.pool.deleteTopic(broker, topic)
      } catch (error) {
        // One client that cannot do a case must not end the run: its row says what happened.
        failures.set(name, error.message.split('\n').slice(0, 6).join(' | ').slice(0, 400))
      }
    }
  }
  tell('')
  await context.pool.restartOurs()
  const { name, kind, unit, params } = each
  const rows = each.rows.map((row) => ({
    row,
    rounds: rounds.get(row),
    failure: failures.get(row),
  }))
  return { name, kind, unit, params, rows }
}

/** Runs what `options` (options.mjs) ask for; prints the table and writes out/bench.json and out/bench.svg. */
export async function benchCluster(options) {
  const cases = options.soak === undefined ? allCases() : [soakCase(options.soak)]
  if (options.list)
    return cases.forEach(({ name, rows }) => console.log(`${name}: ${rows.join(', ')}`))
  const wanted = { ...options, only: options.soak === undefined ? options.only : [] }
  const chosen = sayMissing(
    chooseCases(cases, { ...wanted, quick: options.quick && !options.soak }),
  )
  if (chosen.length === 0) throw new Error('no case has such a name: see --list')
  const dir = fs.mkdtempSync(path.join(options.dir ?? os.tmpdir(), 'kfk-bench-'))
  process.on('exit', () => fs.rmSync(dir, { recursive: true, force: true }))
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130))
  const profiler = options.profile ? createProfiler(path.join(root, 'out/profiles')) : undefined
  const pool = new BrokerPool(dir, profiler)
  const context = { dir, pool, profiler, rounds: options.rounds }
  const machine = `${os.cpus().length} x ${os.cpus()[0].model}, Node ${process.version}`
  const load = os.loadavg()[0].toFixed(1)
  console.log(`${machine}, load ${load}; median [min .. max] of ${options.rounds} rounds`)
  const results = { machine, date: new Date().toISOString(), rounds: options.rounds, cases: [] }
  try {
    for (const each of chosen) {
      const done = await runCase(context, completed(each, options.quick))
      results.cases.push(done)
      console.log(`\n${formatCase(done)}`)
    }
    results.idleMb = pool.idleMb
  } finally {
    await pool.close()
    fs.rmSync(dir, { recursive: true, force: true })
  }
  results.aims = judgeAims(results)
  console.log(`\n${formatAims(results)}`)
  profiler?.print()
  write('out/bench.json', JSON.stringify(results, null, 2))
  write('out/bench.svg', plotResults(results))
}

function write(name, text) {
  fs.mkdirSync(path.join(root, 'out'), { recursive: true })
  fs.writeFileSync(path.join(root, name), text)
  console.log(`${name} is written`)
}
