/** Kafka's topic of committed offsets and group generations. */
export const OFFSETS_TOPIC = '__consumer_offsets'

/**
 * Longest group id, in UTF-16 units. Kafka has no bound of its own below that of a string (32,767);
 * nobody needs that, and ids are kept in memory and in every record.
 */
export const MAX_GROUP_ID_LENGTH = 1024

/**
 * A group id that can be stored and reported: of bounded length, and text (a lone surrogate cannot
 * be written as UTF-8).
 */
export function isGroupId(groupId: string, options: { allowEmpty?: boolean } = {}): boolean {
  if (groupId === '') return options.allowEmpty ?? false
  return groupId.length <= MAX_GROUP_ID_LENGTH && !/\p{Surrogate}/u.test(groupId)
}

/** Java's String.hashCode: over UTF-16 units, in 32 bits. */
export function javaHash(text: string): number {
  let hash = 0
  for (let index = 0; index < text.length; index++) {
    hash = (Math.imul(hash, 31) + text.charCodeAt(index)) | 0
  }
  return hash
}

/**
 * The partition of `__consumer_offsets` whose leader coordinates the group, as every Kafka tool
 * computes it.
 */
export function partitionOfGroup(groupId: string, partitionCount: number): number {
  const hash = javaHash(groupId)
  // Kafka's Utils.abs: the one number without a positive counterpart counts as 0.
  return (hash === -2_147_483_648 ? 0 : Math.abs(hash)) % partitionCount
}
