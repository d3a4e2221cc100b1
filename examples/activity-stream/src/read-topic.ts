import { createAdmin, type Client } from '@kfk/client'
import { createConsumer, type ConsumerRecord } from '@kfk/consumer'

/**
 * Every record of a topic, from the given offsets (by partition; default from the start) to the end
 * that the topic has at the call. Ends by itself; reads without a group.
 */
export async function* readToEnd(
  client: Client,
  topic: string,
  from: readonly number[] = [],
): AsyncGenerator<ConsumerRecord, void, undefined> {
  const admin = createAdmin({ client })
  const starts = await admin.topicOffsets(topic, 'earliest')
  const ends = await admin.topicOffsets(topic, 'latest')
  const startOf = (partition: number): bigint => {
    const wanted = BigInt(from[partition] ?? 0)
    const first = starts[partition]?.offset ?? 0n
    return wanted > first ? wanted : first
  }
  const open = new Map(ends.map(({ partition, offset }) => [partition, offset]))
  for (const [partition, end] of open) if (startOf(partition) >= end) open.delete(partition)
  if (open.size === 0) return
  const assignment = [...open.keys()].map((partition) => ({ topic, partition }))
  await using consumer = createConsumer({
    client,
    assignment,
    from: 'earliest',
    rebalance: {
      assigned: () => assignment.forEach((each) => consumer.seek(each, startOf(each.partition))),
    },
  })
  for await (const batch of consumer.batches({ maxRecords: 2000 })) {
    const end = open.get(batch.partition)
    if (end === undefined) continue
    for (const record of batch.records) if (record.offset < end) yield record
    if (batch.nextOffset >= end) open.delete(batch.partition)
    if (open.size === 0) return
  }
}
