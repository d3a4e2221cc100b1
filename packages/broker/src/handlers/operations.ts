/**
 * All operations on a topic, a bit each (KIP-430): nothing is forbidden to anybody.
 */
export const topicOperations = 0b1101_1111_1000

/** The same on the cluster. */
export const clusterOperations = 0b1_1111_1010_0000

/** "Not asked for". */
export const noOperations = -0x80000000
