// npm run torture [-- --only kill|model|ext4|xfs --cycles N --seed N]: the log store killed 1,000 times, compared with
// a model in 5,000 random histories, and its power cut 500 times in the middle of appends. Prints the seed; the same
// seed makes the same choices.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { ensureInstalled, fail, root, runOrExit } from './lib/project.mjs'

const { values } = parseArgs({
  options: { only: { type: 'string' }, cycles: { type: 'string' }, seed: { type: 'string' } },
})
for (const name of ['cycles', 'seed']) {
  if (values[name] !== undefined && !(Number(values[name]) >= 1)) fail(`--${name} takes a number`)
}
const seed = values.seed ?? String(1 + Math.floor(Math.random() * 1e9))
ensureInstalled()
const { buildSync } = await import('esbuild')
const support = path.join(root, 'packages/log-store/test/support')
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'kfk-torture-program-'))
process.on('exit', () => fs.rmSync(directory, { recursive: true, force: true }))
const program = path.join(directory, 'torture.cjs')
buildSync({
  entryPoints: [path.join(support, 'torture.ts')],
  outfile: program,
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  external: ['esbuild'],
})
const env = { ...process.env, NODE_PATH: path.join(root, 'node_modules') }
console.log(`seed ${seed}`)
runOrExit(process.execPath, [program, support, JSON.stringify({ ...values, seed })], { env })
