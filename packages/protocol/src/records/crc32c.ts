import { crc32cKernel } from './crc32c-kernel.js'
import { plainView } from './plain-view.js'

/** CRC-32C (Castagnoli), reflected. */
const POLYNOMIAL = 0x82f63b78 | 0

/**
 * Slice-by-16 tables in one array: entry `256 * n + byte` is the CRC of `byte` followed by n zero
 * bytes, so that 16 input bytes need 16 independent look-ups.
 */
const tables = buildTables()

/** What is behind the last batch takes so much of the input. */
const BEHIND_BYTES = 4
/** Below this the call into WebAssembly costs more than it saves. */
const KERNEL_MIN_BYTES = 96

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

/** Made at the first checksum; null: not to be had here. */
let kernel: Kernel | null | undefined

function startKernel(): Kernel | null {
  const { wasm, inputAt, inputBytes } = crc32cKernel
  try {
    const module = new WebAssembly.Module(Buffer.from(wasm, 'base64'))
    const { memory, update, batches } = new WebAssembly.Instance(module).exports as {
      readonly memory: { readonly buffer: ArrayBuffer }
      readonly update: Kernel['update']
      readonly batches: Kernel['batches']
    }
    new Int32Array(memory.buffer, 0, tables.length).set(tables)
    return { input: new Uint8Array(memory.buffer, inputAt, inputBytes), update, batches }
  } catch {
    // Switched off, without vectors, or no address space left: the tables serve.
    return null
  }
}

function buildTables(): Int32Array {
  const table = new Int32Array(16 * 256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
    table[byte] = crc
  }
  for (let at = 256; at < table.length; at++) {
    const previous = table[at - 256]!
    table[at] = (previous >>> 8) ^ table[previous & 0xff]!
  }
  return table
}

/**
 * CRC-32C of `bytes[start, end)` as an unsigned 32-bit number.
 * `initial` continues an earlier checksum: `crc32c(b, 0, n, crc32c(a))` is that of a followed by b.
 */
export function crc32c(bytes: Uint8Array, start = 0, end = bytes.length, initial = 0): number {
  if (end - start < KERNEL_MIN_BYTES) {
    return crc32cPortable(plainView(bytes), start, end, initial)
  }
  kernel = kernel === undefined ? startKernel() : kernel
  if (kernel === null) return crc32cPortable(plainView(bytes), start, end, initial)
  const { input } = kernel
  let register = ~initial
  for (let at = start; at < end; at += input.length) {
    const length = Math.min(input.length, end - at)
    input.set(new Uint8Array(bytes.buffer, bytes.byteOffset + at, length))
    register = kernel.update(register, length)
  }
  return ~register >>> 0
}

/**
 * Compares the checksums of record batches that follow one another from `start` on, many at once:
 * those of all that begin below the answer match. Where it ends is for others to judge.
 */
export function matchingBatches(bytes: Uint8Array, start: number): number {
  kernel = kernel === undefined ? startKernel() : kernel
  if (kernel === null) return start
  const { input } = kernel
  for (let at = start; ;) {
    const length = Math.min(input.length - BEHIND_BYTES, bytes.length - at)
    input.set(new Uint8Array(bytes.buffer, bytes.byteOffset + at, length))
    const matching = kernel.batches(length)
    if (matching === 0) return at
    at += matching
  }
}

/** {@link crc32c} without WebAssembly. */
export function crc32cPortable(
  bytes: Uint8Array,
  start: number,
  end: number,
  initial: number,
): number {
  const table = tables
  let crc = ~initial
  let at = start
  for (const last = end - 15; at < last; at += 16) {
    crc =
      table[3840 + ((crc ^ bytes[at]!) & 0xff)]! ^
      table[3584 + (((crc >>> 8) ^ bytes[at + 1]!) & 0xff)]! ^
      table[3328 + (((crc >>> 16) ^ bytes[at + 2]!) & 0xff)]! ^
      table[3072 + ((crc >>> 24) ^ bytes[at + 3]!)]! ^
      table[2816 + bytes[at + 4]!]! ^
      table[2560 + bytes[at + 5]!]! ^
      table[2304 + bytes[at + 6]!]! ^
      table[2048 + bytes[at + 7]!]! ^
      table[1792 + bytes[at + 8]!]! ^
      table[1536 + bytes[at + 9]!]! ^
      table[1280 + bytes[at + 10]!]! ^
      table[1024 + bytes[at + 11]!]! ^
      table[768 + bytes[at + 12]!]! ^
      table[512 + bytes[at + 13]!]! ^
      table[256 + bytes[at + 14]!]! ^
      table[bytes[at + 15]!]!
  }
  for (; at < end; at++) crc = table[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8)
  return ~crc >>> 0
}
