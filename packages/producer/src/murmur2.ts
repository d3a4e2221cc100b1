const seed = 0x9747b28c
const multiplier = 0x5bd1e995
const shift = 24

/**
 * Kafka's hash of a key, bit for bit that of Java's `org.apache.kafka.common.utils.Utils.murmur2`:
 * a signed 32-bit number. Records of one key share a partition with those of every other client
 * that follows Java.
 */
export function murmur2(bytes: Uint8Array, end = bytes.length): number {
  const blocksEnd = end & ~3
  let hash = seed ^ end
  for (let at = 0; at < blocksEnd; at += 4) {
    let block = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    block = Math.imul(block, multiplier)
    block ^= block >>> shift
    hash = Math.imul(hash, multiplier) ^ Math.imul(block, multiplier)
  }
  const rest = end - blocksEnd
  if (rest > 2) hash ^= bytes[blocksEnd + 2]! << 16
  if (rest > 1) hash ^= bytes[blocksEnd + 1]! << 8
  if (rest > 0) hash = Math.imul(hash ^ bytes[blocksEnd]!, multiplier)
  return mixed(hash)
}

/** `murmur2` of ASCII text, without a buffer; undefined when a character is not ASCII. */
export function murmur2Ascii(text: string): number | undefined {
  const { length } = text
  const blocksEnd = length & ~3
  let hash = seed ^ length
  let seen = 0
  for (let at = 0; at < blocksEnd; at += 4) {
    const first = text.charCodeAt(at)
    const second = text.charCodeAt(at + 1)
    const third = text.charCodeAt(at + 2)
    const fourth = text.charCodeAt(at + 3)
    seen |= first | second | third | fourth
    let block = first | (second << 8) | (third << 16) | (fourth << 24)
    block = Math.imul(block, multiplier)
    block ^= block >>> shift
    hash = Math.imul(hash, multiplier) ^ Math.imul(block, multiplier)
  }
  for (let at = length - 1; at >= blocksEnd; at -= 1) {
    const code = text.charCodeAt(at)
    seen |= code
    hash ^= code << (8 * (at - blocksEnd))
  }
  if (seen > 0x7f) return undefined
  if (length > blocksEnd) hash = Math.imul(hash, multiplier)
  return mixed(hash)
}

function mixed(hash: number): number {
  hash ^= hash >>> 13
  hash = Math.imul(hash, multiplier)
  return hash ^ (hash >>> 15)
}

/** Java's `Utils.toPositive`: clears the sign bit, which is not the absolute value. */
export function toPositive(hash: number): number {
  return hash & 0x7fffffff
}
