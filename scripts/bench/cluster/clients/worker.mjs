// worker.mjs JOB: one client in a process of its own, as child.mjs expects it. JOB is JSON: `client` names the module next
// to this one, `role` what it does. A role connects, warms up, and answers the work, a function that gives the figures.
import fs from 'node:fs'
import { Session } from 'node:inspector/promises'
import { createInterface } from 'node:readline'

const job = JSON.parse(process.argv[2])
const { roles } = await import(`./${job.client}.mjs`)
const work = await roles[job.role](job)
const lines = createInterface({ input: process.stdin })
console.log('ready')
await new Promise((resolve) => lines.once('line', resolve))
const figures = await (job.profile ? profiled(job.profile) : work())
console.log(JSON.stringify(figures))
lines.once('close', () => process.exit(0))

/** The work alone, without what comes before it, in a CPU profile. */
async function profiled(file) {
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.start')
  const figures = await work()
  const { profile } = await session.post('Profiler.stop')
  fs.writeFileSync(file, JSON.stringify(profile))
  return figures
}
