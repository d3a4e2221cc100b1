import { apis } from '@kfk/protocol'
import type { ReassignmentsAdmin } from './admin-api.js'
import { protocolErrorSource, throwIfFailed } from './error-translation.js'
import { KafkaJSAggregateError, KafkaJSAlterPartitionReassignmentsError } from './errors.js'
import type { Link } from './link.js'

const defaultTimeoutMs = 5000

/** Calls about partitions that move to other brokers. */
export function reassignmentsAdmin(link: Link): ReassignmentsAdmin {
  return {
    alterPartitionReassignments: ({ topics, timeout = defaultTimeoutMs }) =>
      link.call(async (client) => {
        const body = {
          timeoutMs: timeout,
          topics: topics.map(({ topic, partitionAssignment }) => ({
            name: topic,
            partitions: partitionAssignment.map(({ partition, replicas }) => ({
              partitionIndex: partition,
              replicas,
            })),
          })),
        }
        const api = apis.alterPartitionReassignments
        const answer = await client.request(api, body, 'controller')
        throwIfFailed(answer.errorCode, answer.errorMessage)
        const errors = answer.responses.flatMap(({ name, partitions }) =>
          partitions
            .filter(({ errorCode }) => errorCode !== 0)
            .map(({ errorCode, errorMessage, partitionIndex }) => {
              const source = protocolErrorSource(errorCode, errorMessage)
              return new KafkaJSAlterPartitionReassignmentsError(source, name, partitionIndex)
            }),
        )
        if (errors.length === 0) return
        throw new KafkaJSAggregateError('Errors altering partition reassignments', errors)
      }),
    listPartitionReassignments: ({ topics, timeout = defaultTimeoutMs }) =>
      link.call(async (client) => {
        const wanted = topics?.map(({ topic, partitions }) => ({
          name: topic,
          partitionIndexes: partitions,
        }))
        const body = { timeoutMs: timeout, topics: wanted ?? null }
        const answer = await client.request(apis.listPartitionReassignments, body, 'controller')
        throwIfFailed(answer.errorCode, answer.errorMessage)
        return {
          topics: answer.topics.map(({ name, partitions }) => ({
            topic: name,
            partitions: partitions.map((each) => ({
              partitionIndex: each.partitionIndex,
              replicas: [...each.replicas],
              addingReplicas: [...each.addingReplicas],
              removingReplicas: [...each.removingReplicas],
            })),
          })),
        }
      }),
  }
}
