import { crc32Kernel } from './crc32-kernel.js'
import { crcTable, slicedCrc } from './sliced-crc.js'

/** What is behind the last batch takes so much of the input. */
const behindBytes = 4
/** Below this the call into WebAssembly costs more than it saves. */
const kernelMinBytes = 96

// Neither the language's nor Node's types declare it, and those of the browser do not belong here.
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object
  Instance: new (module: object) => { readonly exports: unknown }
}

interface Kernel {
  /** Where the bytes to look at are put. */
  readonly input: Uint8Array
  /** The register after the first `length` bytes of `input`. */
  update(register: number, length: number): number
  /**
   * How many of the first `length` bytes of `input` are whole batches whose checksums match; 0 when
   * one does not.
   */
  batches(length: number): number
}

/** Made at the first checksum of that length; null: not to be had here. */
let kernel: Kernel | null | undefined
/** Made at the first checksum. */
let table: Int32Array | undefined

function startKernel(): Kernel | null {
  const { wasm, inputAt, inputBytes } = crc32Kernel
  try {
    const module = new WebAssembly.Module(Buffer.from(wasm, 'base64'))
    const { memory, update, batches } = new WebAssembly.Instance(module).exports as {
      readonly memory: { readonly buffer: ArrayBuffer }
      readonly update: Kernel['update']
      readonly batches: Kernel['batches']
    }
    table ??= crcTable(0xedb88320)
    new Int32Array(memory.buffer, 0, table.length).set(table)
    return { input: new Uint8Array(memory.buffer, inputAt, inputBytes), update, batches }
  } catch {
    // Switched off, without vectors, or no address space left: the table serves.
    return null
  }
}

/** CRC-32 (IEEE, as zlib's) of `bytes[start, end)` as an unsigned number. */
export function crc32(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < kernelMinBytes) return crc32Portable(bytes, start, end)
  kernel = kernel === undefined ? startKernel() : kernel
  if (kernel === null) return crc32Portable(bytes, start, end)
  const { input } = kernel
  let register = -1
  for (let at = start; at < end; at += input.length) {
    const length = Math.min(input.length, end - at)
    input.set(new Uint8Array(bytes.buffer, bytes.byteOffset + at, length))
    register = kernel.update(register, length)
  }
  return ~register >>> 0
}

/**
 * Compares the checksums of frames that follow one another from `start` on, many at once: those of
 * all that begin below the answer match. Where it ends is for others to judge.
 */
export function matchingFrames(bytes: Uint8Array, start: number): number {
  kernel = kernel === undefined ? startKernel() : kernel
  if (kernel === null) return start
  const { input } = kernel
  for (let at = start; ;) {
    const length = Math.min(input.length - behindBytes, bytes.length - at)
    input.set(new Uint8Array(bytes.buffer, bytes.byteOffset + at, length))
    const matching = kernel.batches(length)
    if (matching === 0) return at
    at += matching
  }
}

/** `crc32` without WebAssembly. */
export function crc32Portable(bytes: Uint8Array, start: number, end: number): number {
  return slicedCrc((table ??= crcTable(0xedb88320)), bytes, start, end)
}
