// npm run bench -- log-store: what the log store reaches of what the machine gives. Every file of scenarios/ is one
// scenario with one or more cases. A case is measured in a process of its own, in turn with the same I/O done by the
// baseline program (raw-io.mjs), so that both meet the machine in the same mood; a ratio is taken within a round.
//
// A scenario is `export default { name, cases(context) }`; a case has
//   name, figures: [{ key, label?, unit, aim?, against? }], against: a key of the baseline's figures, or 'bare'
//   prepare?(context)   once, in its own process: makes `context.dir`; its answer is `context.fixture` from then on
//   measure(context)    each round, in its own process: the figures by key, or { notAvailable: reason }
//   env                 environment of its processes, besides that of this one
//   baseline?(context)  arguments of the baseline program for the same I/O
//   bare?(context)      each round, in its own process: the figures of the least that Node needs for it (bare-node.mjs),
//                       for figures with `against: 'bare'`
// `context` is { dir, quick, fixture }.
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { ensureInstalled, fail, root } from '../../lib/project.mjs'
import { bundlePackages } from './bundle.mjs'
import { rawIo } from './raw-io.mjs'
import { formatRow } from './table.mjs'

const here = path.dirname(fileURLToPath(import.meta.url))
const scenariosDir = path.join(here, 'scenarios')

async function loadScenarios(only) {
  const names = fs.readdirSync(scenariosDir).filter((name) => name.endsWith('.mjs'))
  const chosen = names.filter((name) => only === undefined || name === `${only}.mjs`)
  if (chosen.length === 0) {
    fail(`--only takes one of: ${names.map((name) => name.slice(0, -4)).join(', ')}`)
  }
  return Promise.all(
    chosen.sort().map(async (name) => {
      const file = pathToFileURL(path.join(scenariosDir, name)).href
      return { file, ...(await import(file)).default }
    }),
  )
}

/** Runs one phase of a case; answers what it printed last. */
async function runPhase({ scenario, each, context }, phase) {
  const args = [path.join(here, 'measure.mjs'), scenario.file, each.name, phase]
  const profile = process.env['KFK_BENCH_NODE_ARGS']?.split(' ') ?? []
  const child = spawn(process.execPath, [...profile, '--expose-gc', ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, ...each.env },
  })
  let text = ''
  child.stdout.on('data', (chunk) => (text += chunk))
  child.stdin.end(JSON.stringify(context))
  const code = await new Promise((resolve) => child.on('close', resolve))
  if (code !== 0) fail(`${each.name}, ${phase} failed (exit code ${code})`)
  return JSON.parse(text.trim().split('\n').at(-1))
}

/** One case of one round: ours and the baseline, who begins alternates. */
async function runRound(job, raw, round) {
  const { each, context } = job
  const own = async () => job.own.push(await runPhase(job, 'measure'))
  const base = () => {
    const args = each.baseline?.(context)
    job.raw.push(args === undefined ? undefined : raw.run(args))
  }
  if (round % 2 === 1) base()
  if (each.bare && round % 2 === 1) job.bare.push(await runPhase(job, 'bare'))
  await own()
  if (each.bare && round % 2 === 0) job.bare.push(await runPhase(job, 'bare'))
  if (round % 2 === 0) base()
}

function rowsOf({ scenario, each, own, raw, bare }) {
  const baseOf = ({ key, against }, round) =>
    against === 'bare' ? bare[round]?.[key] : raw[round]?.[against ?? key]
  return each.figures.map((figure) => {
    const rounds = own.map((figures, round) => ({
      value: figures[figure.key],
      raw: baseOf(figure, round),
    }))
    const known = rounds.filter(({ value }) => value !== undefined)
    const compared = known.filter((round) => round.raw !== undefined)
    return {
      scenario: scenario.name,
      name: each.name,
      figure,
      values: known.map(({ value }) => value),
      raws: compared.map((round) => round.raw),
      ratios: compared.map(({ value, raw: base }) => value / base),
      note: own.find(({ notAvailable }) => notAvailable)?.notAvailable ?? 'not available',
    }
  })
}

export async function benchLogStore({ quick, rounds, only, dir }) {
  ensureInstalled()
  await bundlePackages()
  const raw = rawIo()
  const base = fs.mkdtempSync(path.join(dir ?? os.tmpdir(), 'kfk-bench-'))
  process.on('exit', () => fs.rmSync(base, { recursive: true, force: true }))
  process.on('SIGINT', () => process.exit(130))
  const machine = `${os.cpus().length} x ${os.cpus()[0].model}, Node ${process.version}`
  console.log(`${machine}; baseline: ${raw.name}; median [min .. max] of ${rounds} rounds\n`)
  const rows = []
  for (const scenario of await loadScenarios(only)) {
    const jobs = scenario.cases({ quick }).map((each, at) => {
      const context = { quick, dir: path.join(base, `${scenario.name}-${at}`), fixture: {} }
      return { scenario, each, context, own: [], raw: [], bare: [] }
    })
    for (const job of jobs) {
      fs.mkdirSync(job.context.dir)
      if (job.each.prepare) job.context.fixture = await runPhase(job, 'prepare')
    }
    for (let round = 0; round < rounds; round++) {
      for (const job of jobs) await runRound(job, raw, round)
    }
    for (const job of jobs) {
      fs.rmSync(job.context.dir, { recursive: true })
      for (const row of rowsOf(job)) {
        rows.push(row)
        console.log(formatRow(row))
      }
    }
  }
  fs.mkdirSync(path.join(root, 'out'), { recursive: true })
  const file = path.join(root, 'out/bench-log-store.json')
  const results = { machine, node: process.version, baseline: raw.name, quick, rounds, rows }
  fs.writeFileSync(file, JSON.stringify(results, null, 2))
  console.log(`\n${path.relative(root, file)} has every round`)
}
