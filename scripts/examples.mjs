// npm run examples [-- name [arguments]]: lists the runnable examples, or runs one.
import path from 'node:path'
import { ensureBuilt, ensureInstalled, fail, handOver, workspaces } from './lib/project.mjs'

const examples = workspaces().filter(({ folder }) => folder.startsWith('examples/'))
const [wanted, ...args] = process.argv.slice(2)
if (!wanted) {
  for (const { folder, manifest } of examples) {
    console.log(`${path.basename(folder).padEnd(20)} ${manifest.description}`)
  }
  console.log('\nRun one: npm run examples -- <name> [arguments]')
} else {
  const example = examples.find(({ folder }) => path.basename(folder) === wanted)
  if (!example) fail(`There is no example '${wanted}'. npm run examples lists them.`)
  ensureInstalled()
  ensureBuilt()
  handOver(path.join(example.dir, example.manifest.main), args)
}
