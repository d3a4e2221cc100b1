import { type Client, createClient } from '@kfk/client'
import { apis, batches, decodeRecords, errorByCode } from '@kfk/protocol'

export interface StoredRecord {
  readonly offset: number
  readonly value: string
}

/** One fetch from the leader; throws ClientError, or an Error that names the broker's code. */
export async function fetchFrom(
  client: Client,
  topic: string,
  at: { partition: number; offset: number },
): Promise<{ records: StoredRecord[]; highWatermark: number }> {
  const { nodeId } = await client.metadata.leader(topic, at.partition)
  const wanted = {
    partition: at.partition,
    fetchOffset: at.offset,
    partitionMaxBytes: 8 * 1024 * 1024,
  }
  const body = {
    maxWaitMs: 0,
    minBytes: 0,
    topics: [{ topic, partitions: [wanted] }],
    forgottenTopicsData: [],
  }
  const response = await client.request(apis.fetch, body, { nodeId }, { maxVersion: 12 })
  const partition = response.responses[0]!.partitions[0]!
  if (partition.errorCode !== 0) {
    client.metadata.invalidate(topic)
    throw new Error(errorByCode(partition.errorCode).name)
  }
  const records: StoredRecord[] = []
  for (const { bytes } of batches(partition.records ?? new Uint8Array())) {
    for (const { offset, value } of decodeRecords(bytes, { verifyChecksum: true })) {
      if (offset >= at.offset) records.push({ offset, value: Buffer.from(value!).toString() })
    }
  }
  return { records, highWatermark: partition.highWatermark }
}

/** Everything that a topic holds, by partition. */
export async function readTopic(
  brokers: readonly string[],
  topic: string,
  partitions: number,
): Promise<StoredRecord[][]> {
  await using client = createClient({ brokers })
  const all: StoredRecord[][] = []
  for (let partition = 0; partition < partitions; partition++) {
    const stored: StoredRecord[] = []
    for (;;) {
      const offset = (stored.at(-1)?.offset ?? -1) + 1
      const { records, highWatermark } = await fetchFrom(client, topic, { partition, offset })
      stored.push(...records)
      if ((stored.at(-1)?.offset ?? -1) + 1 >= highWatermark) break
    }
    all.push(stored)
  }
  return all
}
