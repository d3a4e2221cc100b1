// Many logs in one directory, as a program of its own: made, closed, opened again, used and left alone.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { memoryFileSystem, openLogDirectory } from '../../src/index'
import type { FileSystem, Log, LogDirectory } from '../../src/index'
import { answering } from './answering'
import { readAll, record } from './records'

export interface ManyLogsRequest {
  readonly count: number
  readonly maxOpenFiles: number
}

export interface ManyLogsAnswer {
  /** The second opening found a directory that was closed cleanly. */
  readonly cleanStart: boolean
  /** Files that were open at once, at the most. */
  readonly mostOpen: number
  /** Calls of the file system, by log, while the directory and all its logs were opened again. */
  readonly callsPerLog: number
  /** Bytes that one log takes: opened, and after a read and an append. */
  readonly openedBytes: number
  readonly usedBytes: number
  readonly wrong: readonly string[]
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** What is in use once nothing more can be collected. */
async function settledBytes(): Promise<number> {
  let least = Infinity
  for (let round = 0; round < 4; round++) {
    await new Promise((resolve) => setImmediate(resolve))
    collectGarbage()
    const { heapUsed, external } = process.memoryUsage()
    least = Math.min(least, heapUsed + external)
  }
  return least
}

/** A file system in memory that counts. */
class Disk {
  calls = 0
  mostOpen = 0
  #open = 0
  readonly fileSystem: FileSystem

  constructor() {
    const inner = memoryFileSystem()
    this.fileSystem = new Proxy(inner, {
      get: (_, name: keyof FileSystem) => {
        this.calls++
        return name === 'open' ? this.#opener(inner) : inner[name]
      },
    })
  }

  #opener(inner: FileSystem): FileSystem['open'] {
    return (path, mode) => {
      const handle = inner.open(path, mode)
      this.mostOpen = Math.max(this.mostOpen, ++this.#open)
      const close = () => {
        this.#open--
        handle.close()
      }
      return new Proxy(handle, {
        get: (_, name: keyof typeof handle) => {
          if (name === 'close') return close
          const value = handle[name]
          return typeof value === 'function' ? value.bind(handle) : value
        },
      })
    }
  }
}

async function open(
  disk: Disk,
  count: number,
  maxOpenFiles: number,
): Promise<{ directory: LogDirectory; logs: Log[] }> {
  const directory = await openLogDirectory('/data', {
    ...{ fileSystem: disk.fileSystem, maxOpenFiles, checkpointMs: 0, hotTailBytes: 0 },
    defaults: { flushMessages: Number.MAX_SAFE_INTEGER },
  })
  const logs: Log[] = []
  for (let n = 0; n < count; n++) logs.push(await directory.open(`many-${n}`))
  return { directory, logs }
}

const text = (n: number) => `the first record of ${n}`

async function appendTo(logs: readonly Log[]): Promise<void> {
  for (const [n, log] of logs.entries()) log.append(record(text(n)), { leaderEpoch: 1 })
  await Promise.all(logs.map((log) => log.whenWritten(log.logEndOffset)))
}

async function measure({ count, maxOpenFiles }: ManyLogsRequest): Promise<ManyLogsAnswer> {
  const disk = new Disk()
  const made = await open(disk, count, maxOpenFiles)
  await appendTo(made.logs)
  await made.directory.close()
  made.logs.length = 0
  const before = await settledBytes()
  disk.calls = 0
  const { directory, logs } = await open(disk, count, maxOpenFiles)
  const callsPerLog = disk.calls / count
  const opened = await settledBytes()
  const wrong: string[] = []
  for (const [n, log] of logs.entries()) {
    const [found] = [...(await readAll(log)).values()]
    if (found !== text(n)) wrong.push(`${log.name}: ${found}`)
  }
  await appendTo(logs)
  const used = await settledBytes()
  const { cleanStart } = directory
  await directory.close()
  return {
    cleanStart,
    mostOpen: disk.mostOpen,
    callsPerLog,
    openedBytes: (opened - before) / count,
    usedBytes: (used - before) / count,
    wrong: wrong.slice(0, 10),
  }
}

answering(async (request: ManyLogsRequest): Promise<ManyLogsAnswer> => {
  // What was compiled does not count.
  await measure({ ...request, count: 200 })
  return measure(request)
})
