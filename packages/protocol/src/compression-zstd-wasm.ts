import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ProtocolError } from './errors.js'
import { resolvePackage } from './records/optional-peer.js'

/** A synchronous zstd without limits of its own: the caller says how large the output may be. */
export interface ZstdEngine {
  compress(bytes: Uint8Array, level: number): Uint8Array
  /** The output only until the next call. */
  compressBriefly(bytes: Uint8Array, level: number): Uint8Array
  /** Decompresses one frame; `tooLarge` when it does not fit in `capacity` bytes. */
  decompressFrame(frame: Uint8Array, capacity: number): Uint8Array | 'tooLarge'
}

// Neither the language's nor Node's types declare it, and those of the browser do not belong here.
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object
  Instance: new (module: object, imports: object) => { readonly exports: unknown }
}

interface WasmMemory {
  readonly buffer: ArrayBuffer
  grow(pages: number): number
}

/**
 * The exports of `zstd.wasm` in @bokuweb/zstd-wasm, whose names are minified. They hold for the one
 * version that package.json pins; `checkEngine` refuses any other.
 */
interface ZstdWasm {
  /** Linear memory. */
  readonly f: WasmMemory
  /** Static constructors, to be called once. */
  readonly g: () => void
  /** ZSTD_compressBound(bytes) */
  readonly i: (bytes: number) => number
  /** ZSTD_createCCtx() */
  readonly j: () => number
  /**
   * ZSTD_compress_usingDict(context, target, capacity, source, bytes, dictionary, its bytes,
   * level)
   */
  readonly l: (...args: number[]) => number
  /** ZSTD_createDCtx() */
  readonly n: () => number
  /** ZSTD_decompress_usingDict(context, target, capacity, source, bytes, dictionary, its bytes) */
  readonly q: (...args: number[]) => number
  /** malloc(bytes) */
  readonly s: (bytes: number) => number
  /** free(pointer) */
  readonly t: (pointer: number) => void
}

/** zstd's functions return sizes, or a negated error code of at most this. */
const MAX_ERROR_CODE = 120
const DESTINATION_TOO_SMALL = 70

const PAGE_BYTES = 65_536
/** The heap may not grow beyond 1 GiB; the callers' limits are far below. */
const MAX_HEAP_BYTES = 1024 * 1024 * 1024

/**
 * Instantiates the WASM synchronously. Not by the package's own loader, because that is
 * asynchronous and keeps one instance for the process, which a second `init` (another copy of this
 * package, or the application) replaces under our feet. A codec that works at first use is worth
 * the 10 ms.
 *
 * @throws when the package is absent or is not the pinned version
 */
export function loadZstdWasm(): ZstdEngine {
  const file = join(dirname(resolvePackage('@bokuweb/zstd-wasm')), 'zstd.wasm')
  const module = new WebAssembly.Module(readFileSync(file))
  const imports = {
    // The process's exit, and abort: nothing in zstd's one-shot functions calls them.
    a: () => unreachable(),
    c: () => unreachable(),
    // Emscripten's keep-alive counter and interval timer, unused.
    b: () => undefined,
    d: () => 0,
    // emscripten_resize_heap
    e: (bytes: number) => (growTo(wasm.f, bytes >>> 0) ? 1 : 0),
  }
  const wasm = new WebAssembly.Instance(module, { a: imports }).exports as ZstdWasm
  wasm.g()
  const engine = engineOf(wasm)
  checkEngine(engine)
  return engine
}

function unreachable(): never {
  throw new Error('zstd aborted')
}

function growTo(memory: WasmMemory, bytes: number): boolean {
  if (bytes > MAX_HEAP_BYTES) return false
  // A fifth more than asked for, as Emscripten grows, so that growing stays rare.
  const wanted = Math.min(bytes * 1.2, MAX_HEAP_BYTES)
  try {
    memory.grow(Math.max(0, Math.ceil((wanted - memory.buffer.byteLength) / PAGE_BYTES)))
    return true
  } catch {
    return false
  }
}

/** A round trip: with other exports than expected it fails in one way or another. */
function checkEngine(engine: ZstdEngine): void {
  const sample = new Uint8Array(1000).fill(7)
  const output = engine.decompressFrame(engine.compress(sample, 1), sample.length)
  if (output === 'tooLarge' || Buffer.compare(output, sample) !== 0) {
    throw new Error('@bokuweb/zstd-wasm is not the expected version')
  }
}

function engineOf(wasm: ZstdWasm): ZstdEngine {
  // Contexts are kept: setting one up costs more than compressing a small batch.
  const compressor = wasm.j()
  const decompressor = wasm.n()
  const compressBriefly = (bytes: Uint8Array, level: number): Uint8Array => {
    const capacity = wasm.i(bytes.length)
    const output = transform(wasm, bytes, capacity, (target, source) =>
      wasm.l(...[compressor, target, capacity, source, bytes.length, 0, 0, level]),
    )
    if (typeof output !== 'number') return output
    throw new ProtocolError('KFK_PROTOCOL_INVALID_ARGUMENT', `zstd error ${output}`)
  }
  return {
    compress: (bytes, level) => compressBriefly(bytes, level).slice(),
    compressBriefly,
    decompressFrame(frame, capacity) {
      const output = transform(wasm, frame, capacity, (target, source) =>
        wasm.q(...[decompressor, target, capacity, source, frame.length, 0, 0]),
      )
      if (typeof output !== 'number') return output.slice()
      if (output === DESTINATION_TOO_SMALL) return 'tooLarge'
      throw new ProtocolError('KFK_PROTOCOL_MALFORMED', `not valid zstd: error ${output}`)
    },
  }
}

/**
 * Runs a function of the module on a copy of `input`; its output, a view that the next call
 * overwrites, or the number of its error.
 */
function transform(
  wasm: ZstdWasm,
  input: Uint8Array,
  capacity: number,
  run: (target: number, source: number) => number,
): Uint8Array | number {
  const source = allocate(wasm, input.length)
  let target = 0
  try {
    target = allocate(wasm, capacity)
    // The memory is looked up after allocating, which may replace its buffer; zstd may too.
    new Uint8Array(wasm.f.buffer).set(input, source)
    const result = run(target, source)
    if (result < 0 && result >= -MAX_ERROR_CODE) return -result
    return new Uint8Array(wasm.f.buffer, target, result)
  } finally {
    wasm.t(source)
    wasm.t(target)
  }
}

function allocate(wasm: ZstdWasm, bytes: number): number {
  const pointer = wasm.s(Math.max(1, bytes))
  if (pointer > 0) return pointer
  throw new ProtocolError('KFK_PROTOCOL_TOO_LARGE', `no memory for ${bytes} bytes of zstd`)
}
