import { writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createAdmin } from '@kfk/client'
import { kfk, RunningCommand, Sandbox, type RunOptions } from './kfk-in-process'

const sandbox = new Sandbox()
afterAll(() => sandbox.close())

/** Starts a broker and waits for its line. */
async function startBroker(args: readonly string[], options?: RunOptions) {
  const run = new RunningCommand(['broker', '--port', '0', '--durability', 'os', ...args], options)
  const failed = run.ended.then((code) => {
    throw new Error(`ended with ${code}: ${run.stderr.text}`)
  })
  const line = run.stdout.has(/listening on (\S+:\d+) \((.*)\)\n/)
  const [, address, facts] = await Promise.race([line, failed])
  failed.catch(() => undefined)
  return { run, address: address!, facts: facts! }
}

it('prints one line when it serves, logs to stderr, and stops cleanly', async () => {
  const dataDir = await sandbox.directory()
  const { run, address, facts } = await startBroker(['--data-dir', dataDir, '--node-id', '3'])
  expect(address).toMatch(/^127\.0\.0\.1:\d+$/)
  expect(facts).toMatch(/^node 3 of cluster \S{22}, data in /)
  await using admin = createAdmin({ brokers: address })
  expect((await admin.describeCluster()).brokers).toMatchObject([{ nodeId: 3 }])
  expect(await run.stop()).toBe(0)
  expect(run.stdout.text.trimEnd().split('\n')).toHaveLength(1)
  for (const line of run.stderr.text.trimEnd().split('\n')) {
    expect(line).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z (INFO |WARN ) /)
  }
})

it('takes settings from the file, then --set, then flags', async () => {
  const dir = await sandbox.directory()
  const file = join(dir, 'server.properties')
  await writeFile(
    file,
    [
      '# as Kafka has them',
      'node.id=7',
      'num.partitions=3',
      'log.retention.hours = 5',
      'listeners=PLAINTEXT://127.0.0.1:1',
      `log.dirs=${join(dir, 'wrong')}`,
    ].join('\n'),
  )
  const args = ['--config', file, '--set', 'num.partitions=4', '--data-dir', join(dir, 'data')]
  const { run, address, facts } = await startBroker(args)
  expect(facts).toContain('node 7')
  expect(facts).toContain(join(dir, 'data'))
  await using admin = createAdmin({ brokers: address })
  const [created] = await admin.createTopics(['t'])
  expect(created!.partitions).toBe(4)
  const [described] = await admin.describeConfigs([{ type: 'topic', name: 't' }])
  const retention = described!.entries.find(({ name }) => name === 'retention.ms')
  expect(retention!.value).toBe(String(5 * 3_600_000))
  expect(await run.stop()).toBe(0)
})

it('logs as much as it is asked to', async () => {
  const dataDir = await sandbox.directory()
  const { run } = await startBroker(['--data-dir', dataDir, '--log-level', 'error'])
  expect(await run.stop()).toBe(0)
  expect(run.stderr.text).toBe('')
})

it('advertises what it is told to', async () => {
  const dataDir = await sandbox.directory()
  const { run, address, facts } = await startBroker([
    ...['--data-dir', dataDir, '--advertised-host', 'localhost'],
  ])
  expect(address).toMatch(/^127\.0\.0\.1:/)
  expect(facts).toContain(`advertised as ${address.replace('127.0.0.1', 'localhost')}`)
  await run.stop()
})

it('keeps coordination in memory when asked to', async () => {
  const dataDir = await sandbox.directory()
  const { run } = await startBroker(['--data-dir', dataDir, '--coordination', 'memory'])
  expect(await run.stop()).toBe(0)
})

it('a port in use is exit code 1 and a message, and leaves nothing locked', async () => {
  const dataDir = await sandbox.directory()
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  const { code, stdout, stderr } = await kfk(['broker', '-p', String(port), '-d', dataDir])
  server.close()
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toMatch(new RegExp(`Port ${port} on 127.0.0.1 is in use`))
  const { run } = await startBroker(['--data-dir', dataDir])
  await run.stop()
})

it('a data directory in use, or of another node, is exit code 1 and a message', async () => {
  const dataDir = await sandbox.directory()
  const first = await startBroker(['--data-dir', dataDir])
  const locked = await kfk(['broker', '--port', '0', '--data-dir', dataDir])
  expect(locked.code).toBe(1)
  expect(locked.stderr).toMatch(/in use by .*\n {5}stop the process that uses it/)
  await first.run.stop()
  const other = await kfk(['broker', '--port', '0', '--data-dir', dataDir, '--node-id', '2'])
  expect(other.code).toBe(1)
  expect(other.stderr).toContain('belongs to node 1, not to node 2')
})

it.each([
  [['--set', 'num.partition=3'], /Unknown broker config name: num\.partition/],
  [['--set', 'num.partitions=many'], /Invalid value 'many'/],
  [['--set', 'redis.durability=maybe'], /allowed are warn and strict/],
  [['--host', '0.0.0.0'], /--allow-insecure/],
  [['--coordination', 'zookeeper://x'], /unknown coordination/],
  [['--cluster', 'c'], /goes with --coordination redis/],
])('broker %j is exit code 2 and a message', async (args, message) => {
  const dataDir = await sandbox.directory()
  const { code, stderr } = await kfk(['broker', '--port', '0', '--data-dir', dataDir, ...args])
  expect(stderr).toMatch(message)
  expect(code).toBe(2)
})

it('a config file that is missing is exit code 1 and a message', async () => {
  const { code, stderr } = await kfk(['broker', '--config', '/nowhere/server.properties'])
  expect(code).toBe(1)
  expect(stderr).toContain('cannot read the config file /nowhere/server.properties')
})

it('Redis that is away is exit code 1 and a message without its password', async () => {
  const dataDir = await sandbox.directory()
  const url = 'redis://user:secret@127.0.0.1:1'
  const args = ['broker', '--port', '0', '--data-dir', dataDir, '--coordination', url]
  const { code, stderr } = await kfk(args)
  expect(code).toBe(1)
  expect(stderr).toContain('cannot reach Redis at redis://***@127.0.0.1:1')
  expect(stderr).not.toContain('secret')
})
