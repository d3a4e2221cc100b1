import { ProtocolError } from '../errors.js'

// Shifts on a Uint8Array beat DataView and Buffer methods here: there is no view to allocate per
// batch, and the callers have checked the bounds, so an absent byte cannot be met.

export function readInt16(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16)) >> 16
}

export function readInt32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
}

/** An int64 as a double: exact within 2^53, approximate beyond. */
export function readInt64Approximately(bytes: Uint8Array, at: number): number {
  return readInt32(bytes, at) * 0x1_0000_0000 + (readInt32(bytes, at + 4) >>> 0)
}

/** An int64 as a number. ProtocolError MALFORMED beyond 2^53 - 1. */
export function readSafeInt64(bytes: Uint8Array, at: number, what: string): number {
  const value = readInt64Approximately(bytes, at)
  if (!Number.isSafeInteger(value)) {
    throw new ProtocolError('KFK_PROTOCOL_MALFORMED', `${what} is beyond 2^53 - 1`)
  }
  return value
}

export function readBigInt64(bytes: Uint8Array, at: number): bigint {
  const high = readInt32(bytes, at)
  const low = readInt32(bytes, at + 4)
  // Most batches carry -1 (no producer): two bigint operations saved.
  if (high === -1 && low === -1) return -1n
  return (BigInt(high) << 32n) | BigInt(low >>> 0)
}

export function writeInt16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8
  bytes[at + 1] = value
}

export function writeInt32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}

/** Writes a safe integer as an int64. */
export function writeSafeInt64(bytes: Uint8Array, at: number, value: number): void {
  writeInt32(bytes, at, Math.floor(value / 0x1_0000_0000))
  writeInt32(bytes, at + 4, value | 0)
}

export function writeBigInt64(bytes: Uint8Array, at: number, value: bigint): void {
  writeInt32(bytes, at, Number(BigInt.asIntN(32, value >> 32n)))
  writeInt32(bytes, at + 4, Number(BigInt.asIntN(32, value)))
}
