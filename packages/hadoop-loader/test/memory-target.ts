import { LoaderError } from '../src/errors.js'
import { isPlainPath } from '../src/file-layout.js'
import type { Target, TargetEntry, TargetOptions } from '../src/target.js'

/** A target in memory: fast, and what is in it can be looked at. */
export class MemoryTarget implements Target {
  readonly url = 'memory:'
  readonly files = new Map<string, { bytes: Buffer; modifiedMs: number }>()
  /** Time of what is written. */
  nowMs = Date.now()

  async create(path: string, options?: TargetOptions) {
    await this.#turn(options, path)
    this.#checkParents(path)
    const chunks: Buffer[] = []
    return {
      write: async (chunk: Uint8Array) => {
        await this.#turn(options)
        chunks.push(Buffer.from(chunk))
        this.#set(path, Buffer.concat(chunks))
      },
      close: async () => {
        await this.#turn(options)
        const bytes = Buffer.concat(chunks)
        this.#set(path, bytes)
        return { bytes: bytes.length }
      },
      abort: async () => {
        await this.#turn()
        this.files.delete(path)
      },
    }
  }

  async *read(path: string, options?: TargetOptions) {
    await this.#turn(options, path)
    const file = this.files.get(path)
    if (!file) throw new LoaderError('KFK_LOADER_TARGET', `${path} does not exist`)
    if (file.bytes.length > 0) yield file.bytes as Uint8Array
  }

  async renameIfAbsent(from: string, to: string, options?: TargetOptions) {
    await this.#turn(options, from, to)
    if (this.files.has(to)) return false
    this.#move(from, to)
    return true
  }

  async replace(from: string, to: string, options?: TargetOptions) {
    await this.#turn(options, from, to)
    this.#move(from, to)
  }

  async list(dir: string, options?: TargetOptions) {
    await this.#turn(options, dir)
    if (this.files.has(dir)) throw new LoaderError('KFK_LOADER_TARGET', `${dir} is a file`)
    const entries = new Map<string, TargetEntry>()
    for (const [path, { bytes, modifiedMs }] of this.files) {
      if (!path.startsWith(`${dir}/`)) continue
      const [name, ...below] = path.slice(dir.length + 1).split('/')
      const isDirectory = below.length > 0
      const entry = { name: name!, isDirectory, bytes: isDirectory ? 0 : bytes.length, modifiedMs }
      entries.set(name!, entry)
    }
    return [...entries.values()]
  }

  async stat(path: string, options?: TargetOptions): Promise<TargetEntry | undefined> {
    await this.#turn(options, path)
    const name = path.slice(path.lastIndexOf('/') + 1)
    const file = this.files.get(path)
    if (file) {
      return { name, isDirectory: false, bytes: file.bytes.length, modifiedMs: file.modifiedMs }
    }
    const isDirectory = [...this.files.keys()].some((other) => other.startsWith(`${path}/`))
    return isDirectory ? { name, isDirectory, bytes: 0, modifiedMs: this.nowMs } : undefined
  }

  async delete(path: string, options?: TargetOptions) {
    await this.#turn(options, path)
    const doomed = [...this.files.keys()].filter(
      (other) => other === path || other.startsWith(`${path}/`),
    )
    for (const each of doomed) this.files.delete(each)
    return doomed.length > 0
  }

  #set(path: string, bytes: Buffer): void {
    this.files.set(path, { bytes, modifiedMs: this.nowMs })
  }

  #move(from: string, to: string): void {
    const file = this.files.get(from)
    if (!file) throw new LoaderError('KFK_LOADER_TARGET', `${from} does not exist`)
    this.files.delete(from)
    this.files.set(to, file)
  }

  #checkParents(path: string): void {
    const parts = path.split('/')
    for (let count = 1; count < parts.length; count++) {
      if (!this.files.has(parts.slice(0, count).join('/'))) continue
      throw new LoaderError('KFK_LOADER_TARGET', `a file is in the way of ${path}`)
    }
  }

  /** What happens next happens at once, but only after a turn, as it does elsewhere. */
  async #turn(options?: TargetOptions, ...paths: string[]): Promise<void> {
    for (const path of paths) {
      if (isPlainPath(path)) continue
      throw new LoaderError('KFK_LOADER_INVALID_ARGUMENT', `'${path}' is no path in a target`)
    }
    options?.signal?.throwIfAborted()
    await Promise.resolve()
  }
}
