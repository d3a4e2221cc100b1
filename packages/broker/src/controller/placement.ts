/**
 * Which broker hosts which partition. Round-robin over the brokers in ascending order, so that no
 * broker has two partitions of a topic more than another; where the round begins depends on the
 * topic, so that the first broker does not get the only partition of every small topic.
 *
 * @param brokers live brokers; not empty
 * @param range partitions `from` (inclusive) to `to` (exclusive); a topic that grows goes on
 *   where it stopped
 * @returns the single replica of each partition
 */
export function placePartitions(
  topic: string,
  brokers: readonly number[],
  range: { readonly from: number; readonly to: number },
): number[][] {
  const ring = [...brokers].sort((a, b) => a - b)
  const start = hashOf(topic) % ring.length
  const placed: number[][] = []
  for (let index = range.from; index < range.to; index++) {
    placed.push([ring[(start + index) % ring.length]!])
  }
  return placed
}

/**
 * FNV-1a of 32 bits, mixed once more: its low bits alone differ too little between `topic-1` and
 * `topic-2`.
 */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  return (hash ^ (hash >>> 13)) >>> 0
}
