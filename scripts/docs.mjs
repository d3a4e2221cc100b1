// npm run docs: the API documentation of all packages, from their docstrings, to out/docs.
import fs from 'node:fs'
import path from 'node:path'
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
console.log('out/docs/index.html') // `packageOptions` is taken from a file only.
const config = path.join(root, 'out/typedoc.json')
fs.mkdirSync(path.dirname(config), { recursive: true })
fs.writeFileSync(
  config,
  JSON.stringify({
    name: 'kfk',
    readme: path.join(root, 'README.md'),
    out: path.join(root, 'out/docs'),
    logLevel: 'Error',
    entryPointStrategy: 'packages',
    entryPoints: packages.map(({ dir }) => dir),
    packageOptions: { entryPoints: ['src/index.ts'], tsconfig: 'tsconfig.json', readme: 'none' },
  }),
)
runOrExit(tool('typedoc'), ['--options', config])
console.log('out/docs/index.html')
