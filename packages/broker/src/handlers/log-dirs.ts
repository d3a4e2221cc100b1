import { apis, errorCodes } from '@kfk/protocol'
import type { RequestOf, ResponseInput } from '@kfk/protocol'
import { defineHandler, type Handler, type LogStorage } from '../context.js'

type Wanted = RequestOf<typeof apis.describeLogDirs>['topics']
type TopicSizes = ResponseInput<typeof apis.describeLogDirs>['results'][number]['topics']
type PartitionSize = TopicSizes[number]['partitions'][number]

async function sizesOf(storage: LogStorage, wanted: Wanted): Promise<TopicSizes> {
  const filter = wanted && new Map(wanted.map((one) => [one.topic, new Set(one.partitions)]))
  const topics = new Map<string, PartitionSize[]>()
  for (const { topic, index, sizeBytes } of await storage.sizes()) {
    if (filter !== null && filter.get(topic)?.has(index) !== true) continue
    const partitions = topics.get(topic) ?? []
    topics.set(topic, partitions)
    partitions.push({
      partitionIndex: index,
      partitionSize: BigInt(sizeBytes),
      offsetLag: 0,
      isFutureKey: false,
    })
  }
  return [...topics].map(([name, partitions]) => ({ name, partitions }))
}

/** DescribeLogDirs: how large the partitions of this broker are (KIP-113, KIP-827). */
export const describeLogDirs: Handler = defineHandler<typeof apis.describeLogDirs>({
  api: apis.describeLogDirs,
  versions: [1, 4],
  async handle(context, request) {
    const { storage } = context.services
    const { totalBytes, usableBytes } = await storage.space()
    const result = {
      errorCode: storage.failed ? errorCodes.KAFKA_STORAGE_ERROR : errorCodes.NONE,
      logDir: storage.path,
      topics: await sizesOf(storage, request.topics),
      totalBytes: BigInt(totalBytes),
      usableBytes: BigInt(usableBytes),
    }
    return { throttleTimeMs: 0, results: [result] }
  },
})
