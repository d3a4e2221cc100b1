// npm run package: one npm tarball a package in out/packages, each checked by publint and attw.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { ensureBuilt, ensureInstalled, fail, root, tool } from './lib/project.mjs'
import { packAll } from './lib/pack.mjs'

ensureInstalled()
ensureBuilt()
const target = path.join(root, 'out/packages')
fs.rmSync(target, { recursive: true, force: true })
let bad = 0
for (const { name, file } of packAll(target)) {
  const checks = [
    ['publint', ['run', file, '--strict']],
    ['attw', [file, '--no-emoji', '--format', 'ascii']],
  ]
  const complaints = checks.flatMap(([command, args]) => {
    const done = spawnSync(tool(command), args, { cwd: root, encoding: 'utf8' })
    return done.status === 0 ? [] : [`${command}:\n${done.stdout}${done.stderr}`]
  })
  bad += complaints.length
  console.log(
    `${path.relative(root, file).padEnd(52)} ${(fs.statSync(file).size / 1024).toFixed(0).padStart(5)} kB  ${complaints.length ? 'BAD' : 'publint, attw: clean'}`,
  )
  for (const complaint of complaints) console.log(`${name} ${complaint}`)
}
if (bad) fail(`${bad} checks failed`)
