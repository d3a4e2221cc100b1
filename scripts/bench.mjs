// npm run bench [-- --quick --rounds N --only NAME]: throughput, start-up, memory and package sizes, as a table and out/bench.json.
// npm run bench -- log-store [--quick --rounds N --only SCENARIO --dir PATH]: the log store alone, as ratios to the same I/O
// in C (bench/log-store/suite.mjs).
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { ensureBuilt, ensureInstalled, fail, root } from './lib/project.mjs'
import { packageSizes } from './bench/package-sizes.mjs'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    only: { type: 'string' },
    dir: { type: 'string' },
  },
})
const rounds = Number(values.rounds ?? (values.quick ? 2 : 5))
if (!(rounds >= 1)) fail('--rounds takes a number')
const suites = {
  'log-store': async () => {
    const { benchLogStore } = await import('./bench/log-store/suite.mjs')
    await benchLogStore({ ...values, rounds })
  },
}
if (positionals.length > 0) {
  const suite = Object.hasOwn(suites, positionals[0]) ? suites[positionals[0]] : undefined
  if (suite === undefined) fail(`the suites are: ${Object.keys(suites).join(', ')}`)
  await suite()
  process.exit(0)
}
ensureInstalled()
ensureBuilt()

const kfk = path.join(root, 'packages/cli/dist/bin.js')
const worker = path.join(root, 'scripts/bench/worker.mjs')

/** Volume is small on purpose: the first touch of fresh page cache is what varies most on virtual machines. */
const sizes = [
  {
    valueBytes: 100,
    records: values.quick ? 500_000 : 2_000_000,
    slowRecords: values.quick ? 50_000 : 200_000,
  },
  {
    valueBytes: 1000,
    records: values.quick ? 100_000 : 400_000,
    slowRecords: values.quick ? 20_000 : 60_000,
  },
]
const clients = ['kfk', 'kafkajs']

function node(args) {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', (chunk) => (text += chunk))
  return { child, text: () => text }
}

/** Runs one worker to its end: what it measured, and the CPU seconds and memory of its process. */
async function run(...args) {
  const { child, text } = node([worker, ...args.map(String)])
  const [code] = await once(child, 'exit')
  if (code !== 0) fail(`${args.join(' ')} failed (exit code ${code})`)
  return JSON.parse(text().trim().split('\n').at(-1))
}

async function startBroker(dir, durability) {
  const started = process.hrtime.bigint()
  const { child, text } = node([
    kfk,
    'broker',
    '--port',
    '0',
    '--data-dir',
    dir,
    '--durability',
    durability,
  ])
  while (!/listening on (\S+:\d+)/.test(text())) {
    if (child.exitCode !== null) fail(`the broker ended: ${text()}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  const address = /listening on (\S+:\d+)/.exec(text())[1]
  const upMs = Number(process.hrtime.bigint() - started) / 1e6
  const stop = async () => {
    child.kill('SIGTERM')
    await once(child, 'exit')
  }
  return { address, pid: child.pid, upMs, stop }
}

const rssMb = (pid) =>
  Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024
const results = {
  machine: `${os.cpus().length} x ${os.cpus()[0].model}, Node ${process.version}`,
  rounds,
  figures: {},
}
const note = (name, value) => (results.figures[name] ??= []).push(value)

async function round(durability) {
  for (const { valueBytes, records, slowRecords } of sizes) {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'kfk-bench-'))
    const broker = await startBroker(dir, durability)
    for (const client of clients) {
      const count = client === 'kfk' ? records : slowRecords
      const topic = `${client}-${valueBytes}`
      const name = (what) => `${what} ${valueBytes} B, ${client}, durability ${durability}`
      const produced = await run('produce', client, broker.address, topic, count, valueBytes)
      note(name('produce'), produced)
      const consumed = await run('consume', client, broker.address, topic, count, valueBytes)
      note(name('consume'), consumed)
    }
    note(`broker memory after ${valueBytes} B, durability ${durability}`, { mb: rssMb(broker.pid) })
    await broker.stop()
    fs.rmSync(dir, { recursive: true })
  }
}

async function startUp() {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'kfk-bench-'))
  note(
    'createBroker() to first acknowledged record',
    await run('start', path.join(dir, 'embedded')),
  )
  const broker = await startBroker(path.join(dir, 'process'), 'disk')
  note('kfk broker to "listening"', { ms: broker.upMs })
  note('broker memory, idle', { mb: rssMb(broker.pid) })
  await broker.stop()
  fs.rmSync(dir, { recursive: true })
}

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)]
const range = (list, digits = 0) => {
  const show = (value) =>
    value.toLocaleString('en-US', { maximumFractionDigits: digits, minimumFractionDigits: digits })
  return `${show(median(list)).padStart(11)}  [${show(Math.min(...list))} .. ${show(Math.max(...list))}]`
}

const wanted = (name) => values.only === undefined || values.only === name
for (let index = 0; index < rounds; index++) {
  process.stderr.write(`round ${index + 1} of ${rounds}\r`)
  if (wanted('start')) await startUp()
  if (wanted('throughput')) for (const durability of ['disk', 'os']) await round(durability)
}
if (wanted('sizes')) results.packages = packageSizes()

console.log(
  `${results.machine}; median [min .. max] of ${rounds} rounds, each process on its own\n`,
)
for (const [name, list] of Object.entries(results.figures)) {
  const first = list[0]
  if ('perSecond' in first) {
    const rates = range(list.map((each) => each.perSecond))
    const megabytes = median(list.map((each) => each.mbPerSecond)).toFixed(0)
    const cpu = median(list.map((each) => each.cpuSecondsPerGb)).toFixed(2)
    console.log(
      `${name.padEnd(46)} ${rates.padEnd(44)} records/s  ${megabytes.padStart(5)} MB/s  client ${cpu} CPU s/GB`,
    )
  } else if ('ms' in first) {
    console.log(
      `${name.padEnd(46)} ${range(
        list.map((each) => each.ms),
        1,
      ).padEnd(44)} ms`,
    )
  } else {
    console.log(
      `${name.padEnd(46)} ${range(
        list.map((each) => each.mb),
        1,
      ).padEnd(44)} MB`,
    )
  }
}
for (const { name, kb, dependencies } of results.packages ?? []) {
  console.log(
    `${name.padEnd(46)} ${String(kb).padStart(11)} kB tarball, ${dependencies} packages installed with it`,
  )
}
fs.mkdirSync(path.join(root, 'out'), { recursive: true })
fs.writeFileSync(path.join(root, 'out/bench.json'), JSON.stringify(results, null, 2))
