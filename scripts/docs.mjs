// npm run docs: the API documentation of all packages, from their docstrings, to out/docs.
import { ensureBuilt, ensureInstalled, runOrExit, tool, workspaces } from './lib/project.mjs'

ensureInstalled()
ensureBuilt()
const packages = workspaces().filter(
  ({ folder, manifest }) => folder.startsWith('packages/') && !manifest.private,
)
/** Programs have no interface, and suites are for those who write adapters. */
const isDocumented = (file) => !/\/(bin|compliance)\.ts$/.test(file)
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
  ...packages.flatMap(({ folder, manifest }) =>
    manifest.tsup.entry.filter(isDocumented).map((file) => `${folder}/${file}`),
  ),
])
console.log('out/docs/index.html')
