import { errorCodes, ZERO_UUID } from '@kfk/protocol'
import type { apis, RequestOf, ResponseOf } from '@kfk/protocol'
import type { TopicImage } from '../context.js'
import type { ControllerContext, Decision } from './decision.js'
import type { MetadataRecord } from './metadata-records.js'
import { Refusal, refuse } from './refusal.js'

type Request = RequestOf<typeof apis.deleteTopics>
type Response = ResponseOf<typeof apis.deleteTopics>
type Wanted = Request['topics'][number]

/**
 * DeleteTopics by name or, from version 6, by id. Versions below 6 have names only: both lists are
 * taken. Internal topics are refused; Kafka leaves that to its tools.
 */
export function deleteTopics(request: Request, context: ControllerContext): Decision<Response> {
  const records: MetadataRecord[] = []
  const deleted = new Set<string>()
  const wishes = merged(request, context)
  const responses = [...wishes.values()].map(({ twice, ...wanted }) => {
    const topic = twice ? namedTwice : decide(wanted, context, deleted)
    if (topic instanceof Refusal) {
      const { errorCode, message: errorMessage } = topic
      return { name: wanted.name, topicId: wanted.topicId, errorCode, errorMessage }
    }
    deleted.add(topic.id)
    records.push({ type: 'topic-deleted', id: topic.id })
    return { name: topic.name, topicId: topic.id, errorCode: errorCodes.NONE, errorMessage: null }
  })
  return { records, response: { throttleTimeMs: 0, responses } }
}

/** One answer, however often it is named, and nothing is deleted. */
const namedTwice = refuse(errorCodes.INVALID_REQUEST, 'Duplicate topic name or id.')

/** Each topic once; a name counts more than an id. */
function merged(request: Request, { image }: ControllerContext): Map<string, Wanted & Twice> {
  const wishes = new Map<string, Wanted & Twice>()
  const wanted = [
    ...request.topicNames.map((name) => ({ name, topicId: ZERO_UUID })),
    ...request.topics,
  ]
  for (const { name, topicId } of wanted) {
    const id = name !== null && topicId === ZERO_UUID ? image.topics.get(name)?.id : undefined
    const key = id ?? (name === null ? topicId : `${topicId}/${name}`)
    const other = wishes.get(key)
    const shown = {
      name: name ?? other?.name ?? null,
      // Of a topic that is named both ways, both are told.
      topicId: other !== undefined && other.name !== name ? (id ?? other.topicId) : topicId,
    }
    wishes.set(key, { ...shown, twice: other !== undefined })
  }
  return wishes
}

interface Twice {
  readonly twice: boolean
}

function decide(
  wanted: Wanted,
  { image, config }: ControllerContext,
  deleted: ReadonlySet<string>,
): TopicImage | Refusal {
  const { name, topicId } = wanted
  const byId = topicId !== ZERO_UUID
  if ((name !== null) === byId) {
    return refuse(errorCodes.INVALID_REQUEST, 'A topic is named either by name or by id.')
  }
  if (!config.boolean('delete.topic.enable')) {
    return refuse(errorCodes.TOPIC_DELETION_DISABLED, 'delete.topic.enable is false.')
  }
  const topic = name === null ? image.topicById(topicId) : image.topics.get(name)
  if (topic === undefined) {
    return byId
      ? refuse(errorCodes.UNKNOWN_TOPIC_ID, 'This server does not host this topic ID.')
      : refuse(
          errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
          'This server does not host this topic-partition.',
        )
  }
  if (deleted.has(topic.id)) return namedTwice
  if (topic.internal) {
    const message = `Topic '${topic.name}' is internal: the brokers keep their own state there.`
    return refuse(errorCodes.INVALID_TOPIC_EXCEPTION, message)
  }
  return topic
}
