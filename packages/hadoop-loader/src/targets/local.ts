import { randomUUID } from 'node:crypto'
import fs from 'node:fs'
import fsp from 'node:fs/promises'
import nodePath from 'node:path'
import { LoaderError } from '../errors.js'
import { isPlainPath } from '../file-layout.js'
import type { Target, TargetEntry, TargetOptions, TargetWriter } from '../target.js'

/**
 * A directory of this machine. Files and the names given to them are on disk (fsync) when a method
 * says so, so that a committed load survives a power loss too. The file system must have hard
 * links.
 */
export function localTarget(directory: string): Target {
  return new LocalTarget(nodePath.resolve(directory))
}

class LocalTarget implements Target {
  /**
   * Directories are made one call after the other: a name counts only once its parent has been
   * synced.
   */
  #making: Promise<unknown> = Promise.resolve()

  constructor(readonly url: string) {}

  async create(path: string, options: TargetOptions = {}): Promise<TargetWriter> {
    const file = this.#resolve(path)
    return this.#run('create', path, options, async () => {
      await this.#makeParent(file)
      // Removed and made anew rather than emptied: the leftover may be a link to somewhere else.
      await fsp.rm(file, { force: true })
      return new LocalWriter(await fsp.open(file, 'wx'), file)
    })
  }

  async *read(path: string, options: TargetOptions = {}): AsyncIterable<Uint8Array> {
    const stream = fs.createReadStream(this.#resolve(path), { highWaterMark: 256 * 1024 })
    try {
      for await (const chunk of stream) {
        options.signal?.throwIfAborted()
        yield chunk as Uint8Array
      }
    } catch (error) {
      throw targetError('read', nodePath.join(this.url, path), error)
    }
  }

  renameIfAbsent(from: string, to: string, options: TargetOptions = {}): Promise<boolean> {
    const [source, destination] = [this.#resolve(from), this.#resolve(to)]
    return this.#run('rename', from, options, async () => {
      await this.#makeParent(destination)
      try {
        // A hard link never replaces a name that is there; rename(2) would.
        await fsp.link(source, destination)
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        if (code === 'EEXIST') return false
        if (code === 'ENOENT' && fs.existsSync(destination)) return false
        throw error
      }
      await syncDirectory(nodePath.dirname(destination))
      await fsp.rm(source, { force: true })
      return true
    })
  }

  replace(from: string, to: string, options: TargetOptions = {}): Promise<void> {
    const [source, destination] = [this.#resolve(from), this.#resolve(to)]
    return this.#run('rename', from, options, async () => {
      await this.#makeParent(destination)
      await fsp.rename(source, destination)
      await syncDirectory(nodePath.dirname(destination))
    })
  }

  list(dir: string, options: TargetOptions = {}): Promise<TargetEntry[]> {
    const full = this.#resolve(dir)
    return this.#run('list', dir, options, async () => {
      const names = await fsp.readdir(full).catch(emptyWhenMissing)
      const entries = await Promise.all(names.map((name) => entryOf(nodePath.join(full, name))))
      return entries.filter((entry) => entry !== undefined)
    })
  }

  stat(path: string, options: TargetOptions = {}): Promise<TargetEntry | undefined> {
    return this.#run('stat', path, options, () => entryOf(this.#resolve(path)))
  }

  delete(path: string, options: TargetOptions = {}): Promise<boolean> {
    const full = this.#resolve(path)
    return this.#run('delete', path, options, async () => {
      if ((await entryOf(full)) === undefined) return false
      await this.#checkInside(nodePath.dirname(full))
      // First out of the way under another name: what is in a directory goes at once, never bit by
      // bit.
      const doomed = nodePath.join(nodePath.dirname(full), `.deleted-${randomUUID()}`)
      await fsp.rename(full, doomed)
      await fsp.rm(doomed, { recursive: true, force: true })
      return true
    })
  }

  /** Names come from validated parts; this is the last line of defence. */
  #resolve(path: string): string {
    if (isPlainPath(path)) return nodePath.join(this.url, path)
    throw new LoaderError('KFK_LOADER_INVALID_ARGUMENT', `'${path}' is no path in a target`)
  }

  #makeParent(file: string): Promise<void> {
    const directory = nodePath.dirname(file)
    const made = this.#making.then(async () => {
      const first = await fsp.mkdir(directory, { recursive: true })
      if (first !== undefined) await syncBetween(nodePath.dirname(first), directory)
      await this.#checkInside(directory)
    })
    this.#making = made.catch(() => undefined)
    return made
  }

  /**
   * Somebody who may write into the target must not be able to lead a load out of it by a symbolic
   * link.
   */
  async #checkInside(directory: string): Promise<void> {
    const [root, real] = await Promise.all([fsp.realpath(this.url), fsp.realpath(directory)])
    if (real === root || real.startsWith(root + nodePath.sep)) return
    throw new LoaderError(
      'KFK_LOADER_TARGET',
      `${directory} leads to ${real}, which is outside of ${this.url}: a load follows no symbolic link out of its target`,
    )
  }

  async #run<T>(
    what: string,
    path: string,
    { signal }: TargetOptions,
    operation: () => Promise<T>,
  ): Promise<T> {
    signal?.throwIfAborted()
    try {
      return await operation()
    } catch (error) {
      throw targetError(what, nodePath.join(this.url, path), error)
    }
  }
}

