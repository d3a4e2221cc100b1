// Property: SIGKILL at any moment, that of recovery included, loses no acknowledged record, doubles and
// moves none; and the lock goes with the process.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLogDirectory } from '../src/index'
import { bundleProcess } from './support/bare-node'
import { rounds } from './support/proofs'
import { killCycles } from './support/kill-cycles'

let directory: string
let program: string

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'kfk-kill-'))
  program = bundleProcess(join(__dirname, 'support'), 'appending-process', directory)
})
afterAll(() => rmSync(directory, { recursive: true }))

test('killed and recovered again and again, with the system lock and with the portable one', async () => {
  const run = (portableLock: boolean) =>
    killCycles({
      path: join(directory, portableLock ? 'portable' : 'system'),
      program,
      cycles: rounds(100, 8),
      seed: portableLock ? 2 : 1,
      portableLock,
    })
  const results = await Promise.all([run(false), run(true)])
  for (const result of results) {
    process.stdout.write(`kill -9: ${JSON.stringify(result)}\n`)
    expect(result.killedWhileOpening).toBeGreaterThan(rounds(5, 0))
    expect(result.acknowledged).toBeGreaterThan(rounds(100, 5))
  }
}, 300_000)

describe.each(['the system lock', 'the portable lock'])('with %s', (kind) => {
  const lock = kind === 'the portable lock' ? '1' : ''
  beforeEach(() => void (process.env['KFK_PORTABLE_LOCK'] = lock))
  afterEach(() => void delete process.env['KFK_PORTABLE_LOCK'])

  test('while the process lives its directory is refused, naming it', async () => {
    const path = join(directory, `held by ${kind}`)
    const child = spawn(process.execPath, [program, path, '1'], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, KFK_PORTABLE_LOCK: lock },
    })
    await new Promise<void>((resolve) => {
      child.stdout.on('data', (chunk: Buffer) => {
        if (chunk.includes('open ')) resolve()
      })
    })
    const refused = {
      code: 'KFK_STORE_LOCKED',
      retriable: false,
      details: { pid: child.pid, path },
    }
    await expect(openLogDirectory(path)).rejects.toMatchObject(refused)
    await expect(openLogDirectory(path)).rejects.toThrow(`process ${child.pid}`)
    const ended = new Promise((resolve) => child.once('close', resolve))
    child.kill('SIGKILL')
    await ended
    const store = await openLogDirectory(path)
    await store.close()
  })
})
