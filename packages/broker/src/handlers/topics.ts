import { apis, ZERO_UUID } from '@kfk/protocol'
import { defineHandler, type Handler } from '../context.js'
import { askController } from './controller-requests.js'

/** From here on DeleteTopics names topics by id too, in a list of its own. */
const deleteByIdSince = 6

/**
 * CreateTopics: every broker takes it, the controller decides. Answers once this broker knows the
 * topics.
 */
export const createTopics: Handler = defineHandler<typeof apis.createTopics>({
  api: apis.createTopics,
  versions: [2, 7],
  handle(context, request) {
    return askController(context, apis.createTopics, {
      request,
      timeoutMs: request.timeoutMs,
      unavailable: (why) => ({
        throttleTimeMs: 0,
        topics: request.topics.map(({ name }) => ({ name, ...why, configs: null })),
      }),
    })
  },
})

/** DeleteTopics: every broker takes it, the controller decides. The logs go in the background. */
export const deleteTopics: Handler = defineHandler<typeof apis.deleteTopics>({
  api: apis.deleteTopics,
  versions: [1, 6],
  handle(context, request) {
    // One form towards the controller, whatever the version here.
    const topics =
      context.apiVersion < deleteByIdSince
        ? request.topicNames.map((name) => ({ name, topicId: ZERO_UUID }))
        : request.topics
    return askController(context, apis.deleteTopics, {
      request: { topics, timeoutMs: request.timeoutMs },
      timeoutMs: request.timeoutMs,
      unavailable: (why) => ({
        throttleTimeMs: 0,
        responses: topics.map((topic) => ({ ...topic, ...why })),
      }),
    })
  },
})

/** CreatePartitions: every broker takes it, the controller decides. */
export const createPartitions: Handler = defineHandler<typeof apis.createPartitions>({
  api: apis.createPartitions,
  versions: [0, 3],
  handle(context, request) {
    return askController(context, apis.createPartitions, {
      request,
      timeoutMs: request.timeoutMs,
      unavailable: (why) => ({
        throttleTimeMs: 0,
        results: request.topics.map(({ name }) => ({ name, ...why })),
      }),
    })
  },
})
