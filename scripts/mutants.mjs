// npm run mutants [-- --only NAME --sample N]: plants the bugs of packages/log-store/test/mutants.mjs one by one in a
// copy of the package and runs the tests that must catch them. Fails when one is not caught, or when the same tests
// fail without any bug: then they would catch anything.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { mutants } from '../packages/log-store/test/mutants.mjs'
import { ensureInstalled, root } from './lib/project.mjs'

const { values } = parseArgs({
  options: { only: { type: 'string', multiple: true }, sample: { type: 'string' } },
})
ensureInstalled()
const chosen = values.sample ? sampleOf(mutants, Number(values.sample)) : mutants.filter(isWanted)
const home = fs.mkdtempSync(path.join(os.tmpdir(), 'kfk-mutants-'))
process.on('exit', () => fs.rmSync(home, { recursive: true, force: true }))
for (const folder of ['packages', 'examples', 'scripts']) fs.mkdirSync(path.join(home, folder))
fs.symlinkSync(path.join(root, 'node_modules'), path.join(home, 'node_modules'))
for (const file of ['package.json', 'scripts/proofs-last.mjs']) {
  fs.copyFileSync(path.join(root, file), path.join(home, file))
}
const original = path.join(root, 'packages/log-store')
const copy = path.join(home, 'packages/log-store')
for (const part of ['src', 'test', 'package.json']) {
  fs.cpSync(path.join(original, part), path.join(copy, part), { recursive: true })
}
const control = run([...new Set(chosen.flatMap(({ tests }) => tests))], 'quick')
if (control.status !== 0) {
  console.log(`FAILED without a bug, ${control.seconds} s\n${control.stderr}`)
  process.exit(1)
}
console.log(`passed without a bug, ${control.seconds} s`)
const missed = []
for (const { name, file, find, replace, tests } of chosen) {
  const target = path.join(copy, 'src', file)
  const source = fs.readFileSync(target, 'utf8')
  fs.writeFileSync(
    target,
    source.replace(find, () => replace),
  )
  // What a sample of the cases does not show, all of them must.
  const quick = run(tests, 'quick')
  const done = hasCaught(quick) ? quick : run(tests, 'full')
  fs.writeFileSync(target, source)
  const caught = hasCaught(done)
  if (!caught) missed.push(name)
  console.log(`${caught ? 'caught' : 'MISSED'} ${name}, ${done.seconds} s`)
}
console.log(`${chosen.length - missed.length} of ${chosen.length} caught`)
process.exitCode = missed.length > 0 ? 1 : 0

/** Without a test that ran and failed the exit code alone says nothing. */
function hasCaught({ status, stderr }) {
  return status !== 0 && /✕|●/.test(stderr)
}

function run(tests, proofs) {
  const patterns = tests.map((test) => `packages/log-store/test/${test}.test.ts`)
  const jest = path.join(root, 'node_modules/jest/bin/jest.js')
  const startedMs = Date.now()
  // In one process: with workers, the one that is not done when another has failed would go on alone.
  const args = [jest, '--rootDir', home, '--runInBand', '--bail', ...patterns]
  const { status, stderr } = spawnSync(process.execPath, args, {
    cwd: home,
    encoding: 'utf8',
    env: { ...process.env, KFK_PROOFS: proofs },
  })
  return { status, stderr, seconds: Math.round((Date.now() - startedMs) / 1000) }
}

function isWanted({ name }) {
  return values.only === undefined || values.only.includes(name)
}

/** Always the same, from all over the list, of those that are caught in seconds. */
function sampleOf(all, count) {
  const quick = all.filter(({ tests }) => !tests.some((test) => /explorer|syscall/.test(test)))
  const step = quick.length / count
  return Array.from({ length: count }, (_, n) => quick[Math.floor(n * step)])
}
