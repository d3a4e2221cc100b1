const seed = 0x9747b28c
const multiplier = 0x5bd1e995

/**
 * The hash of kafkajs before 2.0.0, which is murmur2 gone wrong: the products are floating-point
 * numbers that lose their low bits, and the last bytes are mixed in twice. What was partitioned by
 * it can only be partitioned by it.
 */
export function legacyMurmur2(data: Uint8Array): number {
  const { length } = data
  const byte = (index: number): number => data[index] ?? 0
  let hash = seed ^ length
  for (let at = 0; at < length; at += 4) {
    let word = byte(at) + (byte(at + 1) << 8) + (byte(at + 2) << 16) + (byte(at + 3) << 24)
    word *= multiplier
    word ^= word >>> 24
    word *= multiplier
    hash *= multiplier
    hash ^= word
  }
  const rest = length % 4
  const tail = length - rest
  if (rest > 2) hash ^= byte(tail + 2) << 16
  if (rest > 1) hash ^= byte(tail + 1) << 8
  if (rest > 0) {
    hash ^= byte(tail)
    hash *= multiplier
  }
  hash ^= hash >>> 13
  hash *= multiplier
  hash ^= hash >>> 15
  return hash
}
