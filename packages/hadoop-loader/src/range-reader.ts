import { ClientError, kafkaError, type Client } from '@kfk/client'
import { apis, batches, decodeRecords, type DecodedRecord } from '@kfk/protocol'
import { AbortedTransactions, type AbortedTransaction } from '@kfk/protocol'
import { LoaderError } from './errors.js'
import type { Split } from './plan.js'

export interface RangeReaderOptions {
  readonly client: Client
  readonly signal: AbortSignal
  /** The topic that was planned: another one of the same name has other records. */
  readonly topicId: string
  /** Of the connection: one reader at a time uses it. */
  readonly lane: string
  /** Bytes asked for at once. */
  readonly fetchBytes: number
}

const maxWaitMs = 1000
const offsetOutOfRange = 1
/** Kafka's `isolation.level`: the leader names the transactions that were aborted. */
const readCommitted = 1
/**
 * Errors after which the leader is looked up again: not the leader, unknown or fenced epoch,
 * unknown topic, storage.
 */
const leaderErrors = new Set([3, 5, 6, 9, 56, 74, 75, 100, 103])
/** A leader that is away must be back after so long without any progress. */
const stallMs = 120_000

/** Records of a batch, and the offset after it. Control batches, and aborted ones, have none. */
export interface ReadBatch {
  readonly records: readonly DecodedRecord[]
  readonly nextOffset: number
}

/**
 * The records of offsets [from, to), batch by batch; what a batch has outside of them is left out.
 * Follows the leader; ends with an error when there is none for two minutes.
 *
 * @throws LoaderError KFK_LOADER_GAP when retention has removed a part of them meanwhile,
 *   KFK_LOADER_CORRUPT_LOG, ClientError
 */
export async function* readRange(
  options: RangeReaderOptions,
  split: Split,
): AsyncGenerator<ReadBatch, void, undefined> {
  let position = split.from
  while (position < split.to) {
    const fetchOffset = position
    const fetched = await options.client.retrying(() => fetchAt(options, split, fetchOffset), {
      signal: options.signal,
      timeoutMs: stallMs,
      retries: Infinity,
    })
    const aborted = new AbortedTransactions(fetched.aborted)
    for (const { header, bytes } of fetched.batches) {
      const isAborted = aborted.covers(header, bytes)
      const nextOffset = Math.min(header.lastOffset + 1, split.to)
      if (nextOffset <= position) continue
      const first = position
      const isEmpty = header.isControl || isAborted
      const records = isEmpty ? [] : recordsOf(bytes, split, position)
      position = nextOffset
      yield {
        records: records.filter(({ offset }) => offset >= first && offset < split.to),
        nextOffset,
      }
      if (position >= split.to) return
    }
  }
}

type Batch = ReturnType<typeof batches> extends Iterable<infer T> ? T : never

function recordsOf(batch: Uint8Array, split: Split, offset: number): readonly DecodedRecord[] {
  try {
    return decodeRecords(batch, { verifyChecksum: true })
  } catch (cause) {
    throw corrupt(split, offset, cause)
  }
}

function corrupt({ topic, partition }: Split, offset: number, cause: unknown): LoaderError {
  const message = `${topic}-${partition} cannot be read at offset ${offset}: ${(cause as Error).message}`
  return new LoaderError('KFK_LOADER_CORRUPT_LOG', message, {
    cause,
    details: { topic, partition, offset },
  })
}

/** The batches at an offset: at least one that goes beyond it. */
async function fetchAt(
  { client, signal, lane, fetchBytes, topicId: planned }: RangeReaderOptions,
  split: Split,
  fetchOffset: number,
): Promise<{ batches: Batch[]; aborted: readonly AbortedTransaction[] }> {
  const { topic, partition } = split
  const { topicId } = await client.metadata.topic(topic, { signal, autoCreate: false })
  if (topicId !== planned) throw replaced(topic)
  const { nodeId } = await client.metadata.leader(topic, partition, { signal })
  const partitions = [{ partition, fetchOffset, partitionMaxBytes: fetchBytes }]
  const response = await client
    .request(
      apis.fetch,
      (version) => ({
        maxWaitMs,
        minBytes: 1,
        isolationLevel: readCommitted,
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
  if (errorCode === offsetOutOfRange) throw outOfRange(split, fetchOffset, answer!)
  if (errorCode !== 0) throw kafkaError(errorCode, null, { topic, partition, offset: fetchOffset })
  const found = batchesOf(answer?.records ?? new Uint8Array(0), split, fetchOffset)
  if (!found.some(({ header }) => header.lastOffset >= fetchOffset)) {
    throw unreadable(split, fetchOffset)
  }
  return { batches: found, aborted: answer?.abortedTransactions ?? [] }
}

function batchesOf(bytes: Uint8Array, split: Split, offset: number): Batch[] {
  try {
    return [...batches(bytes)]
  } catch (cause) {
    throw corrupt(split, offset, cause)
  }
}

function outOfRange(
  { topic, partition }: Split,
  offset: number,
  { logStartOffset, highWatermark }: { logStartOffset: number; highWatermark: number },
): LoaderError {
  const details = { topic, partition, offset, logStartOffset, highWatermark }
  const gone = offset >= logStartOffset && logStartOffset >= 0
  return gone
    ? new LoaderError('KFK_LOADER_LOG_BEHIND', logBehind(topic, partition, offset), { details })
    : new LoaderError('KFK_LOADER_GAP', deletedMeanwhile(topic, partition, offset), { details })
}

function logBehind(topic: string, partition: number, offset: number): string {
  return `${topic}-${partition} ends before offset ${offset}, which it had a moment ago: the log has lost records`
}

function deletedMeanwhile(topic: string, partition: number, offset: number): string {
  return `offset ${offset} of ${topic}-${partition} was deleted from the log while it was being loaded: load again; skipMissing (--skip-missing) commits deleted offsets as missing`
}

function replaced(topic: string): LoaderError {
  const message = `topic "${topic}" was deleted and created again while it was being loaded`
  return new LoaderError('KFK_LOADER_OTHER_TOPIC', message, { details: { topic } })
}

/**
 * Offsets below the high watermark exist: a leader that returns nothing for them has lost them, or
 * is just catching up.
 */
function unreadable({ topic, partition }: Split, offset: number): ClientError {
  const message = `${topic}-${partition} returned nothing at offset ${offset}, which is below its high watermark`
  return new ClientError('KFK_CLIENT_SERVER', message, {
    retriable: true,
    details: { topic, partition, offset },
  })
}
