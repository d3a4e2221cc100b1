import { errorCodes } from '@kfk/protocol'
import type { ClusterImage } from './cluster-image.js'
import { type Refusal, refuse } from './refusal.js'

/** The most replicas that a partition can have, until replication is supported. */
export const MAX_REPLICATION_FACTOR = 1

/** The refusal of more replicas than are supported. */
export function unsupportedFactor(factor: number): Refusal {
  return refuse(
    errorCodes.INVALID_REPLICATION_FACTOR,
    `Replication factor ${factor} is not supported yet: the largest is ${MAX_REPLICATION_FACTOR}.`,
  )
}

/**
 * The partitions of a request that says itself where replicas go; brokers that were here once are
 * good enough, as in Kafka.
 */
export function manualAssignment(
  partitions: readonly (readonly number[])[],
  image: ClusterImage,
  liveBrokers: readonly number[],
): readonly number[][] | Refusal {
  const factor = partitions[0]!.length
  for (const replicas of partitions) {
    const problem = replicasProblem(replicas, factor, (nodeId) => {
      return image.brokers.has(nodeId) || liveBrokers.includes(nodeId)
    })
    if (problem !== undefined) return refuse(errorCodes.INVALID_REPLICA_ASSIGNMENT, problem)
  }
  if (factor > MAX_REPLICATION_FACTOR) return unsupportedFactor(factor)
  return partitions.map((replicas) => [...replicas])
}

function replicasProblem(
  replicas: readonly number[],
  factor: number,
  isKnown: (nodeId: number) => boolean,
): string | undefined {
  if (replicas.length === 0)
    return 'The manual partition assignment includes an empty replica list.'
  if (replicas.length !== factor) {
    return 'The manual partition assignment includes partitions with different numbers of replicas.'
  }
  if (new Set(replicas).size !== replicas.length) {
    return `The manual partition assignment includes a broker twice: ${replicas.join(', ')}.`
  }
  const unknown = replicas.find((nodeId) => !isKnown(nodeId))
  return unknown === undefined
    ? undefined
    : `The manual partition assignment includes broker ${unknown}, but no such broker is ` +
        'registered.'
}
