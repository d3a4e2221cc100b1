import { join } from 'node:path'
import { readCheckpoint, writeCheckpoint } from './checkpoint-file.js'
import { ioError, StoreError } from './errors.js'
import { fileNames } from './file-names.js'
import type { LogHost } from './log-host.js'
import { poisonIfWriteFailed } from './poisoning.js'

/** What it needs of the directory. */
type CheckpointHost = Pick<LogHost, 'fileSystem' | 'report' | 'poisoned' | 'poison'> & {
  readonly path: string
}

/** Up to which offset each log is clean: the file that Kafka's cleaner keeps, read when needed. */
export class CleanerCheckpoint {
  readonly #host: CheckpointHost
  readonly #path: string
  #loading: Promise<Map<string, number>> | undefined
  /** A write failed, and may have come as far as the disk: the file may say more than is known. */
  #isUnsure = false
  /** One write at a time. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(host: CheckpointHost) {
    this.#host = host
    this.#path = join(host.path, fileNames.cleanerOffsets)
  }

  /** Undefined: never compacted. */
  async offsetOf(name: string): Promise<number | undefined> {
    return (await this.#offsets()).get(name)
  }

  /** Durable when it resolves. */
  set(name: string, offset: number): Promise<void> {
    return this.#change((offsets) => {
      if (offsets.get(name) === offset) return false
      offsets.set(name, offset)
      return true
    })
  }

  /** The log is being cut at `offset`: what is appended from there on is not clean. Durable. */
  lower(name: string, offset: number): Promise<void> {
    return this.#change((offsets) => {
      if ((offsets.get(name) ?? 0) <= offset) return false
      offsets.set(name, offset)
      return true
    })
  }

  /** The log was deleted. */
  forget(name: string): Promise<void> {
    return this.#change((offsets) => offsets.delete(name))
  }

  #change(change: (offsets: Map<string, number>) => boolean): Promise<void> {
    const run = this.#last.then(async () => {
      const offsets = await this.#offsets()
      const before = new Map(offsets)
      if (!change(offsets) && !this.#isUnsure) return
      try {
        await writeCheckpoint(this.#host.fileSystem, this.#path, offsets)
        this.#isUnsure = false
      } catch (error) {
        this.#loading = Promise.resolve(before)
        this.#isUnsure = true
        const failure = ioError(error, { action: 'write', path: this.#path })
        throw poisonIfWriteFailed(this.#host, failure)
      }
    })
    this.#last = run.catch(() => undefined)
    return run
  }

  #offsets(): Promise<Map<string, number>> {
    this.#loading ??= this.#load()
    return this.#loading
  }

  async #load(): Promise<Map<string, number>> {
    try {
      return await readCheckpoint(this.#host.fileSystem, this.#path)
    } catch (error) {
      if (!(error instanceof StoreError && error.code === 'KFK_STORE_CORRUPT')) {
        this.#loading = undefined
        throw error
      }
      const message = `${this.#path} is unreadable; logs are compacted from their start again`
      const details = { path: this.#path, error }
      this.#host.report({ kind: 'checkpoint-unreadable', message, details })
      return new Map()
    }
  }
}
