// npm run docs: the API documentation of all packages, from their docstrings, to out/docs.
import { ensureBuilt, ensureInstalled, runOrExit, tool, workspaces } from './lib/project.mjs'

ensureInstalled()
ensureBuilt()
const packages = workspaces().filter(
  ({ folder, manifest }) => folder.startsWith('packages/') && !manifest.private,
)
runOrExit(tool('typedoc'), [
  '--tsconfig',
  'scripts/tsconfig.check.json',
  '--name',
  'kfk',
  '--readme',
  'README.md',
  '--out',
  'out/docs',
  '--logLevel',
  'Error',
  ...packages.map(({ folder }) => `${folder}/src/index.ts`),
])
console.log('out/docs/index.html')
