// Property: `kfk-log-dump --repair`, as it is installed, says what it found, keeps what it takes out, ends
// with the status that it promises, and leaves a directory alone that somebody has open.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLogDirectory } from '../src/index'
import { bundleProcess } from './support/bare-node'
import { readAll, record } from './support/records'

const bin = join(__dirname, '../bin/kfk-log-dump.js')
const recordBytes = record('record 00').length
const name = 'z-9'
const segment = '00000000000000000005.log'
let home: string
let directory: string

beforeEach(async () => {
  if (!existsSync(join(__dirname, '../dist/bin.js'))) {
    throw new Error(
      'log-store is not built: run `npm run build`, or `npm test`, which builds first',
    )
  }
  home = mkdtempSync(join(tmpdir(), 'kfk-log-dump-'))
  directory = join(home, 'data')
  const defaults = { segmentBytes: 5 * recordBytes }
  await using store = await openLogDirectory(directory, { defaults })
  const log = await store.open(name)
  for (let n = 0; n < 15; n++) {
    log.append(record(`record ${String(n).padStart(2, '0')}`), { leaderEpoch: 1 })
  }
  await log.whenDurable(15)
})
afterEach(() => rmSync(home, { recursive: true }))

function runDump(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, ...args])
  return { status, stdout: stdout.toString(), stderr: stderr.toString() }
}

/** A bit of the third batch of the second segment; answers the segment as it was and as it is. */
function damage(): { path: string; damaged: Buffer } {
  const path = join(directory, name, segment)
  const damaged = readFileSync(path)
  damaged[3 * recordBytes - 1]! ^= 1
  writeFileSync(path, damaged)
  return { path, damaged }
}

test('a damaged log is repaired, what was cut is kept, and status and words say so', async () => {
  const { path, damaged } = damage()
  const at = 2 * recordBytes
  const aside = `kfk.quarantine.${at}.${segment}.cut`
  const told = [
    `${segment} at byte ${at}: `,
    `${recordBytes} bytes set aside in ${aside}`,
    'lost: offset 7',
  ]
  const names = readdirSync(join(directory, name)).sort()
  const dry = runDump('--repair', '--dry-run', directory)
  expect(dry).toMatchObject({ status: 1, stderr: '' })
  expect(readdirSync(join(directory, name)).sort()).toEqual(names)
  expect(readFileSync(path)).toEqual(damaged)

  const repaired = runDump('--repair', directory)
  expect(repaired).toMatchObject({ status: 1, stderr: '' })
  for (const words of told) expect(repaired.stdout).toContain(words)
  const kept = readFileSync(join(directory, name, aside))
  expect(kept).toEqual(damaged.subarray(at, at + recordBytes))

  expect(runDump('--repair', directory)).toMatchObject({ status: 0, stderr: '' })
  await using store = await openLogDirectory(directory)
  const found = await readAll(await store.open(name))
  expect([...found.keys()]).toEqual([0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14])
  expect(found.get(8)).toBe('record 08')
})

test.each(['the system lock', 'the portable lock'])(
  'while a process has the directory nothing is touched, with %s',
  async (kind) => {
    const { path, damaged } = damage()
    const program = bundleProcess(join(__dirname, 'support'), 'appending-process', home)
    const env = { ...process.env, KFK_PORTABLE_LOCK: kind === 'the portable lock' ? '1' : '' }
    const holder = spawn(process.execPath, [program, directory, '1'], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env,
    })
    const ended = new Promise((resolve) => holder.once('close', resolve))
    try {
      await new Promise<void>((resolve) => {
        holder.stdout.on('data', (chunk: Buffer) => {
          if (chunk.includes('open ')) resolve()
        })
      })
      const { status, stdout, stderr } = spawnSync(process.execPath, [bin, '--repair', directory], {
        env,
      })
      expect(status).toBe(2)
      expect(stdout.toString()).toBe('')
      expect(stderr.toString()).toContain(`${directory} is in use by process ${holder.pid}`)
    } finally {
      holder.kill('SIGKILL')
      await ended
    }
    expect(readFileSync(path)).toEqual(damaged)
    const asides = readdirSync(join(directory, name)).filter((name) => name.endsWith('.cut'))
    expect(asides).toEqual([])
  },
)

test('what is not there is not repaired', () => {
  const absent = join(home, 'absent')
  const { status, stdout, stderr } = runDump('--repair', absent)
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
  expect(stderr).toContain(absent)
})
