// npm run package:all: the tarballs of `package`, and beside them sources, tests and documentation.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { fail, root } from './lib/project.mjs'

const node = (script) => {
  const done = spawnSync(process.execPath, [path.join(root, 'scripts', script)], {
    cwd: root,
    stdio: 'inherit',
  })
  if (done.status !== 0) process.exit(done.status ?? 1)
}
node('package.mjs')
node('docs.mjs')
const { version } = JSON.parse(fs.readFileSync(path.join(root, 'lerna.json'), 'utf8'))
const target = path.join(root, 'out/packages')
const tar = (name, args) => {
  const done = spawnSync('tar', ['-czf', path.join(target, name), ...args], {
    cwd: root,
    stdio: 'inherit',
  })
  if (done.status !== 0) fail(`tar of ${name} failed`)
  console.log(`out/packages/${name}`)
}
const tracked = (...paths) => {
  const listed = spawnSync('git', ['ls-files', ...paths], { cwd: root, encoding: 'utf8' })
  if (listed.status !== 0) fail(`git ls-files failed: ${listed.stderr}`)
  return listed.stdout.split('\n').filter(Boolean)
}
const isTest = (file) =>
  /(^|\/)(test|fixtures)\//.test(file) || file.startsWith('packages/testing/')
tar(
  `kfk-${version}-sources.tgz`,
  tracked().filter((file) => !isTest(file)),
)
tar(`kfk-${version}-tests.tgz`, tracked().filter(isTest))
tar(`kfk-${version}-docs.tgz`, ['-C', 'out', 'docs'])
