/** CRC-32C (Castagnoli), reflected, a byte at a time: enough for snapshots, which are small. */
const table = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  return crc
})

/** Of all bytes from `start` on, unsigned. */
export function crc32c(bytes: Uint8Array, start = 0): number {
  let crc = -1
  for (let at = start; at < bytes.length; at++) {
    crc = table[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8)
  }
  return ~crc >>> 0
}
