/* Data directories that cannot be had: in use, of others, unreadable; and ports that are taken. */
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { createBroker } from '@kfk/broker'
import { createAdmin } from '@kfk/client'
import { createProducer } from '@kfk/producer'
import { eventually, type Finished, startProcess } from '../../src/index.js'
import { BrokerProcesses, kfkProgram, runKfkBroker } from './support/broker-process.js'

let dir: string
const cleanUp: (() => unknown)[] = []
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
})

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
})

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
  })

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
  })
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
})

test('a path that is a file, and one that cannot be made, are refused and named', async () => {
  const file = path.join(dir, 'file')
  fs.writeFileSync(file, '')
  expect(await refused(['--port', '0', '--data-dir', file])).toContain(file)
  const inside = path.join(file, 'inside')
  expect(await refused(['--port', '0', '--data-dir', inside])).toContain(inside)
})

/** Whether file permissions mean something to whoever runs this: not to root. */
const permissionsHold = process.getuid?.() !== 0

/** Makes reading the file fail; the result undoes it. */
function spoil(file: string): () => void {
  if (permissionsHold) {
    const { mode } = fs.statSync(file)
    fs.chmodSync(file, 0)
    return () => fs.chmodSync(file, mode)
  }
  // Root reads every file, but nobody reads a directory as one.
  fs.renameSync(file, `${file}.kept`)
  fs.mkdirSync(file)
  return () => {
    fs.rmdirSync(file)
    fs.renameSync(`${file}.kept`, file)
  }
}

/** Where the error does not name the file itself. */
function toldOf(name: string): string | undefined {
  if (name === 'kfk.coordination') return `journal in ${dir}`
  // What has a segment's name and is none leaves the log without any.
  return name.endsWith('.log')
    ? `${path.dirname(path.join(dir, name))} holds no segment`
    : undefined
}

test.each([
  'meta.properties',
  'kfk.promised-epoch',
  'kfk.coordination',
  'kfk.producer-ids',
  'recovery-point-offset-checkpoint',
  '__kfk_metadata-0/partition.metadata',
  '__kfk_metadata-0/00000000000000000000.log',
])('a broker that cannot read its %s says so', async (name) => {
  const options = { dataDir: dir, port: 0 }
  const first = await createBroker(options)
  const file = path.join(dir, name)
  {
    await using producer = createProducer({ broker: first })
    await producer.send('events', { value: 'a' })
  }
  await first.close()
  const undo = spoil(file)
  const error: unknown = await createBroker(options).then(
    (broker) => broker.close(),
    (reason: unknown) => reason,
  )
  undo()
  if (error === undefined) {
    // What it can do without, it has done without, and lost nothing.
    expect(['recovery-point-offset-checkpoint']).toContain(name)
  } else {
    expect(error).toMatchObject({ code: expect.stringMatching(/^KFK_/) })
    expect((error as Error).message).toContain(toldOf(name) ?? file)
  }
  const again = await createBroker(options)
  cleanUp.push(() => again.close())
  await using admin = createAdmin({ broker: again })
  expect(await admin.topicOffsets('events', 'latest')).toMatchObject([{ offset: 1n }])
})

test('a config file that cannot be read is named', async () => {
  const file = path.join(dir, 'server.properties')
  expect(await refused(['--port', '0', '--data-dir', dir, '--config', file])).toContain(file)
  fs.mkdirSync(file)
  expect(await refused(['--port', '0', '--data-dir', dir, '--config', file])).toContain(file)
})
