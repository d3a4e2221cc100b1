// npm run build: every package to dist (ESM, CommonJS and types), only what has changed.
import { ensureBuilt, ensureInstalled } from './lib/project.mjs'

ensureInstalled()
ensureBuilt()
