// Kills a process that appends, again and again at random moments, and compares what is left with
// what it had acknowledged.
import { type ChildProcess, spawn } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLogDirectory } from '../../src/index'
import { readAll } from './records'
import { seededRandom } from './seeded-random'

export interface KillOptions {
  /** The directory of the logs. */
  readonly path: string
  /** From `bundleProcess`: the appending process. */
  readonly program: string
  readonly cycles: number
  readonly seed: number
  /** Without the native module's lock. */
  readonly portableLock?: boolean
}

export interface KillResult {
  readonly cycles: number
  /** Of these, killed before the directory was open: most often while it was being recovered. */
  readonly killedWhileOpening: number
  readonly acknowledged: number
  /** Records compared after the kills, the same ones several times. */
  readonly compared: number
}

/** Throws when anything acknowledged is lost, or anything is there twice or out of order. */
export async function killCycles(options: KillOptions): Promise<KillResult> {
  const random = seededRandom(options.seed)
  const judge = new Judge(options.path)
  let killedWhileOpening = 0
  try {
    for (let cycle = 1; cycle <= options.cycles; cycle++) {
      const whileOpening = random() < 0.35
      const delayMs = random() * (whileOpening ? 10 : 60)
      const child = startAppending(options, cycle)
      if (!(await killAfter(child, { delayMs, whileOpening, judge }))) killedWhileOpening++
      await judge.compare(cycle)
    }
  } finally {
    judge.end()
  }
  const { acknowledged, compared } = judge
  return { cycles: options.cycles, killedWhileOpening, acknowledged, compared }
}

function startAppending(options: KillOptions, cycle: number): ChildProcess {
  const lock = options.portableLock === true ? '1' : '0'
  return spawn(process.execPath, [options.program, options.path, String(cycle)], {
    env: { ...process.env, KFK_PORTABLE_LOCK: lock },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

/**
 * Kills so long after the process began to open, or after it had opened. Answers whether it had
 * opened.
 */
function killAfter(
  child: ChildProcess,
  how: { readonly delayMs: number; readonly whileOpening: boolean; readonly judge: Judge },
): Promise<boolean> {
  let rest = ''
  let opened = false
  let armed = false
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.stdout!.setEncoding('latin1').on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop()!
      opened ||= lines.some((line) => line.startsWith('open '))
      try {
        for (const line of lines) how.judge.told(line)
      } catch (error) {
        reject(error as Error)
      }
      if (armed || (!how.whileOpening && !opened)) return
      armed = true
      setTimeout(() => child.kill('SIGKILL'), how.delayMs)
    })
    child.on('close', (code, signal) => {
      if (signal === 'SIGKILL') resolve(opened)
      else reject(new Error(`the process ended by itself: ${code ?? signal}`))
    })
  })
}

/** Knows what was acknowledged, and what was there after the last kill. */
class Judge {
  acknowledged = 0
  compared = 0
  readonly #path: string
  /** A copy is looked at, so that it is the next process that recovers, and may be killed at it. */
  readonly #copy: string
  /** By log: all below must be there. */
  readonly #promised = new Map<string, number>()
  readonly #found = new Map<string, Map<number, string>>()

  constructor(path: string) {
    this.#path = path
    // Copies need not survive anything.
    this.#copy = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'kfk-killed-'))
  }

  told(line: string): void {
    const match = /^(?:open )?(\S+) (\d+)$/.exec(line)
    if (match === null) return
    const [name, offset] = [match[1]!, Number(match[2])]
    const before = this.#promised.get(name) ?? 0
    if (!line.startsWith('open ')) this.acknowledged += Math.max(0, offset - before)
    else if (offset < before) throw new Error(`${name} opened at ${offset} after ${before}`)
    this.#promised.set(name, Math.max(before, offset))
  }

  async compare(cycle: number): Promise<void> {
    if (!existsSync(this.#path)) return
    rmSync(this.#copy, { recursive: true })
    cpSync(this.#path, this.#copy, { recursive: true })
    const directory = await openLogDirectory(this.#copy, { checkpointMs: 0 })
    if (directory.cleanStart) throw new Error('a killed process left the mark of a clean stop')
    for (const [name, end] of this.#promised) {
      const log = await directory.open(name)
      const where = `cycle ${cycle}, ${name}`
      if (log.logEndOffset < end) throw new Error(`${where}: ends at ${log.logEndOffset}: ${end}`)
      const found = await readAll(log, 100_000)
      this.compared += found.size
      if (found.size !== log.logEndOffset - log.logStartOffset) {
        throw new Error(`${where}: ${found.size} records from ${log.logStartOffset}`)
      }
      requireOrder(found, where)
      for (const [offset, text] of this.#found.get(name) ?? []) {
        if (offset < log.logStartOffset || found.get(offset) === text) continue
        throw new Error(`${where}: at ${offset} ${text} became ${found.get(offset)}`)
      }
      this.#found.set(name, found)
    }
    await directory.close()
  }

  end(): void {
    rmSync(this.#copy, { recursive: true, force: true })
  }
}

/** Records of a cycle follow each other without a gap, later cycles come later, none is there twice. */
function requireOrder(found: ReadonlyMap<number, string>, where: string): void {
  let before = { cycle: -1, count: -1 }
  let due: number | undefined
  for (const [offset, text] of found) {
    const [, cycle, count] = text.split(' ').map(Number) as [number, number, number]
    const follows =
      (cycle === before.cycle && count === before.count + 1) ||
      // The first record that is left may be any.
      (cycle > before.cycle && (count === 0 || due === undefined))
    if (!follows || (due !== undefined && offset !== due)) {
      throw new Error(
        `${where}: at ${offset} record ${count} of cycle ${cycle}` +
          ` after record ${before.count} of ${before.cycle}`,
      )
    }
    before = { cycle, count }
    due = offset + 1
  }
}
