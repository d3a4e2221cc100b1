import { randomUUID } from 'node:crypto'
import * as fs from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { errnoOf, isOutOfSpace, StoreError } from '../errors.js'

// Two layers. `.lock` is the file that Kafka locks too: an advisory lock of the system, gone with
// the process however it ends, taken when fs-native-extensions is installed. `kfk.lock` names the
// holder and is the lock where the native module is absent: it holds while that very process runs.

interface Holder {
  readonly pid: number
  /** Tells the process from a later one with the same pid; empty where the system does not say. */
  readonly startedAt: string
  readonly host: string
  readonly boot: string
  /** The holder has the system's lock as well. */
  readonly native: boolean
  /** Tells two holders within one process apart. */
  readonly token: string
}

interface NativeLocks {
  tryLock(descriptor: number): boolean
}

const heldHere = new Set<string>()
const nativeModule: string = 'fs-native-extensions'

/** Takes `path`. Throws KFK_STORE_LOCKED naming directory and holder. */
export async function lockDirectory(path: string): Promise<{ release(): Promise<void> }> {
  const native = await loadNativeLocks()
  const lockPath = join(path, '.lock')
  const holderPath = join(path, 'kfk.lock')
  const descriptor = fs.openSync(lockPath, 'a+')
  try {
    if (native !== undefined && !native.tryLock(descriptor)) {
      throw lockedError(path, readHolder(holderPath))
    }
    const holder = claim(path, { holderPath, native: native !== undefined })
    heldHere.add(holder.token)
    return {
      async release() {
        heldHere.delete(holder.token)
        if (readHolder(holderPath)?.token === holder.token) fs.rmSync(holderPath, { force: true })
        fs.closeSync(descriptor)
      },
    }
  } catch (error) {
    fs.closeSync(descriptor)
    throw error
  }
}

async function loadNativeLocks(): Promise<NativeLocks | undefined> {
  if (process.env['KFK_PORTABLE_LOCK'] === '1') return undefined
  try {
    const loaded = (await import(nativeModule)) as NativeLocks & { default?: NativeLocks }
    return loaded.default ?? loaded
  } catch {
    return undefined
  }
}

function claim(path: string, options: { holderPath: string; native: boolean }): Holder {
  const mine: Holder = { ...thisProcess(), native: options.native, token: randomUUID() }
  for (let attempt = 0; attempt < 3; attempt++) {
    const other = readHolder(options.holderPath)
    if (other !== undefined) {
      if (isHeld(other, options.native)) throw lockedError(path, other)
      fs.rmSync(options.holderPath, { force: true })
    } else if (fs.existsSync(options.holderPath)) {
      // Unreadable: torn by a crash while it was written.
      fs.rmSync(options.holderPath, { force: true })
    }
    try {
      fs.writeFileSync(options.holderPath, `${JSON.stringify(mine)}\n`, { flag: 'wx' })
      return mine
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') continue
      // Empty or half of it would look like that of a holder who is just writing it.
      fs.rmSync(options.holderPath, { force: true })
      // The system's lock does without: what a full disk holds can be read, and made room of.
      if (options.native && isOutOfSpace(error)) return mine
      throw error
    }
  }
  throw lockedError(path, readHolder(options.holderPath))
}

function isHeld(holder: Holder, native: boolean): boolean {
  const here = thisProcess()
  if (holder.pid === here.pid && holder.startedAt === here.startedAt) {
    return heldHere.has(holder.token)
  }
  // Whoever had the system's lock, which we hold now, is gone; only its file is left.
  if (native && holder.native) return false
  // Process ids of another host or container mean nothing here: better refuse than share.
  if (holder.host !== here.host) return true
  if (holder.boot !== here.boot) return false
  return processStart(holder.pid) === holder.startedAt && isAlive(holder.pid)
}

function thisProcess(): Omit<Holder, 'token' | 'native'> {
  return {
    pid: process.pid,
    startedAt: processStart(process.pid),
    host: hostname(),
    boot: readText('/proc/sys/kernel/random/boot_id').trim(),
  }
}

/**
 * Start time in clock ticks since boot, field 22 of /proc/<pid>/stat; empty where there is no
 * /proc.
 */
function processStart(pid: number): string {
  const stat = readText(`/proc/${pid}/stat`)
  // The second field is the command in parentheses and may hold spaces.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    // Killed, but its parent has not asked for its end, which in a container nobody may do.
    return !/\) [ZX] /.test(readText(`/proc/${pid}/stat`))
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function readText(path: string): string {
  try {
    return fs.readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function readHolder(path: string): Holder | undefined {
  try {
    const parsed: unknown = JSON.parse(readText(path))
    if (typeof parsed !== 'object' || parsed === null) return undefined
    const holder = parsed as Partial<Record<keyof Holder, unknown>>
    if (typeof holder.pid !== 'number' || typeof holder.token !== 'string') return undefined
    return parsed as Holder
  } catch {
    return undefined
  }
}

function lockedError(path: string, holder: Holder | undefined): StoreError {
  const who = holder === undefined ? 'another process' : `process ${holder.pid} on ${holder.host}`
  return new StoreError('KFK_STORE_LOCKED', `directory ${path} is in use by ${who}`, {
    details: { path, pid: holder?.pid, host: holder?.host },
  })
}