class LocalWriter implements TargetWriter {
  #bytes = 0
  #open = true

  constructor(
    private readonly handle: fsp.FileHandle,
    private readonly file: string,
  ) {}

  async write(chunk: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < chunk.length;) {
        const { bytesWritten } = await this.handle.write(chunk, done)
        done += bytesWritten
      }
      this.#bytes += chunk.length
    } catch (error) {
      throw targetError('write', this.file, error)
    }
  }

  async close(): Promise<{ bytes: number }> {
    try {
      await this.handle.datasync()
      const { size } = await this.handle.stat()
      await this.#end()
      await syncDirectory(nodePath.dirname(this.file))
      if (size === this.#bytes) return { bytes: size }
    } catch (error) {
      throw targetError('close', this.file, error)
    }
    throw new LoaderError('KFK_LOADER_TARGET', `${this.file} has not the length that was written`)
  }

  async abort(): Promise<void> {
    await this.#end()
    await fsp.rm(this.file, { force: true })
  }

  async #end(): Promise<void> {
    if (!this.#open) return
    this.#open = false
    await this.handle.close()
  }
}

async function entryOf(full: string): Promise<TargetEntry | undefined> {
  try {
    const stat = await fsp.stat(full)
    const name = nodePath.basename(full)
    return { name, isDirectory: stat.isDirectory(), bytes: stat.size, modifiedMs: stat.mtimeMs }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function emptyWhenMissing(error: NodeJS.ErrnoException): string[] {
  if (error.code === 'ENOENT') return []
  throw error
}

/** Syncs every directory from `top` to the parent of `bottom`: each holds the name of a new one. */
async function syncBetween(top: string, bottom: string): Promise<void> {
  for (let directory = nodePath.dirname(bottom); ; directory = nodePath.dirname(directory)) {
    await syncDirectory(directory)
    if (directory === top || directory === nodePath.dirname(directory)) return
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await fsp.open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const advice: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full: make room and run the load again, it goes on where it was',
  EDQUOT: 'the quota is used up: make room and run the load again, it goes on where it was',
  EACCES: 'no permission: choose a directory that this user may write',
  EPERM:
    'not permitted: choose a directory that this user may write, on a file system with hard links',
  ENOTSUP: 'this file system has no hard links, which make the commit safe: choose another one',
  EROFS: 'the file system is read-only',
  ENOTDIR: 'a file is in the way of a directory',
  EEXIST: 'a file is in the way of a directory',
  EISDIR: 'a directory is in the way of a file',
}

function targetError(what: string, where: string, cause: unknown): unknown {
  if (cause instanceof LoaderError) return cause
  const { code, message } = cause as NodeJS.ErrnoException
  // An abort, or a mistake of the caller's: it comes as it is.
  if (typeof code !== 'string' || !/^E[A-Z0-9]+$/.test(code)) return cause
  const retriable = ['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'EIO'].includes(code)
  return new LoaderError(
    'KFK_LOADER_TARGET',
    `cannot ${what} ${where}: ${advice[code] ?? message}`,
    {
      cause,
      retriable,
    },
  )
}
