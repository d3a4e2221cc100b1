// What every script of this folder needs to know: where the project is, which packages it has, and how to
// bring a fresh clone to the point where its code runs. Only Node's own modules, because on a fresh clone
// there is nothing else yet.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/[\\/]$/, '')
const cacheDir = path.join(root, 'node_modules', '.cache', 'kfk')
const stampFile = path.join(cacheDir, 'build.json')
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'

/** All workspaces, packages first: `{ name, dir, folder, manifest }`. */
export function workspaces() {
  return ['packages', 'examples'].flatMap((parent) =>
    fs
      .readdirSync(path.join(root, parent))
      .filter((name) => fs.existsSync(path.join(root, parent, name, 'package.json')))
      .map((name) => {
        const dir = path.join(root, parent, name)
        const manifest = JSON.parse(fs.readFileSync(path.join(dir, 'package.json'), 'utf8'))
        return { name: manifest.name, folder: `${parent}/${name}`, dir, manifest }
      }),
  )
}

/** Runs a command with the terminal attached; ends this process with its exit code when it fails. */
export function runOrExit(command, args, options = {}) {
  const done = spawnSync(command, args, { stdio: 'inherit', cwd: root, ...options })
  if (done.error) fail(`cannot run ${command}: ${done.error.message}`)
  if (done.status !== 0) process.exit(done.status ?? 1)
}

/** Path of a tool of `node_modules/.bin`. */
export function tool(name) {
  return path.join(
    root,
    'node_modules',
    '.bin',
    process.platform === 'win32' ? `${name}.cmd` : name,
  )
}

export function fail(message) {
  console.error(message)
  process.exit(1)
}

/** Installs the dependencies of the lockfile when they are not there yet, or the lockfile has changed. */
export function ensureInstalled() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major < 20 || (major === 20 && minor < 19)) {
    fail(
      `kfk needs Node 20.19 or later, this is ${process.version}. Install a newer Node and run the command again.`,
    )
  }
  const lock = fs.readFileSync(path.join(root, 'package-lock.json'))
  const wanted = createHash('sha256').update(lock).digest('hex')
  const marker = path.join(cacheDir, 'installed')
  if (
    fs.existsSync(tool('tsup')) &&
    fs.existsSync(marker) &&
    fs.readFileSync(marker, 'utf8') === wanted
  )
    return
  if (!fs.existsSync(tool('tsup'))) {
    console.log('Installing dependencies (npm ci) ...')
    const started = Date.now()
    runOrExit(npm, ['ci', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'])
    console.log(`Installed in ${((Date.now() - started) / 1000).toFixed(0)} s.`)
  }
  fs.mkdirSync(cacheDir, { recursive: true })
  fs.writeFileSync(marker, wanted)
}

/** One hash a workspace over everything its build reads: names, sizes and contents of its sources. */
function sourceHash(workspace) {
  const hash = createHash('sha256')
  const visit = (entry) => {
    const stat = fs.statSync(entry, { throwIfNoEntry: false })
    if (!stat) return
    if (stat.isDirectory())
      for (const name of fs.readdirSync(entry).sort()) visit(path.join(entry, name))
    else hash.update(path.relative(workspace.dir, entry)).update(fs.readFileSync(entry))
  }
  for (const name of ['package.json', 'tsconfig.json', 'src']) visit(path.join(workspace.dir, name))
  visit(path.join(root, 'tsconfig.base.json'))
  visit(path.join(root, 'scripts/tsup.config.mjs'))
  return hash.digest('hex')
}

/** Builds what has changed since the last build, and what depends on it. Costs some milliseconds when nothing has. */
export function ensureBuilt({ quiet = false } = {}) {
  const buildable = workspaces().filter((workspace) => workspace.manifest.scripts?.build)
  const before = fs.existsSync(stampFile) ? JSON.parse(fs.readFileSync(stampFile, 'utf8')) : {}
  const now = Object.fromEntries(
    buildable.map((workspace) => [workspace.name, sourceHash(workspace)]),
  )
  const stale = buildable.filter(
    ({ name, dir }) => before[name] !== now[name] || !fs.existsSync(path.join(dir, 'dist')),
  )
  if (stale.length === 0) return
  if (!quiet)
    console.log(`Building ${stale.length} of ${buildable.length} packages (lerna run build) ...`)
  const started = Date.now()
  const scopes =
    stale.length === buildable.length ? [] : stale.flatMap(({ name }) => ['--scope', name])
  const args = [
    'run',
    'build',
    ...scopes,
    ...(scopes.length ? ['--include-dependents'] : []),
    '--loglevel=error',
  ]
  const built = spawnSync(tool('lerna'), args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: { ...process.env, NX_DAEMON: 'false', FORCE_COLOR: '0' },
  })
  if (built.status !== 0) {
    console.error(built.stdout, built.stderr)
    fail('The build failed; what went wrong is above.')
  }
  fs.mkdirSync(cacheDir, { recursive: true })
  fs.writeFileSync(stampFile, JSON.stringify(now, null, 2))
  if (!quiet) console.log(`Built in ${((Date.now() - started) / 1000).toFixed(0)} s.`)
}

/** Runs a Node program that takes over the terminal and signals; ends this process as it ended. */
export function handOver(file, args) {
  const child = spawn(process.execPath, [file, ...args], { stdio: 'inherit', cwd: root })
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)))
}
