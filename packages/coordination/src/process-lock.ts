import { randomUUID } from 'node:crypto'
import { link, readFile, rename, unlink, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { CoordinationError } from './coordination-error.js'

/**
 * Paths locked by this process: the pid alone cannot tell two owners in one process, or a crashed
 * pid 1 of a container, apart.
 */
const heldHere: Set<string> = ((globalThis as Record<symbol, unknown>)[
  Symbol.for('kfk.coordination.locks')
] ??= new Set<string>()) as Set<string>

/**
 * Takes the lock file at `path` for this process, or throws `KFK_COORDINATION_LOCKED`. A lock whose
 * process is gone is taken over. It guards against a second process on the same machine; a
 * directory shared between machines has no such guard.
 */
export async function acquireProcessLock(path: string): Promise<{ release(): Promise<void> }> {
  const content = JSON.stringify({
    pid: process.pid,
    startTicks: (await processStat(process.pid))?.startTicks ?? null,
    host: hostname(),
  })
  if (heldHere.has(path)) throw locked(path, process.pid)
  heldHere.add(path)
  const own = `${path}.${randomUUID()}`
  try {
    await writeFile(own, content)
    for (let attempt = 0; !(await tryLink(own, path)); attempt++) {
      const pid = await livingOwner(path)
      // Each failed attempt means that another process was faster; the third time it is somebody
      // who stays.
      if (pid !== undefined || attempt === 3) throw locked(path, pid)
      await rename(path, `${own}.stale`).catch(ignoreMissing)
      await unlink(`${own}.stale`).catch(ignoreMissing)
    }
  } catch (error) {
    heldHere.delete(path)
    throw error
  } finally {
    await unlink(own).catch(ignoreMissing)
  }
  return {
    async release() {
      if (!heldHere.delete(path)) return
      await unlink(path).catch(ignoreMissing)
    },
  }
}

/** link() is the one step that both creates a file with its content and fails when there is one. */
async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

async function livingOwner(path: string): Promise<number | undefined> {
  let owner: { pid?: unknown; startTicks?: unknown; host?: unknown }
  try {
    owner = JSON.parse(await readFile(path, 'utf8')) as typeof owner
  } catch {
    return undefined
  }
  const { pid } = owner
  if (typeof pid !== 'number' || pid === process.pid || owner.host !== hostname()) return undefined
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return undefined
  }
  const stat = await processStat(pid)
  if (stat === null) return pid
  // A process that was killed keeps its number until its parent asks for its end, which in a
  // container nobody may do.
  if (stat.state === 'Z' || stat.state === 'X') return undefined
  // The same number can meanwhile be another process.
  return stat.startTicks === owner.startTicks ? pid : undefined
}

/** State, and start time in clock ticks since boot; null where there is no /proc. */
async function processStat(
  pid: number,
): Promise<{ readonly state: string; readonly startTicks: string } | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    // Fields 3 and 22; the name in field 2 may contain spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return { state: fields[0] ?? '', startTicks: fields[19] ?? '' }
  } catch {
    return null
  }
}

function ignoreMissing(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
}

function locked(path: string, pid: number | undefined): CoordinationError {
  return new CoordinationError('KFK_COORDINATION_LOCKED', `${path} belongs to a running process`, {
    details: { path, pid },
  })
}
