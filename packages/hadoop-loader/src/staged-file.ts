import { promisify } from 'node:util'
import { crc32, gzip } from 'node:zlib'
import type { ManifestFile } from './manifest.js'
import type { Target, TargetWriter } from './target.js'

const gzipAsync = promisify(gzip)

/**
 * Bytes gathered before they are compressed and written. Each chunk becomes a gzip member of its
 * own (RFC 1952, 2.2).
 */
const chunkBytes = 128 * 1024
/** A file with few lines takes little memory: late records of many hours are many such files. */
const firstChunkBytes = 4 * 1024

export interface StagedFileOptions {
  readonly target: Target
  readonly staged: string
  readonly final: string
  readonly kind: ManifestFile['kind']
  readonly compress: boolean
  readonly signal: AbortSignal
}

/**
 * A file on its way: lines are gathered, compressed off the event loop, and written to staging. It
 * is created with its first chunk, so a small file is open at the target only for the moment in
 * which it is written.
 */
export class StagedFile {
  readonly #options: StagedFileOptions
  #writer: TargetWriter | undefined
  #chunk = Buffer.allocUnsafe(firstChunkBytes)
  #filled = 0
  #records = 0
  #crc = 0
  #firstTimeMs: number | null = null
  #lastTimeMs: number | null = null

  constructor(options: StagedFileOptions) {
    this.#options = options
  }

  /**
   * Adds a record; returns a promise only when there is something to wait for. The bytes are
   * copied.
   */
  add(line: Uint8Array, timeMs: number | null): Promise<void> | undefined {
    this.#records += 1
    if (timeMs !== null) {
      if (this.#firstTimeMs === null || timeMs < this.#firstTimeMs) this.#firstTimeMs = timeMs
      if (this.#lastTimeMs === null || timeMs > this.#lastTimeMs) this.#lastTimeMs = timeMs
    }
    const filled = this.#filled + line.length
    if (filled > chunkBytes) return this.#flushAndAdd(line)
    if (filled > this.#chunk.length) this.#grow(filled)
    this.#chunk.set(line, this.#filled)
    this.#filled = filled
    return undefined
  }

  /** Resolves when the file is in staging as a whole. */
  async close(): Promise<ManifestFile> {
    await this.#flush()
    const { staged, final, kind } = this.#options
    const { bytes } = await (await this.#open()).close()
    return {
      staged,
      final,
      kind,
      bytes,
      records: this.#records,
      crc32: (this.#crc >>> 0).toString(16).padStart(8, '0'),
      firstTimeMs: this.#firstTimeMs,
      lastTimeMs: this.#lastTimeMs,
    }
  }

  async abort(): Promise<void> {
    await this.#writer?.abort()
  }

  #grow(needed: number): void {
    const size = Math.min(chunkBytes, Math.max(needed, this.#chunk.length * 4))
    const grown = Buffer.allocUnsafe(size)
    this.#chunk.copy(grown, 0, 0, this.#filled)
    this.#chunk = grown
  }

  async #flushAndAdd(line: Uint8Array): Promise<void> {
    await this.#flush()
    if (line.length > chunkBytes) return this.#write(line)
    if (line.length > this.#chunk.length) this.#grow(line.length)
    this.#chunk.set(line)
    this.#filled = line.length
  }

  async #flush(): Promise<void> {
    if (this.#filled === 0) return
    const filled = this.#chunk.subarray(0, this.#filled)
    this.#filled = 0
    await this.#write(filled)
  }

  async #write(plain: Uint8Array): Promise<void> {
    const bytes = this.#options.compress ? await gzipAsync(plain) : plain
    this.#crc = crc32(bytes, this.#crc)
    const writer = await this.#open()
    await writer.write(bytes)
  }

  async #open(): Promise<TargetWriter> {
    const { target, staged, signal } = this.#options
    this.#writer ??= await target.create(staged, { signal })
    return this.#writer
  }
}
