/**
 * The same bytes as a plain Uint8Array. Loops over bytes that see Buffers and Uint8Arrays by turns
 * run at about half the speed (their element accesses become polymorphic), so the hot ones take
 * plain arrays only.
 */
export function plainView(bytes: Uint8Array): Uint8Array {
  if (bytes.constructor === Uint8Array) return bytes
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** A plain Uint8Array that is not zero-filled: for output that is written before it is read. */
export function uninitialized(length: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
}
