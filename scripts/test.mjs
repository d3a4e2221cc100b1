// npm test [-- jest arguments]: from a fresh clone to all tests passed.
import path from 'node:path'
import { ensureBuilt, ensureInstalled, handOver, root } from './lib/project.mjs'

ensureInstalled()
ensureBuilt()
handOver(path.join(root, 'node_modules/jest/bin/jest.js'), process.argv.slice(2))
