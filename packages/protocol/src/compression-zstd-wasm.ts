import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ProtocolError } from './errors.js'
import { requirePackage, resolvePackage } from './records/optional-peer.js'

/** A synchronous zstd without limits of its own: the caller says how large the output may be. */
export interface ZstdEngine {
  compress(bytes: Uint8Array, level: number): Uint8Array
  /** Decompresses one frame; `tooLarge` when it does not fit in `capacity` bytes. */
  decompressFrame(frame: Uint8Array, capacity: number): Uint8Array | 'tooLarge'
}

// Neither the language's nor Node's types declare it, and those of the browser do not belong here.
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object
  Instance: new (module: object, imports: object) => object
}

/** What is used of the Emscripten module in @bokuweb/zstd-wasm (0.0.27, pinned exactly). */
interface ZstdModule {
  HEAPU8: Uint8Array
  instantiateWasm?: (imports: object, receive: (instance: object) => unknown) => unknown
  init(): void
  _malloc(bytes: number): number
  _free(pointer: number): void
  _ZSTD_compressBound(bytes: number): number
  _ZSTD_createCCtx(): number
  _ZSTD_createDCtx(): number
  // (context, target, target bytes, source, source bytes, dictionary, dictionary bytes, level)
  _ZSTD_compress_usingDict(...args: number[]): number
  _ZSTD_decompress_usingDict(...args: number[]): number
}

/** zstd's functions return sizes, or a negated error code of at most this. */
const MAX_ERROR_CODE = 120
const DESTINATION_TOO_SMALL = 70

/**
 * Instantiates the WASM synchronously, through the hook that Emscripten has for it. The package's own
 * `init` is asynchronous only because browsers want that, and a codec that works at first use is worth the 10 ms.
 */
export function loadZstdWasm(): ZstdEngine {
  const directory = dirname(resolvePackage('@bokuweb/zstd-wasm'))
  const { Module: zstd } = requirePackage<{ Module: ZstdModule }>(join(directory, 'module.js'))
  zstd.instantiateWasm = (imports, receive) => {
    const module = new WebAssembly.Module(readFileSync(join(directory, 'zstd.wasm')))
    return receive(new WebAssembly.Instance(module, imports))
  }
  zstd.init()
  return engineOf(zstd)
}

function engineOf(zstd: ZstdModule): ZstdEngine {
  // Contexts are kept: setting one up costs more than compressing a small batch.
  const compressor = zstd._ZSTD_createCCtx()
  const decompressor = zstd._ZSTD_createDCtx()
  return {
    compress(bytes, level) {
      const capacity = zstd._ZSTD_compressBound(bytes.length)
      const output = transform(zstd, bytes, capacity, (target, source) =>
        zstd._ZSTD_compress_usingDict(
          ...[compressor, target, capacity, source, bytes.length, 0, 0, level],
        ),
      )
      if (typeof output !== 'number') return output
      throw new ProtocolError('KFK_PROTOCOL_INVALID_ARGUMENT', `zstd error ${output}`)
    },
    decompressFrame(frame, capacity) {
      const output = transform(zstd, frame, capacity, (target, source) =>
        zstd._ZSTD_decompress_usingDict(
          ...[decompressor, target, capacity, source, frame.length, 0, 0],
        ),
      )
      if (typeof output !== 'number') return output
      if (output === DESTINATION_TOO_SMALL) return 'tooLarge'
      throw new ProtocolError('KFK_PROTOCOL_MALFORMED', `not valid zstd: error ${output}`)
    },
  }
}

/** Runs a function of the module on a copy of `input`; its output, or the number of its error. */
function transform(
  zstd: ZstdModule,
  input: Uint8Array,
  capacity: number,
  run: (target: number, source: number) => number,
): Uint8Array | number {
  const source = allocate(zstd, input.length)
  let target = 0
  try {
    target = allocate(zstd, capacity)
    // The heap is looked up after allocating, which may move it.
    zstd.HEAPU8.set(input, source)
    const result = run(target, source)
    if (result < 0 && result >= -MAX_ERROR_CODE) return -result
    return zstd.HEAPU8.slice(target, target + result)
  } finally {
    zstd._free(source)
    zstd._free(target)
  }
}

function allocate(zstd: ZstdModule, bytes: number): number {
  const pointer = zstd._malloc(Math.max(1, bytes))
  if (pointer > 0) return pointer
  throw new ProtocolError('KFK_PROTOCOL_TOO_LARGE', `no memory for ${bytes} bytes of zstd`)
}
