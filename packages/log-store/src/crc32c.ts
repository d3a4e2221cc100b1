import { crcTable, slicedCrc } from './sliced-crc.js'

/** Made at the first checksum. */
let table: Int32Array | undefined

/** CRC-32C (Castagnoli) of all bytes from `start` on, unsigned. */
export function crc32c(bytes: Uint8Array, start = 0): number {
  return slicedCrc((table ??= crcTable(0x82f63b78)), bytes, start, bytes.length)
}
