import { apis, errorCodes } from '@kfk/protocol'
import type { RequestOf, ResponseInput } from '@kfk/protocol'
import { type ClusterView, defineHandler, type Handler } from '../context.js'

/*
 * Leaders and replicas as administrators see them. A partition has one replica here: it leads
 * whenever it is alive, and does not move.
 */

type Election = ResponseInput<typeof apis.electLeaders>['replicaElectionResults'][number]
type ElectionResult = Election['partitionResult'][number]
type Reassignment = RequestOf<typeof apis.alterPartitionReassignments>['topics'][number]
type Refusal = Pick<ElectionResult, 'errorCode' | 'errorMessage'>

const electionTypes = { preferred: 0, unclean: 1 } as const
const none: Refusal = { errorCode: errorCodes.NONE, errorMessage: null }

const electLeaders = defineHandler<typeof apis.electLeaders>({
  api: apis.electLeaders,
  versions: [0, 2],
  handle({ services: { cluster } }, { electionType, topicPartitions }) {
    if (electionType !== electionTypes.preferred && electionType !== electionTypes.unclean) {
      const errorCode = errorCodes.INVALID_REQUEST
      const refusal = { errorCode, errorMessage: `Unknown election type ${electionType}` }
      const replicaElectionResults = (topicPartitions ?? []).map(({ topic, partitions }) => ({
        topic,
        partitionResult: partitions.map((partitionId) => ({ partitionId, ...refusal })),
      }))
      // Nothing was asked for, so nothing was asked for wrongly.
      const isNothing = topicPartitions?.length === 0
      return {
        throttleTimeMs: 0,
        errorCode: isNothing ? errorCodes.NONE : errorCode,
        replicaElectionResults,
      }
    }
    const elect = (topic: string, partitionId: number): ElectionResult => ({
      partitionId,
      ...electionOutcome(cluster, { topic, partition: partitionId, electionType }),
    })
    const replicaElectionResults =
      topicPartitions === null
        ? [...cluster.topics()].map(({ name, partitions }) => ({
            topic: name,
            // Where all are asked about, those that have their leader go without saying.
            partitionResult: partitions
              .map(({ index }) => elect(name, index))
              .filter(({ errorCode }) => errorCode !== errorCodes.ELECTION_NOT_NEEDED),
          }))
        : topicPartitions.map(({ topic, partitions }) => ({
            topic,
            partitionResult: partitions.map((partition) => elect(topic, partition)),
          }))
    return { throttleTimeMs: 0, errorCode: errorCodes.NONE, replicaElectionResults }
  },
})

function electionOutcome(
  cluster: ClusterView,
  wanted: { topic: string; partition: number; electionType: number },
): Refusal {
  const { topic, partition, electionType } = wanted
  if (cluster.topic(topic) === undefined) {
    const errorMessage = `No such topic as ${topic}`
    return { errorCode: errorCodes.UNKNOWN_TOPIC_OR_PARTITION, errorMessage }
  }
  const leader = cluster.leaderOf(topic, partition)
  if (leader === undefined) {
    const errorMessage = `No such partition as ${topic}-${partition}`
    return { errorCode: errorCodes.UNKNOWN_TOPIC_OR_PARTITION, errorMessage }
  }
  if (leader.leaderId >= 0) {
    const errorMessage = 'Leader election not needed for topic partition.'
    return { errorCode: errorCodes.ELECTION_NOT_NEEDED, errorMessage }
  }
  const errorMessage = 'The broker of the only replica is away.'
  return electionType === electionTypes.preferred
    ? { errorCode: errorCodes.PREFERRED_LEADER_NOT_AVAILABLE, errorMessage }
    : { errorCode: errorCodes.ELIGIBLE_LEADERS_NOT_AVAILABLE, errorMessage }
}

const alterPartitionReassignments = defineHandler<typeof apis.alterPartitionReassignments>({
  api: apis.alterPartitionReassignments,
  versions: [0, 1],
  handle({ services: { cluster } }, { topics, allowReplicationFactorChange }) {
    return {
      throttleTimeMs: 0,
      allowReplicationFactorChange,
      errorCode: errorCodes.NONE,
      errorMessage: null,
      responses: topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map((wanted) => ({
          partitionIndex: wanted.partitionIndex,
          ...moveOutcome(cluster, name, wanted),
        })),
      })),
    }
  },
})

function moveOutcome(
  cluster: ClusterView,
  name: string,
  { partitionIndex, replicas }: Reassignment['partitions'][number],
): Refusal {
  const topic = cluster.topic(name)
  const present = topic?.partitions[partitionIndex]?.replicas
  if (present === undefined) {
    const errorMessage =
      topic === undefined
        ? `Unable to find a topic named ${name}.`
        : `Unable to find partition ${name}:${partitionIndex}.`
    return { errorCode: errorCodes.UNKNOWN_TOPIC_OR_PARTITION, errorMessage }
  }
  if (replicas === null) {
    return { errorCode: errorCodes.NO_REASSIGNMENT_IN_PROGRESS, errorMessage: null }
  }
  const errorMessage = assignmentProblem(cluster, replicas)
  if (errorMessage !== undefined) {
    return { errorCode: errorCodes.INVALID_REPLICA_ASSIGNMENT, errorMessage }
  }
  if (replicas.length === present.length && replicas.every((id, i) => id === present[i])) {
    return none
  }
  return {
    errorCode: errorCodes.INVALID_REPLICA_ASSIGNMENT,
    errorMessage: `The replicas of ${name}-${partitionIndex} stay: ${present.join(',')}. Moving or adding replicas is not supported.`,
  }
}

function assignmentProblem(cluster: ClusterView, replicas: readonly number[]): string | undefined {
  if (replicas.length === 0) {
    return 'The manual partition assignment includes an empty replica list.'
  }
  const alive = new Set(cluster.brokers().map(({ nodeId }) => nodeId))
  const seen = new Set<number>()
  for (const id of replicas) {
    if (seen.has(id)) {
      return `The manual partition assignment includes the broker ${id} more than once.`
    }
    seen.add(id)
    if (!alive.has(id)) {
      return `The manual partition assignment includes broker ${id}, but no such broker is registered.`
    }
  }
  return undefined
}

const listPartitionReassignments = defineHandler<typeof apis.listPartitionReassignments>({
  api: apis.listPartitionReassignments,
  versions: [0, 0],
  // Nothing moves, whatever is asked about.
  handle: () => ({ throttleTimeMs: 0, errorCode: errorCodes.NONE, errorMessage: null, topics: [] }),
})

/** ElectLeaders, AlterPartitionReassignments, ListPartitionReassignments. */
export const replicaHandlers: readonly Handler[] = [
  electLeaders,
  alterPartitionReassignments,
  listPartitionReassignments,
]
