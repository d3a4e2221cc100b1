// Property: SIGKILL at any moment loses no acknowledged record, and the lock goes with the process.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildSync } from 'esbuild'
import { openLogDirectory } from '../src/index'
import { readAll } from './support/records'

const cycles = 6
let directory: string
let program: string

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'kfk-kill-'))
  program = join(directory, 'appending-process.cjs')
  buildSync({
    entryPoints: [join(__dirname, 'support/appending-process.ts')],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
  })
})
afterAll(() => rmSync(directory, { recursive: true }))

/** Resolves with the last acknowledged offset that the process told before it died. */
function killAfter(child: ChildProcess, acknowledgements: number): Promise<number> {
  let told = ''
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.stdout!.on('data', (chunk: Buffer) => {
      told += chunk.toString()
      if (told.split('\n').length > acknowledgements) child.kill('SIGKILL')
    })
    child.on('close', (code) => {
      if (code !== null) reject(new Error(`the process ended by itself: ${code}`))
      else resolve(Number(told.trimEnd().split('\n').at(-1)))
    })
  })
}

test.each(['system lock', 'portable lock'])(
  'killed and recovered again and again, %s',
  async (kind) => {
    const path = join(directory, kind.replace(' ', '-'))
    const env = { ...process.env, KFK_PORTABLE_LOCK: kind === 'portable lock' ? '1' : '0' }
    for (let cycle = 1; cycle <= cycles; cycle++) {
      const child = spawn(process.execPath, [program, path, String(cycle)], {
        env,
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const acknowledged = await killAfter(child, 5 + cycle * 9)
      expect(acknowledged).toBeGreaterThan(0)
      const store = await openLogDirectory(path, { checkpointMs: 0 })
      expect(store.cleanStart).toBe(false)
      const log = await store.open('a-0')
      expect(log.logEndOffset).toBeGreaterThanOrEqual(acknowledged)
      const found = await readAll(log, 100_000)
      expect(found.size).toBe(log.logEndOffset)
      for (const [offset, text] of found) expect(text.startsWith(`record ${offset} `)).toBe(true)
      await store.close()
    }
  },
)

test('while the process lives its directory is refused, naming it', async () => {
  const path = join(directory, 'held')
  const child = spawn(process.execPath, [program, path, '1'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await new Promise((resolve) => child.stdout.once('data', resolve))
  const refused = { code: 'KFK_STORE_LOCKED', retriable: false, details: { pid: child.pid, path } }
  await expect(openLogDirectory(path)).rejects.toMatchObject(refused)
  await expect(openLogDirectory(path)).rejects.toThrow(`process ${child.pid}`)
  const ended = new Promise((resolve) => child.once('close', resolve))
  child.kill('SIGKILL')
  await ended
  const store = await openLogDirectory(path)
  await store.close()
})
