import { apis, errorCodes } from '@kfk/protocol'
import { defineHandler, type Handler } from '../context.js'

/** From here on a client knows PRODUCER_FENCED (KIP-588). */
const fencedSince = 4

/**
 * InitProducerId: a producer id that nobody has had (KIP-98), or, with a transactional id, the one
 * that goes with it, under an epoch that fences whoever had it before.
 */
export const initProducerId: Handler = defineHandler<typeof apis.initProducerId>({
  api: apis.initProducerId,
  versions: [0, 5],
  async handle(context, request) {
    const { producerIds, transactions } = context.services
    const { transactionalId, producerId, producerEpoch, transactionTimeoutMs: timeoutMs } = request
    const failed = { throttleTimeMs: 0, producerId: -1n, producerEpoch: -1 }
    if (producerId < 0n !== producerEpoch < 0) {
      return { ...failed, errorCode: errorCodes.INVALID_REQUEST }
    }
    if (transactionalId !== null) {
      const input = { transactionalId, timeoutMs, producerId, producerEpoch }
      const { errorCode, ...result } = await transactions.initProducerId(input)
      const isFenced = errorCode === errorCodes.PRODUCER_FENCED && context.apiVersion < fencedSince
      const code = isFenced ? errorCodes.INVALID_PRODUCER_EPOCH : errorCode
      return { throttleTimeMs: 0, errorCode: code, ...result }
    }
    // Both, of a producer that asks again, or neither (KIP-360).
    if (request.producerId >= 0n !== request.producerEpoch >= 0) {
      return { ...failed, errorCode: errorCodes.INVALID_REQUEST }
    }
    try {
      // A producer that asks again (KIP-360) simply gets a new id: its old sequences stay with the
      // old one.
      const fresh = await producerIds.next()
      return { throttleTimeMs: 0, errorCode: errorCodes.NONE, producerId: fresh, producerEpoch: 0 }
    } catch {
      return { ...failed, errorCode: errorCodes.COORDINATOR_NOT_AVAILABLE }
    }
  },
})
