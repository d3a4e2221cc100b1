import { javaHash } from '../group/group-partition.js'

/** Kafka's topic of transactional ids. */
export const TRANSACTIONS_TOPIC = '__transaction_state'

/** Longest transactional id, in UTF-16 units: it is kept in memory and in every record. */
const MAX_LENGTH = 1024

/** A transactional id that can be stored: not empty, of bounded length, and text. */
export function isTransactionalId(id: string): boolean {
  return id !== '' && id.length <= MAX_LENGTH && !/\p{Surrogate}/u.test(id)
}

/** The partition of `__transaction_state` whose leader coordinates the transactional id. */
export function partitionOfTransactionalId(id: string, partitionCount: number): number {
  const hash = javaHash(id)
  // Kafka's Utils.abs: the one number without a positive counterpart counts as 0.
  return (hash === -2_147_483_648 ? 0 : Math.abs(hash)) % partitionCount
}
