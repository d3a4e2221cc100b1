import { statfs } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { nodeFileSystem } from '@kfk/log-store'
import type { FileSystem, LogDirectory } from '@kfk/log-store'
import type { ClusterView, LogStorage } from '../context.js'

/** Reads sizes off the disk, so that nothing is opened only to be measured. */
export class DirectoryStorage implements LogStorage {
  readonly path: string
  readonly #directory: LogDirectory
  readonly #fileSystem: FileSystem
  readonly #cluster: ClusterView

  constructor(options: { directory: LogDirectory; fileSystem: FileSystem; cluster: ClusterView }) {
    this.path = resolve(options.directory.path)
    this.#directory = options.directory
    this.#fileSystem = options.fileSystem
    this.#cluster = options.cluster
  }

  get failed(): boolean {
    return this.#directory.poisoned !== undefined
  }

  async sizes(): Promise<{ topic: string; index: number; sizeBytes: number }[]> {
    const onDisk = new Set(this.#directory.names())
    const sizes: { topic: string; index: number; sizeBytes: number }[] = []
    for (const { name: topic, partitions } of [...this.#cluster.topics()]) {
      for (const { index } of partitions) {
        const name = `${topic}-${index}`
        if (onDisk.has(name)) sizes.push({ topic, index, sizeBytes: await this.#sizeOf(name) })
      }
    }
    return sizes
  }

  async space(): Promise<{ totalBytes: number; usableBytes: number }> {
    if (this.#fileSystem !== nodeFileSystem) return { totalBytes: -1, usableBytes: -1 }
    const { bsize, blocks, bavail } = await statfs(this.path)
    return { totalBytes: blocks * bsize, usableBytes: bavail * bsize }
  }

  async #sizeOf(name: string): Promise<number> {
    const directory = join(this.#directory.path, name)
    let sizeBytes = 0
    for (const entry of await this.#fileSystem.list(directory).catch(() => [])) {
      if (!entry.name.endsWith('.log')) continue
      // A segment may go between the two calls.
      sizeBytes += (await this.#fileSystem.stat(join(directory, entry.name)))?.sizeBytes ?? 0
    }
    return sizeBytes
  }
}
