// npm run test:only -- log-store | packages/log-store/test/log.test.ts | -t "name": the tests of one package or file.
import fs from 'node:fs'
import path from 'node:path'
import { ensureBuilt, ensureInstalled, fail, handOver, root } from './lib/project.mjs'

const [first, ...rest] = process.argv.slice(2)
if (!first) fail('Which tests? npm run test:only -- <package or test file> [jest arguments]')
const folder = ['packages', 'examples']
  .map((parent) => `${parent}/${first}`)
  .find((dir) => fs.existsSync(path.join(root, dir)))
ensureInstalled()
ensureBuilt()
handOver(path.join(root, 'node_modules/jest/bin/jest.js'), [folder ? `${folder}/` : first, ...rest])
