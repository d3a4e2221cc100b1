// npm start: from a fresh clone to the main job. Arguments after `--` go to the example.
import path from 'node:path'
import { ensureBuilt, ensureInstalled, handOver, root } from './lib/project.mjs'

ensureInstalled()
ensureBuilt()
handOver(path.join(root, 'examples/activity-stream/dist/main.js'), process.argv.slice(2))
