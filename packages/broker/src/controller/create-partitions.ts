import { errorCodes } from '@kfk/protocol'
import type { apis, RequestOf, ResponseOf } from '@kfk/protocol'
import type { ControllerContext, Decision } from './decision.js'
import { MAX_PARTITIONS, type PartitionsAdded } from './metadata-records.js'
import { placePartitions } from './placement.js'
import { Refusal, refuse } from './refusal.js'
import { manualAssignment } from './replica-assignment.js'

type Request = RequestOf<typeof apis.createPartitions>
type Response = ResponseOf<typeof apis.createPartitions>
type Wanted = Request['topics'][number]

/**
 * CreatePartitions: topics grow, and never shrink. Internal topics stay as they are, since their
 * partition count decides who coordinates what.
 */
export function createPartitions(request: Request, context: ControllerContext): Decision<Response> {
  const records: PartitionsAdded[] = []
  const counts = new Map<string, number>()
  for (const { name } of request.topics) counts.set(name, (counts.get(name) ?? 0) + 1)
  // One answer for all that name the same topic.
  const named = new Map(request.topics.map((wanted) => [wanted.name, wanted]))
  const results = [...named].map(([name, wanted]) => {
    const outcome =
      counts.get(name)! > 1
        ? refuse(errorCodes.INVALID_REQUEST, 'Duplicate topic name.')
        : decide(wanted, context)
    if (outcome instanceof Refusal) {
      return { name, errorCode: outcome.errorCode, errorMessage: outcome.message }
    }
    if (!request.validateOnly) records.push(outcome)
    return { name, errorCode: errorCodes.NONE, errorMessage: null }
  })
  return { records, response: { throttleTimeMs: 0, results } }
}

function decide(wanted: Wanted, context: ControllerContext): PartitionsAdded | Refusal {
  const { name, count, assignments } = wanted
  const { image, liveBrokers } = context
  const topic = image.topics.get(name)
  if (topic === undefined) {
    const message = 'This server does not host this topic-partition.'
    return refuse(errorCodes.UNKNOWN_TOPIC_OR_PARTITION, message)
  }
  const from = topic.partitions.length
  const countProblem = topic.internal
    ? `Topic '${name}' is internal: its number of partitions is fixed.`
    : partitionCountProblem(count, from)
  if (countProblem !== undefined) return refuse(errorCodes.INVALID_PARTITIONS, countProblem)
  if (assignments === null) {
    if (liveBrokers.length === 0) {
      return refuse(errorCodes.INVALID_REPLICATION_FACTOR, 'No broker is registered.')
    }
    const partitions = placePartitions(name, liveBrokers, { from, to: count })
    return { type: 'partitions-added', id: topic.id, from, partitions }
  }
  if (assignments.length !== count - from) {
    return refuse(
      errorCodes.INVALID_REPLICA_ASSIGNMENT,
      `Attempted to add ${count - from} additional partition(s), but only ` +
        `${assignments.length} assignment(s) were specified.`,
    )
  }
  const partitions = manualAssignment(
    assignments.map(({ brokerIds }) => brokerIds),
    image,
    liveBrokers,
  )
  if (partitions instanceof Refusal) return partitions
  return { type: 'partitions-added', id: topic.id, from, partitions }
}

function partitionCountProblem(count: number, present: number): string | undefined {
  if (count === present) return `Topic already has ${present} partition(s).`
  if (count < present) {
    return `The topic currently has ${present} partition(s); ${count} would not be an increase.`
  }
  if (count > MAX_PARTITIONS)
    return `A topic has at most ${MAX_PARTITIONS} partitions, not ${count}.`
  return undefined
}
