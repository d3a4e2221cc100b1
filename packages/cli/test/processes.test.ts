// `kfk broker --processes`, with real processes.
import { mkdir } from 'node:fs/promises'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { join } from 'node:path'
import { createAdmin } from '@kfk/client'
import { createConsumer } from '@kfk/consumer'
import { createProducer } from '@kfk/producer'
import { Kafka, logLevel } from 'kafkajs'
import { KfkProcess, runBuilt } from './built-kfk'
import { kfk, Sandbox } from './kfk-in-process'

const sandbox = new Sandbox()
const running = new Set<KfkProcess>()
afterAll(async () => {
  for (const each of running) {
    for (const pid of pidsOf(each)) if (isAlive(pid)) process.kill(pid, 'SIGKILL')
    await each.kill('SIGKILL')
  }
  await sandbox.close()
})

async function start(dataDir: string, ...args: string[]) {
  const all = ['broker', '--processes', '2', '--port', '0', '--durability', 'os']
  const cluster = new KfkProcess([...all, '--data-dir', dataDir, ...args])
  running.add(cluster)
  const [, addresses, facts] = await cluster.says(/listening on (\S+) \((.*)\)\n/)
  return { cluster, brokers: addresses!.split(','), facts: facts! }
}

/** Of node 1, 2, ... as they were started last, as the log has them. */
function pidsOf({ stderr }: KfkProcess): number[] {
  const pids: number[] = []
  for (const [, node, pid] of stderr.matchAll(/node (\d+) starts pid=(\d+)/g)) {
    pids[Number(node) - 1] = Number(pid)
  }
  return pids
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Resolves when the log of the cluster has it. */
async function logs(cluster: KfkProcess, pattern: RegExp): Promise<void> {
  while (!pattern.test(cluster.stderr)) {
    if (cluster.child.exitCode !== null) throw new Error(cluster.stderr)
    await new Promise((resolve) => cluster.child.stderr!.once('data', resolve))
  }
}

/** Resolves when the process is gone; nobody announces that. */
async function gone(pid: number): Promise<void> {
  for (const giveUpMs = Date.now() + 20_000; isAlive(pid);) {
    if (Date.now() > giveUpMs) throw new Error(`process ${pid} is still there`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** A server at a port whose predecessor is free. */
async function takenPort(): Promise<{ server: Server; port: number }> {
  for (;;) {
    const before = await listen(0)
    const port = (before!.address() as AddressInfo).port + 1
    const server = await listen(port)
    before!.close()
    if (server !== undefined) return { server, port }
  }
}

function listen(port: number): Promise<Server | undefined> {
  const server = createServer().listen(port, '127.0.0.1')
  return new Promise((resolve) => {
    server.once('listening', () => resolve(server))
    server.once('error', () => resolve(undefined))
  })
}

const values = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => `${from + index}`)

async function produce(brokers: readonly string[], from: number, to: number): Promise<void> {
  await using producer = createProducer({ brokers })
  await producer.send(
    'views',
    values(from, to).map((value, index) => ({ value, partition: index % 6 })),
  )
}

async function consume(brokers: readonly string[], count: number): Promise<string[]> {
  await using consumer = createConsumer({ brokers, topics: ['views'], from: 'earliest' })
  const found: string[] = []
  for await (const { value } of consumer) {
    if (found.push(Buffer.from(value!).toString()) === count) break
  }
  return found.sort((a, b) => Number(a) - Number(b))
}

async function createTopic(brokers: readonly string[]) {
  await using admin = createAdmin({ brokers })
  await admin.createTopics([{ name: 'views', partitions: 6 }])
}

test('two brokers are one cluster, to every client, and stop without leaving a process', async () => {
  const dataDir = await sandbox.directory()
  const first = await start(dataDir)
  expect(first.brokers).toHaveLength(2)
  expect(first.facts).toMatch(/^2 brokers, nodes 1, 2 of cluster \S{22}, data in /)
  const { brokers, cluster } = first
  await createTopic([brokers[0]!])
  await using admin = createAdmin({ brokers: [brokers[1]!] })
  const [topic] = await admin.describeTopics(['views'])
  const leaders = topic!.partitions.map(({ leaderId }) => leaderId).sort()
  expect(leaders).toEqual([1, 1, 1, 2, 2, 2])
  await produce(brokers, 0, 60)

  const kafka = new Kafka({ brokers: [brokers[1]!], logLevel: logLevel.NOTHING })
  const producer = kafka.producer()
  await producer.connect()
  const messages = values(60, 120).map((value, index) => ({ value, partition: index % 6 }))
  await producer.send({ topic: 'views', messages })
  await producer.disconnect()
  expect(await consume(brokers, 120)).toEqual(values(0, 120))

  const pids = pidsOf(cluster)
  expect(pids).toHaveLength(2)
  expect(await cluster.kill('SIGTERM')).toEqual({ code: 0, signal: null })
  expect(pids.filter(isAlive)).toEqual([])
  expect(cluster.stdout.split('\n')).toHaveLength(2)
  for (const node of ['node1', 'node2']) {
    expect((await runBuilt(['dump', '--quiet', join(dataDir, node)])).code).toBe(0)
  }

  const second = await start(dataDir)
  expect(await consume(second.brokers, 120)).toEqual(values(0, 120))
  expect(second.facts).toBe(first.facts)
  await second.cluster.kill('SIGINT')
}, 60_000)

test('one that is killed comes back where clients know it, the other serves meanwhile', async () => {
  const { cluster, brokers } = await start(await sandbox.directory())
  await createTopic(brokers)
  await produce(brokers, 0, 60)
  const [, victim] = pidsOf(cluster)
  process.kill(victim!, 'SIGKILL')
  await logs(cluster, /node 2 has ended \(SIGKILL\), it starts again in 0\.5 s/)
  await using admin = createAdmin({ brokers: [brokers[0]!] })
  expect(await admin.topicOffsets('views', 'latest')).toHaveLength(6)
  await logs(cluster, /node 2 serves again/)
  await produce(brokers, 60, 120)
  expect(await consume([brokers[1]!], 120)).toEqual(values(0, 120))
  // Nobody was told to go: a broker that ends in good order by itself comes back as well.
  process.kill(pidsOf(cluster)[0]!, 'SIGTERM')
  await logs(cluster, /node 1 has ended \(exit code 0\)[^]*node 1 serves again/)
  expect(await consume(brokers, 120)).toEqual(values(0, 120))
  expect(await cluster.kill('SIGTERM')).toEqual({ code: 0, signal: null })
}, 60_000)

test('Ctrl-C, which all processes hear, stops them cleanly; a killed parent leaves none', async () => {
  const dataDir = await sandbox.directory()
  const first = await start(dataDir)
  for (const pid of pidsOf(first.cluster)) process.kill(pid, 'SIGINT')
  expect(await first.cluster.kill('SIGINT')).toEqual({ code: 0, signal: null })
  const second = await start(dataDir)
  const pids = pidsOf(second.cluster)
  second.cluster.child.kill('SIGKILL')
  for (const pid of pids) await gone(pid)
  const third = await start(dataDir)
  expect(await third.cluster.kill('SIGTERM')).toEqual({ code: 0, signal: null })
}, 60_000)

test('a port in use is named, with exit code 1, and no broker is left', async () => {
  const { server, port } = await takenPort()
  const dataDir = await sandbox.directory()
  const args = ['--processes', '2', '--port', `${port - 1}`, '--data-dir', dataDir]
  const cluster = new KfkProcess(['broker', ...args])
  running.add(cluster)
  const { code } = await cluster.ended
  server.close()
  expect({ code, stdout: cluster.stdout }).toEqual({ code: 1, stdout: '' })
  expect(cluster.stderr).toContain(`kfk: Port ${port} on 127.0.0.1 is in use`)
  expect(cluster.stderr).toMatch(/kfk: node 2 could not start \(exit code 1\): see above\n$/)
  expect(pidsOf(cluster).filter(isAlive)).toEqual([])
}, 30_000)

test.each([
  [['--port', '65535'], 'the last of 2 ports would be 65536'],
  [['--node-id', '1023'], 'the last of 2 node ids would be 1024'],
  [['--coordination', 'memory'], '--processes takes --coordination file'],
  [[], 'needs `kfk` to run as a command'],
])('--processes 2 %j is exit code 2 and a message', async (args, message) => {
  const dataDir = await sandbox.directory()
  const { code, stderr } = await kfk(['broker', '--processes', '2', '-d', dataDir, ...args])
  expect(stderr).toContain(message)
  expect(code).toBe(2)
})

test('the data of one broker is not mixed with that of several, and what is left out is told', async () => {
  const dataDir = await sandbox.directory()
  const single = new KfkProcess(['broker', '--port', '0', '--data-dir', dataDir])
  await single.says(/listening/)
  await single.kill('SIGTERM')
  const mixed = await runBuilt(['broker', '--processes', '2', '--port', '0', '-d', dataDir])
  expect(mixed.code).toBe(2)
  expect(mixed.stderr).toContain('holds the data of one broker')
  expect((await runBuilt(['broker', '--supervised'])).stderr).toContain('--processes` alone')
  const other = await sandbox.directory()
  await mkdir(join(other, 'node3'))
  const { cluster } = await start(other)
  expect(cluster.stderr).toMatch(/WARN {2}there is data of brokers that are not run.*=node3/)
  await cluster.kill('SIGTERM')
}, 60_000)
