import { crc32 as zlibCrc32 } from 'node:zlib'

/** Below this the call into zlib costs more than the tables do (some 250 ns a call). */
const zlibMinBytes = 192

/**
 * Slice-by-8 tables in one array: entry `256 * n + byte` is the CRC of `byte` followed by n zero
 * bytes, so that 8 input bytes need 8 independent look-ups. Made at the first short checksum.
 */
let tables: Int32Array | undefined

function buildTables(): Int32Array {
  const table = new Int32Array(8 * 256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
    table[byte] = crc
  }
  for (let at = 256; at < table.length; at++) {
    const previous = table[at - 256]!
    table[at] = (previous >>> 8) ^ table[previous & 0xff]!
  }
  return table
}

/** CRC-32 (IEEE, as zlib's) of `bytes[start, end)` as an unsigned number. */
export function crc32(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < zlibMinBytes) return crc32Portable(bytes, start, end)
  return zlibCrc32(new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start))
}

/** `crc32` without the call into zlib. */
export function crc32Portable(bytes: Uint8Array, start: number, end: number): number {
  const table = (tables ??= buildTables())
  let crc = -1
  let at = start
  for (const last = end - 7; at < last; at += 8) {
    crc =
      table[1792 + ((crc ^ bytes[at]!) & 0xff)]! ^
      table[1536 + (((crc >>> 8) ^ bytes[at + 1]!) & 0xff)]! ^
      table[1280 + (((crc >>> 16) ^ bytes[at + 2]!) & 0xff)]! ^
      table[1024 + ((crc >>> 24) ^ bytes[at + 3]!)]! ^
      table[768 + bytes[at + 4]!]! ^
      table[512 + bytes[at + 5]!]! ^
      table[256 + bytes[at + 6]!]! ^
      table[bytes[at + 7]!]!
  }
  for (; at < end; at++) crc = table[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8)
  return ~crc >>> 0
}
