import { promisify } from 'node:util'
import { crc32, gzip } from 'node:zlib'
import type { ManifestFile } from './manifest.js'
import type { Target, TargetWriter } from './target.js'

const gzipAsync = promisify(gzip)

/** Bytes gathered before they are compressed and written. Each chunk becomes a gzip member of its own (RFC 1952, 2.2). */
const chunkBytes = 128 * 1024

export interface StagedFileOptions {
  readonly target: Target
  readonly staged: string
  readonly final: string
  readonly kind: ManifestFile['kind']
  readonly compress: boolean
  readonly signal: AbortSignal
}

/** A file on its way: lines are gathered, compressed off the event loop, and written to staging. */
export class StagedFile {
  readonly #options: StagedFileOptions
  readonly #writer: TargetWriter
  #chunk = Buffer.allocUnsafe(chunkBytes)
  #filled = 0
  #bytes = 0
  #records = 0
  #crc = 0
  #firstTimeMs: number | null = null
  #lastTimeMs: number | null = null

  private constructor(options: StagedFileOptions, writer: TargetWriter) {
    this.#options = options
    this.#writer = writer
  }

  static async create(options: StagedFileOptions): Promise<StagedFile> {
    const { target, staged, signal } = options
    return new StagedFile(options, await target.create(staged, { signal }))
  }

  /** Adds a record; returns a promise only when there is something to wait for. */
  add(line: Uint8Array, timeMs: number | null): Promise<void> | undefined {
    this.#records += 1
    if (timeMs !== null) {
      if (this.#firstTimeMs === null || timeMs < this.#firstTimeMs) this.#firstTimeMs = timeMs
      if (this.#lastTimeMs === null || timeMs > this.#lastTimeMs) this.#lastTimeMs = timeMs
    }
    if (this.#filled + line.length <= chunkBytes) {
      this.#chunk.set(line, this.#filled)
      this.#filled += line.length
      return undefined
    }
    return this.#flushAndAdd(line)
  }

  async close(): Promise<ManifestFile> {
    await this.#flush()
    const { staged, final, kind } = this.#options
    const { bytes } = await this.#writer.close()
    const crc = (this.#crc >>> 0).toString(16).padStart(8, '0')
    return {
      staged,
      final,
      kind,
      bytes,
      records: this.#records,
      crc32: crc,
      firstTimeMs: this.#firstTimeMs,
      lastTimeMs: this.#lastTimeMs,
    }
  }

  abort(): Promise<void> {
    return this.#writer.abort()
  }

  get bytes(): number {
    return this.#bytes
  }

  async #flushAndAdd(line: Uint8Array): Promise<void> {
    await this.#flush()
    if (line.length > chunkBytes) return this.#write(line)
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
    this.#bytes += bytes.length
    await this.#writer.write(bytes)
  }
}
