// npm run lint [-- --fix]: types (tsc), eslint and prettier over everything that is written by hand.
import { spawnSync } from 'node:child_process'
import { ensureInstalled, root, tool } from './lib/project.mjs'

ensureInstalled()
const fix = process.argv.includes('--fix')
const steps = [
  ['tsc', ['-p', 'scripts/tsconfig.check.json']],
  [
    'eslint',
    [
      '-c',
      'scripts/eslint.config.mjs',
      ...(fix ? ['--fix'] : []),
      'packages',
      'examples',
      'scripts',
    ],
  ],
  [
    'prettier',
    [
      fix ? '--write' : '--check',
      '--log-level',
      'warn',
      '{packages,examples,scripts}/**/*.{ts,mjs,json}',
      '*.json',
    ],
  ],
]
let failed = 0
for (const [name, args] of steps) {
  const started = Date.now()
  const { status } = spawnSync(tool(name), args, { cwd: root, stdio: 'inherit' })
  console.log(
    `${name}: ${status === 0 ? 'clean' : 'FAILED'} (${((Date.now() - started) / 1000).toFixed(1)} s)`,
  )
  if (status !== 0) failed += 1
}
process.exit(failed ? 1 : 0)
