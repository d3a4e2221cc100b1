import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { builtKfk, KfkProcess, runBuilt } from './built-kfk'
import { Sandbox } from './kfk-in-process'

const sandbox = new Sandbox()
const running = new Set<KfkProcess>()
afterAll(async () => {
  for (const each of running) await each.kill('SIGKILL')
  await sandbox.close()
})

async function startBroker(dataDir: string, ...args: string[]) {
  const broker = new KfkProcess(['broker', '--port', '0', '--data-dir', dataDir, ...args])
  running.add(broker)
  const [, address] = await broker.says(/listening on (\S+:\d+)/)
  return { broker, address: address! }
}

it('SIGTERM stops a broker cleanly', async () => {
  const dataDir = await sandbox.directory()
  const { broker, address } = await startBroker(dataDir)
  const args = ['produce', 'views', '--brokers', address]
  expect(await runBuilt(args, { input: 'a\nb\n' })).toMatchObject({ code: 0 })
  expect(await broker.kill('SIGTERM')).toEqual({ code: 0, signal: null })
  expect(broker.stdout).toMatch(/^listening on [^\n]*\n$/)
  expect(broker.stderr).toContain('stopped')
  expect((await runBuilt(['dump', '--quiet', dataDir])).code).toBe(0)
})

it('SIGKILL takes no acknowledged record, and its lock does not outlive it', async () => {
  const dataDir = await sandbox.directory()
  const first = await startBroker(dataDir)
  const input = Array.from({ length: 1000 }, (_, index) => `${index}\n`).join('')
  const produced = await runBuilt(['produce', 'views', '-b', first.address], { input })
  expect(produced.stderr).toContain('produced 1000 records')
  await first.broker.kill('SIGKILL')
  const second = await startBroker(dataDir)
  const consumed = await runBuilt(['consume', 'views', '-b', second.address, '--to-end'])
  expect(consumed.stdout).toBe(input)
  expect(await second.broker.kill('SIGINT')).toEqual({ code: 0, signal: null })
})

it('a port or a data directory in use is told in one line, with exit code 1', async () => {
  const dataDir = await sandbox.directory()
  const { broker, address } = await startBroker(dataDir)
  const port = address.split(':')[1]!
  const other = await sandbox.directory()
  const busy = await runBuilt(['broker', '--port', port, '--data-dir', other])
  expect(busy).toMatchObject({ code: 1, stdout: '' })
  expect(busy.stderr).toMatch(/^kfk: Port \d+ on 127\.0\.0\.1 is in use: [^\n]*\n$/)
  const locked = await runBuilt(['broker', '--port', '0', '--data-dir', dataDir])
  expect(locked).toMatchObject({ code: 1, stdout: '' })
  expect(locked.stderr).toMatch(/^kfk: [^\n]* in use by process \d+[^\n]*\n {5}stop the process/)
  await broker.kill('SIGTERM')
})

it('`kfk consume | head -1` ends quietly, and Ctrl-C ends a consumer cleanly', async () => {
  const { broker, address } = await startBroker(await sandbox.directory())
  const input = Array.from({ length: 50_000 }, (_, index) => `line ${index}\n`).join('')
  await runBuilt(['produce', 'views', '--brokers', address, '--quiet'], { input })
  const consume = `consume views --brokers ${address} --from earliest`
  // $0 is node, $1 the program; the status is that of kfk, not of head.
  const script = `"$0" "$1" ${consume} | head -1; exit \${PIPESTATUS[0]}`
  const shell = spawn('bash', ['-c', script, process.execPath, builtKfk()])
  let said = ''
  shell.stdout.on('data', (text: Buffer) => (said += text.toString()))
  shell.stderr.on('data', (text: Buffer) => (said += text.toString()))
  const [code] = (await once(shell, 'close')) as [number]
  expect({ code, said }).toEqual({ code: 0, said: 'line 0\n' })
  const follower = new KfkProcess(consume.split(' '))
  running.add(follower)
  await follower.says(/line 49999\n/)
  expect(await follower.kill('SIGINT')).toEqual({ code: 0, signal: null })
  expect(follower.stderr).toBe('')
  await broker.kill('SIGTERM')
})

it('says its version at once, without loading a broker', async () => {
  expect(await runBuilt(['--version'])).toMatchObject({ code: 0, stderr: '' })
})
