import { cp, open, readdir, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { nodeFileSystem, openLog } from '@kfk/log-store'
import { kfk, Sandbox } from './kfk-in-process'

const sandbox = new Sandbox()
const segment = '00000000000000000000'
let dataDir: string
beforeAll(async () => {
  dataDir = await sandbox.directory()
  const broker = await sandbox.broker({ dataDir })
  const env = { KFK_BROKERS: broker.brokers[0]! }
  const input = '{"key":"k","value":"v","headers":{"h":"1"}}\n{"key":"k","value":null}\n'
  await kfk(['topic', 'create', 'views', '-c', 'index.interval.bytes=1'], { env })
  await kfk(['produce', 'views', '--json', '-q', '-z', 'gzip'], { env, input })
  await kfk(['produce', 'views', '-q', '--acks', '1'], { env, input: 'text' })
  await kfk(['consume', 'views', '--group', 'readers', '--from', 'earliest', '-n', '3'], { env })
  await broker.close()
})
afterAll(() => sandbox.close())

const dump = (...args: string[]) => kfk(['dump', ...args])
const views = () => join(dataDir, 'views-0')

/** A copy to damage. */
async function copyOfViews(): Promise<string> {
  const dir = join(await sandbox.directory(), 'views-0')
  await cp(views(), dir, { recursive: true })
  return dir
}

/** Turns over the bits of one byte; a negative position counts from the end. */
async function damage(path: string, position: number): Promise<void> {
  const file = await open(path, 'r+')
  const byte = Buffer.alloc(1)
  const at = position < 0 ? (await file.stat()).size + position : position
  await file.read(byte, 0, 1, at)
  byte[0]! ^= 0xff
  await file.write(byte, 0, 1, at)
  await file.close()
}

it('prints batches and records of a segment', async () => {
  const path = join(views(), `${segment}.log`)
  const { code, stdout } = await dump('--records', path)
  expect(code).toBe(0)
  expect(stdout).toMatch(
    /position 0 size \d+ offsets 0\.\.1 records 2 .* compression gzip producer \d+:0 sequence 0\n/,
  )
  expect(stdout).toMatch(/^ {2}offset 0 timestamp \d+ key "k" value "v" headers h="1"$/m)
  expect(stdout).toMatch(/^ {2}offset 1 timestamp \d+ key "k" value tombstone$/m)
  expect(stdout).toMatch(/^ {2}offset 2 timestamp \d+ key - value "text"$/m)
  expect(stdout).toContain('2 batches, 3 records, next offset 3, 0 problems')
  expect((await dump(path)).stdout).not.toContain('timestamp 1 key')
})

it('prints indexes and checkpoints', async () => {
  const index = await dump(join(views(), `${segment}.index`))
  expect(index).toMatchObject({ code: 0 })
  expect(index.stdout).toMatch(/^offset 2 position \d+\n1 entry$/m)
  const time = await dump(join(views(), `${segment}.timeindex`))
  expect(time.stdout).toMatch(/^timestamp \d+ offset \d+$/m)
  const producers = await dump(join(views(), '00000000000000000003.snapshot'))
  expect(producers).toMatchObject({ code: 0 })
  expect(producers.stdout).toMatch(/^producer \d+ epoch 0 .* sequences 0\.\.1 at 0\.\.1$/m)
  const epochs = await dump(join(views(), 'leader-epoch-checkpoint'))
  expect(epochs.stdout).toMatch(/\n {2}0\n {2}1\n {2}1025 0\n$/)
  const points = await dump(join(dataDir, 'recovery-point-offset-checkpoint'))
  expect(points.stdout).toContain('  views 0 3\n')
  expect((await dump(join(dataDir, 'meta.properties'))).stdout).toContain('  node.id=1\n')
})

it('prints a whole data directory, with what is in internal topics', async () => {
  const { code, stdout } = await dump('--records', dataDir)
  expect(code).toBe(0)
  expect(stdout).toMatch(/cluster-founded \{"version":1,"clusterId":"/)
  expect(stdout).toMatch(/topic-created \{.*"name":"views"/)
  expect(stdout).toMatch(/offset of group "readers" in views-0: 3 epoch -?\d+ committed at \d+/)
  expect(stdout).toMatch(/group "readers": generation 1 type "consumer"/)
  const quiet = await dump('--quiet', dataDir)
  expect(quiet.code).toBe(0)
  expect(quiet.stdout).not.toContain('position')
})

it.each([
  ['a batch', `${segment}.log`, -1, /PROBLEM \S+\.log position \d+ .*(?:checksum|CRC|crc)/],
  ['a length', `${segment}.log`, 8, /PROBLEM \S+\.log .*at 0: /],
  ['an index', `${segment}.index`, -1, /PROBLEM \S+\.index offset 2 position \d+/],
  ['a time index', `${segment}.timeindex`, -9, /PROBLEM \S+\.timeindex timestamp \d+/],
  ['a snapshot', '00000000000000000003.snapshot', -1, /PROBLEM \S+\.snapshot not a snapshot/],
  ['a checkpoint', 'leader-epoch-checkpoint', 0, /PROBLEM \S+leader-epoch-checkpoint: .*checksum/],
])('a damaged byte of %s is found, with file and place', async (_of, name, position, message) => {
  const dir = await copyOfViews()
  await damage(join(dir, name), position)
  const { code, stdout } = await dump(dir)
  expect(stdout).toMatch(message)
  expect(code).toBe(1)
  expect(stdout).toMatch(/^\d+ problems? found$/m)
})

it('a segment that is cut short is found', async () => {
  const dir = await copyOfViews()
  await truncate(join(dir, `${segment}.log`), 100)
  const { code, stdout } = await dump('--quiet', dir)
  expect(code).toBe(1)
  expect(stdout).toMatch(/PROBLEM \S+\.log at 0: batch of \d+ bytes is cut short/)
})

it.each([
  ['recovery-point-offset-checkpoint', '1\n0\n', /line 1: version "1" is not known/],
  ['recovery-point-offset-checkpoint', '0\n2\na 0 1\n', /"2" entries are said to follow, 1 do/],
  ['log-start-offset-checkpoint', '0\n1\na 0\n', /line 3: "a 0" is not <topic>/],
  ['leader-epoch-checkpoint', '0\n2\n5 0\n4 9\n', /line 4: epochs and offsets must grow/],
  ['meta.properties', 'node.id=1\nnonsense\n', /line 2: "nonsense" is not <name>=<value>/],
])('a wrong %s (%j) is found', async (name, content, message) => {
  const path = join(await sandbox.directory(), name)
  await writeFile(path, content)
  const { code, stdout } = await dump(path)
  expect(stdout).toMatch(message)
  expect(code).toBe(1)
})

it('reads the frames of an embedded log when told to', async () => {
  const dir = await sandbox.directory()
  {
    await using log = await openLog(dir)
    await log.append(Buffer.from('payload'))
  }
  for (const format of [[], ['--format', 'frame']]) {
    const { code, stdout } = await dump(...format, dir)
    expect(code).toBe(0)
    expect(stdout).toContain('1 batch, 1 record, next offset 1, 0 problems')
  }
  expect((await dump('--format', 'kafka', dir)).code).toBe(1)
})

describe('--repair', () => {
  const kept = new RegExp(`kfk\\.quarantine\\.\\d+\\.${segment}\\.log`)

  /** A data directory with one log, its first batch spoilt. */
  async function spoilt(): Promise<string> {
    const dir = await sandbox.directory()
    await cp(views(), join(dir, 'views-0'), { recursive: true })
    await damage(join(dir, 'views-0', `${segment}.log`), 70)
    return dir
  }

  async function lockOf(dir: string): Promise<AsyncDisposable> {
    const { release } = await nodeFileSystem.lock(dir)
    return { [Symbol.asyncDispose]: release }
  }

  it('mends a log, says what is lost and keeps what it takes out', async () => {
    const dir = await spoilt()
    const log = join(dir, 'views-0')
    expect((await dump(dir)).code).toBe(1)
    const planned = await dump('--repair', '--dry-run', dir)
    expect(planned.code).toBe(1)
    expect(planned.stdout).toContain('dry run: nothing was changed\n1 log to repair\n')
    expect((await readdir(log)).filter((name) => kept.test(name))).toEqual([])
    const { code, stdout } = await dump('--repair', dir)
    expect(code).toBe(1)
    expect(stdout).toContain(`${log}: 1 segment, 1 valid batch\n`)
    expect(stdout).toMatch(
      /at byte 0: .*(?:checksum|CRC|crc).* bytes set aside in kfk\.quarantine\.0/,
    )
    expect(stdout).toContain('  lost: offsets 0 to 1 (2)\n')
    expect(stdout).toContain('  the log goes on at offset 3\n1 log repaired\n')
    expect((await readdir(log)).filter((name) => kept.test(name))).toHaveLength(1)
    expect((await dump(dir)).code).toBe(0)
    const again = await dump('--repair', log)
    expect(again.code).toBe(0)
    expect(again.stdout).toContain('nothing to repair')
  })

  it('mends the frames of an embedded log', async () => {
    const dir = await sandbox.directory()
    {
      await using log = await openLog(dir)
      for (const text of ['one', 'two', 'three']) await log.append(text)
    }
    await damage(join(dir, 'log-0', `${segment}.log`), -1)
    const { stdout } = await dump('--repair', dir)
    expect(stdout).toContain('  lost: offset 2\n')
    await using log = await openLog(dir)
    expect(await log.append('four')).toBe(3)
  })

  it('does nothing while a process has the directory', async () => {
    const dir = await spoilt()
    await using _lock = await lockOf(dir)
    const { code, stderr } = await dump('--repair', join(dir, 'views-0'))
    expect(code).toBe(1)
    expect(stderr).toContain(dir)
    expect(stderr).toContain('stop the process that has it')
  })

  it.each([
    [['--repair', '--records', '.'], 2, 'leave out --records'],
    [['--dry-run', '.'], 2, '--dry-run goes with --repair'],
    [['--repair', '/nowhere'], 1, 'there is no /nowhere'],
  ])('%j is refused', async (args, status, message) => {
    const { code, stderr } = await dump(...args)
    expect(code).toBe(status)
    expect(stderr).toContain(message)
  })
})

it('notes of damage are problems until it is mended', async () => {
  const dir = await copyOfViews()
  const place = { baseOffset: 0, position: 7, offset: 1, reason: 'checksum', foundMs: 5 }
  await writeFile(join(dir, 'kfk.quarantine'), JSON.stringify([place]))
  await writeFile(join(dir, 'kfk.offset-gaps'), '12\n')
  const { code, stdout } = await dump('--quiet', dir)
  expect(code).toBe(1)
  expect(stdout).toMatch(
    /PROBLEM \S+kfk\.quarantine damaged: segment 0 at byte 7, offset 1 \(checksum\)/,
  )
  await writeFile(join(dir, 'kfk.quarantine'), '[]\n')
  expect((await dump('--quiet', dir)).code).toBe(0)
})

it('what is not there, or no log file, is an error', async () => {
  const missing = await dump('/nowhere')
  expect(missing.code).toBe(1)
  expect(missing.stderr).toContain('there is no /nowhere')
  expect(missing.stderr).not.toContain('ENOENT')
  const path = join(await sandbox.directory(), 'notes.txt')
  await writeFile(path, '')
  const other = await dump(path)
  expect(other.code).toBe(1)
  expect(other.stderr).toContain('is none of .log')
  expect(await readdir(views())).toContain(`${segment}.log`)
})
