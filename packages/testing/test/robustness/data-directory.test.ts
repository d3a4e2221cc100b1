/* Data directories that cannot be had: in use, of others, unreadable; and ports that are taken. */
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { createAdmin } from '@kfk/client'
import { eventually, type Finished, startProcess } from '../../src/index.js'
import { BrokerProcesses, kfkProgram, runKfkBroker } from './support/broker-process.js'

let dir: string
const cleanUp: (() => Promise<unknown> | void)[] = []
beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'kfk-data-'))
})
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step()
  fs.rmSync(dir, { recursive: true, force: true })
})

async function startBrokers() {
  const brokers = await BrokerProcesses.start(1, [])
  cleanUp.push(() => brokers.close())
  return brokers.all[0]!
}

/** Refused: one line that says what is wrong, and perhaps one with what to do. */
async function refused(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const { code, stdout, stderr }: Finished = await runKfkBroker(args, { env }).exited
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  const told = stderr.split('\n').filter((line) => /^(kfk:| {5})/.test(line))
  expect(told.length).toBeGreaterThanOrEqual(1)
  expect(stderr).not.toMatch(/\n\s+at /)
  return told.join('\n')
}

/** The holder is served all the time. */
async function served(address: string): Promise<void> {
  await using admin = createAdmin({ brokers: [address] })
  expect((await admin.describeCluster()).brokers).toHaveLength(1)
}

test.each([
  ['the lock of the system', {}],
  ['the portable lock', { KFK_PORTABLE_LOCK: '1' }],
])('a directory in use by another process is refused and named, with %s', async (_name, env) => {
  const broker = await startBrokers()
  const message = await refused(['--port', '0', '--data-dir', broker.dataDir], env)
  expect(message).toContain(`${broker.dataDir} is in use by process ${broker.pid}`)
  await served(broker.address)
}, 20_000)

test('a port in use is refused and named', async () => {
  const broker = await startBrokers()
  const message = await refused(['--port', `${broker.port}`, '--data-dir', dir])
  expect(message).toMatch(new RegExp(`port ${broker.port} on 127.0.0.1 is in use`, 'i'))
  await served(broker.address)
  const server = net.createServer().listen(0, '127.0.0.1')
  cleanUp.push(() => void server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as net.AddressInfo
  expect(await refused(['--port', `${port}`, '--data-dir', dir])).toContain(`${port}`)
}, 20_000)

/** Starts over `dataDir` and stops in order. */
async function startsOver(dataDir: string, env: NodeJS.ProcessEnv = {}): Promise<void> {
  const running = runKfkBroker(['--port', '0', '--data-dir', dataDir], { env })
  try {
    await running.waitFor(/^listening on /m, 15_000)
  } finally {
    await running.stop('SIGTERM')
  }
}

describe.each([
  ['the lock of the system', {}],
  ['the portable lock', { KFK_PORTABLE_LOCK: '1' }],
])('after a kill -9 of the holder, with %s', (_name, env) => {
  test('a zombie does not keep the directory', async () => {
    // The parent of the broker never asks for its end, like the first process of many containers.
    const script = `"$0" "$1" broker --port 0 --data-dir "$2" & echo "child $!"; exec sleep 600`
    const parent = startProcess('sh', ['-c', script, process.execPath, kfkProgram, dir], { env })
    cleanUp.push(() => parent.stop('SIGKILL'))
    const [, pid] = await parent.waitFor(/child (\d+)/)
    await parent.waitFor(/^listening on /m)
    process.kill(Number(pid), 'SIGKILL')
    const stat = `/proc/${pid}/stat`
    if (fs.existsSync('/proc/self/stat')) {
      await eventually('a zombie', () =>
        fs.readFileSync(stat, 'utf8').includes(') Z ') ? true : undefined,
      )
    }
    await startsOver(dir, env)
  }, 30_000)

  test('another process that got its pid does not keep the directory', async () => {
    const first = runKfkBroker(['--port', '0', '--data-dir', dir], { env })
    await first.waitFor(/^listening on /m)
    await first.stop('SIGKILL')
    const locks = fs.readdirSync(dir).filter((name) => name.endsWith('.lock') && name !== '.lock')
    expect(locks.length).toBeGreaterThanOrEqual(1)
    for (const name of locks) {
      const file = path.join(dir, name)
      const text = fs.readFileSync(file, 'utf8')
      expect(text).toContain(`"pid":${first.pid}`)
      fs.writeFileSync(file, text.replace(`"pid":${first.pid}`, `"pid":${process.pid}`))
    }
    await startsOver(dir, env)
  }, 30_000)
})

test('a directory of another node or another cluster is refused with both names', async () => {
  const broker = await startBrokers()
  await broker.end('SIGTERM')
  const { dataDir } = broker
  const otherNode = await refused(['--port', '0', '--data-dir', dataDir, '--node-id', '7'])
  expect(otherNode).toContain(`${dataDir} belongs to node 1, not to node 7`)
  const file = path.join(dataDir, 'meta.properties')
  const properties = fs.readFileSync(file, 'utf8')
  const stranger = properties.replace(/cluster\.id=.*/, 'cluster.id=AAAAAAAAAAAAAAAAAAAAAQ')
  fs.writeFileSync(file, stranger)
  const otherCluster = await refused(['--port', '0', '--data-dir', dataDir])
  expect(otherCluster).toContain('names cluster AAAAAAAAAAAAAAAAAAAAAQ')
  fs.writeFileSync(file, 'nonsense')
  const nonsense = await refused(['--port', '0', '--data-dir', dataDir])
  expect(nonsense).toContain(`${file} names no cluster.id and node.id`)
  fs.writeFileSync(file, properties)
  await startsOver(dataDir)
}, 30_000)

test('a path that is a file, and one that cannot be made, are refused and named', async () => {
  const file = path.join(dir, 'file')
  fs.writeFileSync(file, '')
  expect(await refused(['--port', '0', '--data-dir', file])).toContain(file)
  const inside = path.join(file, 'inside')
  expect(await refused(['--port', '0', '--data-dir', inside])).toContain(inside)
}, 20_000)

/** Whether file permissions mean something to whoever runs this: not to root. */
const permissionsHold = process.getuid?.() !== 0

test('unreadable files of the broker are named', async () => {
  const broker = await startBrokers()
  await broker.end('SIGTERM')
  const { dataDir } = broker
  const config = path.join(dir, 'server.properties')
  for (const [file, args] of [
    [path.join(dataDir, 'meta.properties'), ['--data-dir', dataDir]],
    [path.join(dataDir, 'kfk.promised-epoch'), ['--data-dir', dataDir]],
    [config, ['--data-dir', dataDir, '--config', config]],
  ] as const) {
    const kept = fs.existsSync(file) ? fs.readFileSync(file) : undefined
    // Root reads every file, but nobody reads a directory as one.
    if (permissionsHold && kept) fs.chmodSync(file, 0)
    else {
      fs.rmSync(file, { force: true })
      fs.mkdirSync(file)
    }
    expect(await refused(['--port', '0', ...args])).toContain(file)
    execFileSync('rm', ['-rf', file])
    if (kept) fs.writeFileSync(file, kept)
  }
  await startsOver(dataDir)
}, 30_000)
