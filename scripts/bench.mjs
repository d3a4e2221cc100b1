// npm run bench [-- --quick ...]: throughput, latency, CPU and memory beside Kafka and other clients (--help tells the rest).
// npm run bench -- log-store [--quick --rounds N --only SCENARIO --dir PATH]: the log store alone, as ratios to the same I/O
// in C (bench/log-store/suite.mjs). npm run bench -- start | sizes: start-up, memory at rest | sizes of the packages.
import { parseArgs } from 'node:util'
import { ensureBuilt, ensureInstalled, fail } from './lib/project.mjs'
import { parseOptions, usage } from './bench/cluster/options.mjs'

const roundsOf = ({ rounds, quick }) => {
  const number = Number(rounds ?? (quick ? 2 : 5))
  if (!(number >= 1)) fail('--rounds takes a number')
  return number
}

const ofSuites = `npm run bench -- log-store [--quick] [--rounds N] [--only SCENARIO] [--dir PATH]
npm run bench -- start [--rounds N]
npm run bench -- sizes`

/** What is no option of a suite is answered with what is. */
function valuesOf(args, options) {
  try {
    const { values } = parseArgs({ args, options: { ...options, help: { type: 'boolean' } } })
    if (!values.help) return values
  } catch (error) {
    fail(`${error.message}\n\n${ofSuites}`)
  }
  console.log(ofSuites)
  process.exit(0)
}

const suites = {
  async 'log-store'(args) {
    const options = {
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      only: { type: 'string' },
      dir: { type: 'string' },
    }
    const values = valuesOf(args, options)
    const { benchLogStore } = await import('./bench/log-store/suite.mjs')
    await benchLogStore({ ...values, rounds: roundsOf(values) })
  },
  async start(args) {
    const values = valuesOf(args, { rounds: { type: 'string' } })
    const { benchStart } = await import('./bench/start/suite.mjs')
    await benchStart({ rounds: roundsOf(values) })
  },
  async sizes(args) {
    valuesOf(args, {})
    const { packageSizes } = await import('./bench/package-sizes.mjs')
    for (const { name, kb, dependencies } of packageSizes()) {
      const size = `${kb} kB`.padStart(10)
      console.log(`${name.padEnd(28)} ${size}, ${dependencies} packages installed with it`)
    }
  },
}

async function cluster(args) {
  let options
  try {
    options = parseOptions(args)
  } catch (error) {
    fail(`${error.message}\n\n${usage}`)
  }
  if (options.help) return console.log(usage)
  const { benchCluster } = await import('./bench/cluster/suite.mjs')
  await benchCluster(options)
}

const [first, ...rest] = process.argv.slice(2)
if (first !== undefined && !first.startsWith('-') && !Object.hasOwn(suites, first)) {
  fail(`the suites are: ${Object.keys(suites).join(', ')}; without one: broker and clients`)
}
ensureInstalled()
if (first !== 'log-store') ensureBuilt()
if (Object.hasOwn(suites, first ?? '')) await suites[first](rest)
else await cluster(process.argv.slice(2))
process.exit(0)
