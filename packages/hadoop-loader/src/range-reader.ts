import { ClientError, kafkaError, type Client } from '@kfk/client'
import { apis, batches, decodeRecords, type DecodedRecord } from '@kfk/protocol'
import type { Split } from './plan.js'

export interface RangeReaderOptions {
  readonly client: Client
  readonly signal: AbortSignal
  /** Of the connection: one reader at a time uses it. */
  readonly lane: string
  /** Bytes asked for at once. */
  readonly fetchBytes: number
}

const maxWaitMs = 1000
/** Errors after which the leader is looked up again: not the leader, unknown or fenced epoch, unknown topic, storage. */
const leaderErrors = new Set([3, 5, 6, 9, 56, 74, 75, 100, 103])
/** A leader that is away must be back after so long without any progress. */
const stallMs = 120_000

/** Records of a batch, and the offset after it. Control batches have no records. */
export interface ReadBatch {
  readonly records: readonly DecodedRecord[]
  readonly nextOffset: number
}

/**
 * The records of offsets [from, to), batch by batch; what a batch has outside of them is left out. Follows the leader;
 * ends with an error when there is none for two minutes.
 */
export async function* readRange(
  options: RangeReaderOptions,
  split: Split,
): AsyncGenerator<ReadBatch, void, undefined> {
  let position = split.from
  while (position < split.to) {
    const fetchOffset = position
    const bytes = await options.client.retrying(() => fetchAt(options, split, fetchOffset), {
      signal: options.signal,
      timeoutMs: stallMs,
      retries: Infinity,
    })
    for (const { header, bytes: batch } of batches(bytes)) {
      const nextOffset = Math.min(header.lastOffset + 1, split.to)
      if (nextOffset <= position) continue
      const all = header.isControl ? [] : decodeRecords(batch, { verifyChecksum: true })
      const first = position
      const records = all.filter(({ offset }) => offset >= first && offset < split.to)
      position = nextOffset
      yield { records, nextOffset }
      if (position >= split.to) return
    }
    if (position === fetchOffset) throw unreadable(split, position)
  }
}

async function fetchAt(
  { client, signal, lane, fetchBytes }: RangeReaderOptions,
  { topic, partition }: Split,
  fetchOffset: number,
): Promise<Uint8Array> {
  const { topicId } = await client.metadata.topic(topic, { signal, autoCreate: false })
  const { nodeId } = await client.metadata.leader(topic, partition, { signal })
  const partitions = [{ partition, fetchOffset, partitionMaxBytes: fetchBytes }]
  const response = await client
    .request(
      apis.fetch,
      (version) => ({
        maxWaitMs,
        minBytes: 1,
        maxBytes: fetchBytes,
        topics: [version >= 13 ? { topicId, partitions } : { topic, partitions }],
      }),
      { nodeId },
      { signal, lane },
    )
    .catch((error: unknown) => {
      // The broker may be gone: the partition may have another leader by now.
      client.metadata.invalidate(topic)
      throw error
    })
  const answer = response.responses[0]?.partitions[0]
  const errorCode = response.errorCode !== 0 ? response.errorCode : (answer?.errorCode ?? 0)
  if (leaderErrors.has(errorCode)) client.metadata.invalidate(topic)
  if (errorCode !== 0) throw kafkaError(errorCode, null, { topic, partition, offset: fetchOffset })
  return answer?.records ?? new Uint8Array(0)
}

/** Offsets below the high watermark exist: a leader that returns nothing for them has lost them, or is just catching up. */
function unreadable({ topic, partition }: Split, offset: number): ClientError {
  const message = `${topic}-${partition} returned nothing at offset ${offset}, which is below its high watermark`
  return new ClientError('KFK_CLIENT_SERVER', message, {
    retriable: true,
    details: { topic, partition, offset },
  })
}
