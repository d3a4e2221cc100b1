// npm run docs: the API documentation of all packages, from their docstrings, to out/docs.
import { ensureBuilt, ensureInstalled, root, runOrExit, tool, workspaces } from './lib/project.mjs'

ensureInstalled()
ensureBuilt()
const packages = workspaces().filter(
  ({ folder, manifest }) => folder.startsWith('packages/') && !manifest.private,
)
runOrExit(
  tool('typedoc'),
  [
    '--entryPointStrategy',
    'packages',
    '--packageOptions',
    JSON.stringify({ entryPoints: ['src/index.ts'], tsconfig: 'tsconfig.json' }),
    '--name',
    'kfk',
    '--readme',
    'README.md',
    '--out',
    'out/docs',
    '--logLevel',
    'Warn',
    ...packages.map(({ dir }) => dir),
  ],
  { cwd: root },
)
console.log('out/docs/index.html')
