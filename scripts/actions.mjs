// npm run actions: every action of the project, with what it does (the first line of its script).
import fs from 'node:fs'
import path from 'node:path'
import { root } from './lib/project.mjs'

const { scripts } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'))
for (const [name, command] of Object.entries(scripts)) {
  const file = /^node (scripts\/\S+)/.exec(command)?.[1]
  const first = file ? fs.readFileSync(path.join(root, file), 'utf8').split('\n', 1)[0] : ''
  const run = ['start', 'test'].includes(name) ? `npm ${name}` : `npm run ${name}`
  console.log(
    `${run.padEnd(24)} ${first.replace(/^\/\/ npm (run )?[^\s:]+(:only|:all)?( \[?-- [^:]*)?: /, '') || command}`,
  )
}
