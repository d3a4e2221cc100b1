import * as fs from 'node:fs'
import type { FileHandle } from './file-system.js'

// Reads past the page cache (O_DIRECT), so that what comes is what the medium holds. Such reads
// want memory and positions on block boundaries; of all memory that JavaScript has, only that of a
// WebAssembly module is known to begin at a page.

const blockBytes = 4096
const bufferBytes = 512 * 1024
const wasmPageBytes = 64 * 1024

/** One for all: reads take turns. */
let aligned: Buffer | undefined
let turn: Promise<unknown> = Promise.resolve()

interface WasmMemory {
  readonly buffer: ArrayBuffer
}
type WasmMemoryConstructor = new (pages: { initial: number; maximum: number }) => WasmMemory

function alignedBuffer(length: number): Buffer {
  const { Memory } = (globalThis as unknown as { WebAssembly: { Memory: WasmMemoryConstructor } })
    .WebAssembly
  const pages = Math.ceil(length / wasmPageBytes)
  return Buffer.from(new Memory({ initial: pages, maximum: pages }).buffer, 0, length)
}

/** The system can do it; whether the file system can, opening tells. Windows and macOS cannot. */
export const canReadUncached = process.platform === 'linux'

/** For reading only. Throws the system's error: EINVAL where the file system cannot do it. */
export class UncachedFileHandle implements FileHandle {
  readonly path: string
  readonly #descriptor: number

  constructor(path: string) {
    this.path = path
    aligned ??= alignedBuffer(bufferBytes)
    this.#descriptor = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_DIRECT)
  }

  size(): number {
    return fs.fstatSync(this.#descriptor).size
  }

  readSync(into: Uint8Array, position: number): number {
    const from = position - (position % blockBytes)
    const length = this.#lengthFor(into, position - from)
    // The shared buffer may be waiting for an asynchronous read.
    const own = alignedBuffer(length)
    const count = fs.readSync(this.#descriptor, own, 0, length, from)
    return take(into, own, { skip: position - from, count })
  }

  read(into: Uint8Array, position: number): Promise<number> {
    const reading = turn.then(() => this.#read(into, position))
    turn = reading.catch(() => undefined)
    return reading
  }

  writevSync(): number {
    throw Object.assign(new Error(`${this.path} is open for reading`), { code: 'EBADF' })
  }

  truncateSync(): void {
    this.writevSync()
  }

  syncData(done: (error: Error | null) => void): void {
    fs.fdatasync(this.#descriptor, done)
  }

  close(): void {
    fs.closeSync(this.#descriptor)
  }

  #read(into: Uint8Array, position: number): Promise<number> {
    const from = position - (position % blockBytes)
    const length = this.#lengthFor(into, position - from)
    return new Promise((resolve, reject) => {
      fs.read(this.#descriptor, aligned!, 0, length, from, (error, count) => {
        if (error) reject(error)
        else resolve(take(into, aligned!, { skip: position - from, count }))
      })
    })
  }

  /** Whole blocks that hold what is wanted, or as much of it as fits. */
  #lengthFor(into: Uint8Array, skip: number): number {
    const blocks = Math.ceil((skip + into.length) / blockBytes)
    return Math.min(blocks * blockBytes, bufferBytes)
  }
}

function take(into: Uint8Array, bytes: Buffer, read: { skip: number; count: number }): number {
  const wanted = bytes.subarray(read.skip, Math.max(read.skip, read.count)).subarray(0, into.length)
  into.set(wanted)
  return wanted.length
}
