import { errorCodes } from '@kfk/protocol'
import type { apis, RequestOf, ResponseOf } from '@kfk/protocol'
import type { ControllerContext, Decision } from './decision.js'

type Request = RequestOf<typeof apis.allocateProducerIds>
type Response = ResponseOf<typeof apis.allocateProducerIds>

/**
 * Ids in a block: as in Kafka. A broker that is killed loses what is left of one, which 2^63 ids
 * can bear.
 */
export const PRODUCER_ID_BLOCK = 1000

/**
 * AllocateProducerIds (KIP-730), from broker to controller: the block is the broker's once the
 * record is committed, used or not.
 */
export function allocateProducerIds(
  request: Request,
  { image, liveBrokers }: ControllerContext,
): Decision<Response> {
  const { brokerId } = request
  if (!image.brokers.has(brokerId) && !liveBrokers.includes(brokerId)) {
    return { records: [], response: refused(errorCodes.BROKER_ID_NOT_REGISTERED) }
  }
  const first = image.nextProducerId
  if (first + BigInt(PRODUCER_ID_BLOCK) >= 2n ** 63n) {
    return { records: [], response: refused(errorCodes.UNKNOWN_SERVER_ERROR) }
  }
  return {
    records: [{ type: 'producer-ids-granted', first, count: PRODUCER_ID_BLOCK, to: brokerId }],
    response: {
      throttleTimeMs: 0,
      errorCode: errorCodes.NONE,
      producerIdStart: first,
      producerIdLen: PRODUCER_ID_BLOCK,
    },
  }
}

function refused(errorCode: number): Response {
  return { throttleTimeMs: 0, errorCode, producerIdStart: -1n, producerIdLen: 0 }
}
