import { crc32 as zlibCrc32 } from 'node:zlib'
import { crcTable, slicedCrc } from './sliced-crc.js'

/** Below this the call into zlib costs more than the table does (some 250 ns a call). */
const zlibMinBytes = 192

/** Made at the first short checksum. */
let table: Int32Array | undefined

/** CRC-32 (IEEE, as zlib's) of `bytes[start, end)` as an unsigned number. */
export function crc32(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < zlibMinBytes) return crc32Portable(bytes, start, end)
  return zlibCrc32(new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start))
}

/** `crc32` without the call into zlib. */
export function crc32Portable(bytes: Uint8Array, start: number, end: number): number {
  return slicedCrc((table ??= crcTable(0xedb88320)), bytes, start, end)
}
