// Integers in network byte order, read and written without making a DataView for each.

const twoTo32 = 0x1_0000_0000

export function readUint24(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!
}

export function readInt32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
}

export function readUint32(bytes: Uint8Array, at: number): number {
  return readInt32(bytes, at) >>> 0
}

export function readUint48(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 8) | bytes[at + 1]!) * twoTo32 + readUint32(bytes, at + 2)
}

/** Beyond 2^53 it loses bits, as `number` does. */
export function readInt64(bytes: Uint8Array, at: number): number {
  return readInt32(bytes, at) * twoTo32 + readUint32(bytes, at + 4)
}

export function writeUint24(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 16
  bytes[at + 1] = value >>> 8
  bytes[at + 2] = value
}

/** Also for unsigned values: the bits are the same. */
export function writeInt32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}

export function writeUint48(bytes: Uint8Array, at: number, value: number): void {
  const high = Math.floor(value / twoTo32)
  bytes[at] = high >>> 8
  bytes[at + 1] = high
  writeInt32(bytes, at + 2, value | 0)
}

/** Not negative, at most 2^53 - 1. */
export function writeInt64(bytes: Uint8Array, at: number, value: number): void {
  // `| 0` keeps the lower 32 bits; `%` of what is no small integer is slow.
  writeInt32(bytes, at, Math.floor(value / twoTo32))
  writeInt32(bytes, at + 4, value | 0)
}
