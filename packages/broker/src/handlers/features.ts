/** A feature of the cluster: the levels that this release knows, and the one in force. */
export interface Feature {
  readonly name: string
  readonly min: number
  readonly max: number
  readonly level: number
}

/**
 * What ApiVersions tells of features. `metadata.version` is what user interfaces read the age of a
 * cluster from; by `transaction.version` 2 clients leave it to the brokers to add partitions to
 * transactions (KIP-890).
 */
export const features: readonly Feature[] = [
  { name: 'metadata.version', min: 7, max: 25, level: 25 },
  // Groups of the consumer protocol (KIP-848).
  { name: 'group.version', min: 0, max: 1, level: 1 },
  { name: 'transaction.version', min: 0, max: 2, level: 2 },
]
