// Installs the real peers that the tests talk to: Debian packages (kcat, redis-server, mkfs) and jars (Kafka, HDFS).
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { root } from './lib/project.mjs'

const peers = process.env.KFK_PEERS_DIR ?? path.join(os.homedir(), '.cache', 'kfk-peers')
const found = (program) =>
  (process.env.PATH ?? '')
    .split(path.delimiter)
    .some((dir) => fs.existsSync(path.join(dir, program)))
const run = (command, args, options = {}) => {
  for (let attempt = 1; ; attempt++) {
    const done = spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'], ...options })
    if (done.status === 0) return
    if (attempt === 3)
      throw new Error(`${command} ${args.join(' ')} failed (exit ${done.status ?? done.error})`)
  }
}

const debian = [
  ['kcat', 'kcat'],
  ['redis-server', 'redis-server'],
  ['java', 'openjdk-17-jdk-headless'],
  ['mvn', 'maven'],
  ['mkfs.ext4', 'e2fsprogs'],
  ['mkfs.xfs', 'xfsprogs'],
]
const missing = debian.filter(([program]) => !found(program)).map(([, name]) => name)
if (missing.length) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  run('apt-get', ['update', '-qq'], { env })
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing], { env })
}
for (const [name, version] of [
  ['kafka', '4.2.0'],
  ['hadoop', '3.4.2'],
]) {
  const target = path.join(peers, `${name}-${version}`)
  if (fs.existsSync(target)) continue
  const partial = `${target}.partial`
  fs.rmSync(partial, { recursive: true, force: true })
  run(
    'mvn',
    [
      '-q',
      '-B',
      'dependency:copy-dependencies',
      '-DincludeScope=runtime',
      `-DoutputDirectory=${partial}`,
    ],
    {
      cwd: path.join(root, 'packages/testing/fixtures', name),
    },
  )
  fs.renameSync(partial, target)
}
// Only `npm run bench` asks for it, so that a machine without pip, or whose Python has no wheel of it, is no failure.
const confluent = path.join(peers, 'confluent-kafka')
if (!fs.existsSync(confluent)) {
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps']
  const wheel = ['--only-binary=:all:', '--target', confluent, 'confluent-kafka==2.16.1']
  const done = spawnSync('python3', [...pip, ...wheel], { stdio: ['ignore', 'inherit', 'ignore'] })
  if (done.status !== 0) console.log('no confluent-kafka: npm run bench will leave it out')
}
console.log(`peers: kcat, redis-server, java; jars in ${peers}`)
