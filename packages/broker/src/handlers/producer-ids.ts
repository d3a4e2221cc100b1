import { apis, errorCodes } from '@kfk/protocol'
import { defineHandler, type Handler } from '../context.js'

/**
 * InitProducerId: a producer id that nobody has had (KIP-98). There are no transactions: a
 * transactional id gets an error on which clients give up at once, instead of one that they would
 * retry for a minute.
 */
export const initProducerId: Handler = defineHandler<typeof apis.initProducerId>({
  api: apis.initProducerId,
  versions: [0, 5],
  async handle(context, request) {
    const failed = { throttleTimeMs: 0, producerId: -1n, producerEpoch: -1 }
    if (request.transactionalId !== null) {
      const { logger } = context.services
      logger.warn(
        `refused a transactional producer of ${context.peer}: transactions are not served`,
      )
      return { ...failed, errorCode: errorCodes.UNSUPPORTED_VERSION }
    }
    // Both, of a producer that asks again, or neither (KIP-360).
    if (request.producerId >= 0n !== request.producerEpoch >= 0) {
      return { ...failed, errorCode: errorCodes.INVALID_REQUEST }
    }
    try {
      // A producer that asks again (KIP-360) simply gets a new id: its old sequences stay with the
      // old one.
      const producerId = await context.services.producerIds.next()
      return { throttleTimeMs: 0, errorCode: errorCodes.NONE, producerId, producerEpoch: 0 }
    } catch {
      return { ...failed, errorCode: errorCodes.COORDINATOR_NOT_AVAILABLE }
    }
  },
})
