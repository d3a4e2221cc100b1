// npm run release-zip: runs the tests, then makes out/kfk-<version>.zip: broker and CLI for a machine that has only Node.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { ensureBuilt, ensureInstalled, fail, root, runOrExit } from './lib/project.mjs'
import { packAll } from './lib/pack.mjs'

ensureInstalled()
ensureBuilt()
if (!process.argv.includes('--skip-tests'))
  runOrExit(process.execPath, [path.join(root, 'scripts/test.mjs')])
const { zipSync } = await import('fflate')
const { version } = JSON.parse(fs.readFileSync(path.join(root, 'lerna.json'), 'utf8'))
const name = `kfk-${version}`
const stage = path.join(root, 'out', name)
const tarballs = path.join(root, 'out/release-packages')
for (const dir of [stage, tarballs]) fs.rmSync(dir, { recursive: true, force: true })
fs.mkdirSync(path.join(stage, 'bin'), { recursive: true })
const files = packAll(tarballs).map(({ file }) => file)
fs.mkdirSync(path.join(stage, 'lib'))
fs.writeFileSync(
  path.join(stage, 'lib/package.json'),
  JSON.stringify({ name: 'kfk-release', private: true }),
)
const install = [
  'install',
  '--omit=dev',
  '--omit=peer',
  '--no-audit',
  '--no-fund',
  '--no-package-lock',
  '--prefer-offline',
  '--loglevel=error',
  '--prefix',
  path.join(stage, 'lib'),
  ...files,
]
const installed = spawnSync('npm', install, { cwd: stage, encoding: 'utf8' })
if (installed.status !== 0) fail(`npm install of the release failed:\n${installed.stderr}`)
fs.rmSync(path.join(stage, 'lib/node_modules/.bin'), { recursive: true, force: true })
fs.rmSync(path.join(stage, 'lib/node_modules/.package-lock.json'), { force: true })
fs.writeFileSync(
  path.join(stage, 'bin/kfk'),
  '#!/bin/sh\nexec node "$(dirname "$(readlink -f "$0")")/../lib/node_modules/@kfk/cli/dist/bin.js" "$@"\n',
  { mode: 0o755 },
)
fs.writeFileSync(
  path.join(stage, 'bin/kfk.cmd'),
  '@node "%~dp0..\\lib\\node_modules\\@kfk\\cli\\dist\\bin.js" %*\r\n',
)
for (const file of ['LICENSE', 'NOTICE', 'README.md'])
  fs.copyFileSync(path.join(root, file), path.join(stage, file))

const entries = {}
const UNIX = 3
const add = (dir) => {
  for (const entry of fs.readdirSync(dir, { withFileTypes: true })) {
    const full = path.join(dir, entry.name)
    if (entry.isDirectory()) add(full)
    else if (entry.isFile() && !entry.name.endsWith('.map')) {
      const mode = fs.statSync(full).mode & 0o777
      entries[`${name}/${path.relative(stage, full).split(path.sep).join('/')}`] = [
        fs.readFileSync(full),
        { os: UNIX, attrs: ((0o100000 | mode) << 16) >>> 0 },
      ]
    }
  }
}
add(stage)
const zip = path.join(root, 'out', `${name}.zip`)
fs.writeFileSync(zip, zipSync(entries, { level: 6 }))
console.log(
  `out/${name}.zip ${(fs.statSync(zip).size / 1e6).toFixed(1)} MB: unzip it and run ${name}/bin/kfk broker`,
)
