import { apis } from '@kfk/protocol'
import { defineHandler, type Handler } from '../context.js'
import { askController } from './controller-requests.js'

/**
 * AllocateProducerIds (KIP-730), from other brokers: the controller grants a block that nobody has
 * had.
 */
export const allocateProducerIds: Handler = defineHandler<typeof apis.allocateProducerIds>({
  api: apis.allocateProducerIds,
  versions: [0, 0],
  handle(context, request) {
    return askController(context, apis.allocateProducerIds, {
      request,
      timeoutMs: context.services.config.number('request.timeout.ms'),
      unavailable: ({ errorCode }) => {
        return { throttleTimeMs: 0, errorCode, producerIdStart: -1n, producerIdLen: 0 }
      },
    })
  },
})
