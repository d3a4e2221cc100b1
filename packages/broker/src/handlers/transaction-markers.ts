import { apis } from '@kfk/protocol'
import type { RequestOf } from '@kfk/protocol'
import { defineHandler, type Handler, type RequestContext } from '../context.js'

type Marker = RequestOf<typeof apis.writeTxnMarkers>['markers'][number]

async function write({ services }: RequestContext, request: Marker) {
  const { producerId, producerEpoch, coordinatorEpoch, transactionVersion } = request
  const marker = {
    ...{ producerId, producerEpoch, coordinatorEpoch, transactionVersion },
    committed: request.transactionResult,
  }
  const topics = request.topics.map(async ({ name, partitionIndexes }) => ({
    name,
    partitions: await Promise.all(
      partitionIndexes.map(async (partitionIndex) => {
        const place = { topic: name, partition: partitionIndex }
        const errorCode = await services.transactions.writeMarker(place, marker)
        return { partitionIndex, errorCode }
      }),
    ),
  }))
  return { producerId, topics: await Promise.all(topics) }
}

/** WriteTxnMarkers, from coordinators: ends transactions in partitions that are led here. */
export const writeTxnMarkers: Handler = defineHandler<typeof apis.writeTxnMarkers>({
  api: apis.writeTxnMarkers,
  versions: [1, 2],
  async handle(context, { markers }) {
    return { markers: await Promise.all(markers.map((marker) => write(context, marker))) }
  },
})
