// npm run clean: removes what builds, tests and examples made; `-- --all` removes node_modules too.
import fs from 'node:fs'
import path from 'node:path'
import { root, workspaces } from './lib/project.mjs'

const made = workspaces().map(({ dir }) => path.join(dir, 'dist'))
made.push(path.join(root, 'out'), path.join(root, 'coverage'), path.join(root, '.nx'))
made.push(path.join(root, 'node_modules', process.argv.includes('--all') ? '' : '.cache/kfk'))
for (const entry of made) {
  if (!fs.existsSync(entry)) continue
  fs.rmSync(entry, { recursive: true, force: true })
  console.log(`removed ${path.relative(root, entry)}`)
}
