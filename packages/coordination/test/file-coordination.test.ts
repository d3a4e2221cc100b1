import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Coordination,
  type EmbeddedCoordination,
  fileCoordination,
  JOURNAL_FILE_NAME,
  type JournalStorage,
} from '@kfk/coordination'
import { coordinationCompliance } from '@kfk/coordination/compliance'
import { VirtualClock } from './virtual-clock.js'

let directory = ''
beforeEach(async () => (directory = await mkdtemp(join(tmpdir(), 'kfk-coordination-'))))
afterEach(() => rm(directory, { recursive: true, force: true }))

const journal = () => join(directory, JOURNAL_FILE_NAME)
const lockFile = () => `${journal()}.lock`

async function put(coordination: Coordination, key: string, value: string | null): Promise<void> {
  const expectedVersion = (await coordination.get(key))?.version ?? 0
  await coordination.compareAndSet(key, { expectedVersion, value })
}

async function stored(): Promise<Record<string, string>> {
  const coordination = await fileCoordination(directory)
  const entries = await coordination.list('')
  await coordination.close()
  return Object.fromEntries(entries.map(({ key, value }) => [key, value]))
}

coordinationCompliance({
  describe,
  test,
  capabilities: { durable: true },
  factory: async () => {
    const clock = new VirtualClock()
    let first = await fileCoordination(directory, { clock })
    let all: EmbeddedCoordination[] = [first]
    const close = () => Promise.all(all.map((each) => each.close()))
    return {
      async connect() {
        const next = first.connect()
        all.push(next)
        return next
      },
      pass: (durationMs) => clock.pass(durationMs),
      async cutOff(coordination) {
        const target = all.find((other) => other === coordination)!
        target.cut()
        return async () => target.heal()
      },
      async reopen() {
        await close()
        first = await fileCoordination(directory, { clock })
        all = [first]
        return first
      },
      async close() {
        await close()
        expect(clock.pending).toBe(0)
      },
    }
  },
})

test('every cut of the last line gives the state before it; damage elsewhere is refused', async () => {
  const coordination = await fileCoordination(directory)
  await put(coordination, 'a', '1')
  const before = (await readFile(journal())).length
  await put(coordination, 'b', '2')
  const bytes = await readFile(journal())
  await coordination.close()
  for (let length = before; length < bytes.length; length++) {
    await writeFile(journal(), bytes.subarray(0, length))
    expect(await stored()).toEqual({ a: '1' })
  }
  await writeFile(journal(), bytes)
  expect(await stored()).toEqual({ a: '1', b: '2' })
  for (const position of [0, 20, before - 5]) {
    const damaged = Buffer.from(bytes)
    damaged[position]! ^= 1
    await writeFile(journal(), damaged)
    await expect(fileCoordination(directory)).rejects.toMatchObject({
      code: 'KFK_COORDINATION_INVALID_VALUE',
    })
  }
})

test('a file of another format or of a newer version is refused', async () => {
  for (const content of ['', 'something else\n', '00000000 {}\n']) {
    await writeFile(journal(), content)
    await expect(fileCoordination(directory)).rejects.toMatchObject({
      code: 'KFK_COORDINATION_INVALID_VALUE',
    })
  }
})

test('the file stays small under many changes', async () => {
  const coordination = await fileCoordination(directory)
  for (let round = 0; round < 300; round++) await put(coordination, 'k', `${round}`.repeat(500))
  expect((await stat(journal())).size).toBeLessThan(128 * 1024)
  await coordination.close()
  expect(await stored()).toEqual({ k: '299'.repeat(500) })
})

test('a second owner is refused; the lock of a dead process is taken over', async () => {
  const first = await fileCoordination(directory)
  await expect(fileCoordination(directory)).rejects.toMatchObject({
    code: 'KFK_COORDINATION_LOCKED',
  })
  await first.close()
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
  await once(child, 'spawn')
  const procStat = await readFile(`/proc/${child.pid}/stat`, 'utf8').catch(() => '')
  const startTicks = procStat.slice(procStat.lastIndexOf(')') + 2).split(' ')[19] ?? null
  await writeFile(lockFile(), JSON.stringify({ pid: child.pid, startTicks, host: hostname() }))
  await expect(fileCoordination(directory)).rejects.toMatchObject({
    code: 'KFK_COORDINATION_LOCKED',
    details: { pid: child.pid },
  })
  child.kill('SIGKILL')
  await once(child, 'exit')
  await (await fileCoordination(directory)).close()
  await writeFile(lockFile(), 'nonsense')
  await (await fileCoordination(directory)).close()
  await expect(stat(lockFile())).rejects.toMatchObject({ code: 'ENOENT' })
})

const linuxTest = process.platform === 'linux' ? test : test.skip
linuxTest('the lock of a dead process that nobody has buried is taken over', async () => {
  // What the shell turns into never asks for the end of the shell's child; the child ends after that,
  // for the shell itself would have asked.
  const parent = spawn('sh', ['-c', 'exec 3<&0; cat <&3 & echo $!; exec sleep 60'])
  const [said] = (await once(parent.stdout, 'data')) as [Buffer]
  const pid = Number(said.toString())
  const name = () => readFileSync(`/proc/${parent.pid}/comm`, 'utf8').trim()
  while (name() !== 'sleep') await new Promise(setImmediate)
  parent.stdin.end()
  const stat = () => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  while (stat()[0] !== 'Z') await new Promise(setImmediate)
  const startTicks = stat()[19]
  await writeFile(lockFile(), JSON.stringify({ pid, startTicks, host: hostname() }))
  const taken = await fileCoordination(directory)
  await taken.close()
  parent.kill('SIGKILL')
  await once(parent, 'exit')
})

test('a disk that refuses writes makes calls unavailable; when it heals, nothing is missing', async () => {
  let content: Uint8Array | undefined
  let broken = false
  const fail = () => {
    if (broken) throw new Error('ENOSPC')
  }
  const storage: JournalStorage = {
    read: async () => content,
    async replace(bytes) {
      fail()
      content = bytes
    },
    async append(bytes) {
      // A part gets through: the end of the file is garbage from now on.
      content = Buffer.concat([content!, broken ? bytes.subarray(0, 5) : bytes])
      fail()
    },
    close: async () => {},
  }
  const coordination = await fileCoordination(directory, { storage })
  await put(coordination, 'a', '1')
  broken = true
  const refusedWrite = put(coordination, 'b', '2')
  await expect(refusedWrite).rejects.toMatchObject({
    code: 'KFK_COORDINATION_UNAVAILABLE',
    retriable: true,
  })
  const session = { key: 's', value: '', ttlMs: 1000 }
  await expect(coordination.openSession(session)).rejects.toMatchObject({
    code: 'KFK_COORDINATION_UNAVAILABLE',
  })
  expect(await coordination.get('s')).toBeUndefined()
  broken = false
  await put(coordination, 'c', '3')
  await coordination.close()
  const again = await fileCoordination(directory, { storage })
  expect((await again.list('')).map((entry) => entry.key)).toEqual(['a', 'b', 'c'])
  await again.close()
})
