// Reflected CRCs of 32 bits with slicing by 16: entry `256 * n + byte` of the table is the CRC of
// `byte` followed by n zero bytes, so that 16 input bytes need 16 independent look-ups.

/** The table for a polynomial in reflected notation. */
export function crcTable(polynomial: number): Int32Array {
  const table = new Int32Array(16 * 256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1
    table[byte] = crc
  }
  for (let at = 256; at < table.length; at++) {
    const previous = table[at - 256]!
    table[at] = (previous >>> 8) ^ table[previous & 0xff]!
  }
  return table
}

/** Of `bytes[start, end)`, unsigned. */
export function slicedCrc(
  table: Int32Array,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  let crc = -1
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
