import {
  batches,
  decodeRecords,
  errorCodes,
  RecordBatchBuilder,
  validateBatch,
} from '@kfk/protocol'
import type { BatchHeader } from '@kfk/protocol'
import type { ClusterChange, Partition } from '../context.js'
import { BrokerError } from '../errors.js'
import { ClusterImage } from './cluster-image.js'
import {
  decodeMetadataRecord,
  encodeMetadataRecord,
  type MetadataRecord,
} from './metadata-records.js'

/** Bytes per read and per batch: a topic of 10,000 partitions takes some 100 KB. */
const READ_BYTES = 1024 * 1024
const BATCH_BYTES = 512 * 1024

/** What the metadata log needs of a partition. */
export type MetadataPartition = Pick<
  Partition,
  'append' | 'highWatermark' | 'log' | 'logEndOffset' | 'read' | 'whenCommitted'
>

/**
 * This broker's copy of the metadata log, and the image of it. Each record is replayed exactly
 * once, in order: records of the controller's own once they are on its disk, those of another's as
 * soon as they are here, because there they are committed.
 */
export class MetadataLog {
  readonly image = new ClusterImage()
  readonly #partition: MetadataPartition
  readonly #onApplied: (change: ClusterChange) => void

  constructor(partition: MetadataPartition, onApplied: (change: ClusterChange) => void) {
    this.#partition = partition
    this.#onApplied = onApplied
  }

  /** Offset from which the controller's log is to be fetched. */
  get endOffset(): number {
    return this.#partition.logEndOffset
  }

  /** Controller epoch of the last batch; -1 when there is none. */
  get lastEpoch(): number {
    return this.#partition.log.latestEpoch ?? -1
  }

  /**
   * Replays what is on disk.
   *
   * @throws {BrokerError} KFK_BROKER_CLUSTER when the log is not one of metadata; StoreError when
   *   it cannot be read
   */
  async load(): Promise<void> {
    await this.#partition.whenCommitted(this.#partition.logEndOffset)
    while (this.image.nextOffset < this.#partition.logEndOffset) {
      const from = this.image.nextOffset
      const slice = await this.#partition.read({ from, maxBytes: READ_BYTES })
      for (const batch of batches(slice.bytes)) this.#replayAll(decodeBatch(batch.bytes))
      if (this.image.nextOffset <= from) {
        throw new BrokerError('KFK_BROKER_CLUSTER', `the metadata log cannot be read at ${from}`)
      }
    }
  }

  /**
   * The controller's way: resolves once the records are on disk and replayed. Calls must not
   * overlap.
   *
   * @throws {MetadataAppendError} when the records are not, and will not be, in the log
   */
  async append(records: readonly MetadataRecord[], nowMs: number): Promise<void> {
    if (records.length === 0) return
    const appended = this.#partition.append(encodeBatches(records, nowMs), { origin: 'controller' })
    if (appended.errorCode !== errorCodes.NONE) {
      const { errorCode, errorMessage = 'the metadata log cannot be written' } = appended
      throw new MetadataAppendError(errorCode, errorMessage)
    }
    try {
      await this.#partition.whenCommitted(appended.lastOffset + 1)
    } catch (cause) {
      const message = `the metadata log cannot be written: ${String(cause)}`
      throw new MetadataAppendError(errorCodes.KAFKA_STORAGE_ERROR, message, cause)
    }
    this.#replayAll(
      records.map((record, index) => ({ record, offset: appended.baseOffset + index })),
    )
  }

  /**
   * The way of all others: appends the bytes that the controller sent, as they are. They are
   * checked as untrusted input before anything is kept: sound, without a gap, of no epoch above the
   * controller's and none that goes back.
   *
   * @throws {BrokerError} KFK_BROKER_CLUSTER, ProtocolError, StoreError; the local copy is as
   *   before, or ahead in memory alone
   */
  async appendReplicated(bytes: Uint8Array, controllerEpoch: number): Promise<void> {
    const decoded: ReplayItem[] = []
    let next = this.endOffset
    let epoch = this.lastEpoch
    let start = bytes.length
    let end = 0
    let position = 0
    for (const batch of batches(bytes)) {
      const batchEnd = position + batch.header.sizeInBytes
      // A fetch may begin with a batch that is here already.
      if (batch.header.lastOffset >= next) {
        validateBatch(batch.bytes, { verifyRecords: 'all' })
        checkSequence(batch.header, { next, epoch, controllerEpoch })
        decoded.push(...decodeBatch(batch.bytes))
        next = batch.header.lastOffset + 1
        epoch = batch.header.partitionLeaderEpoch
        start = Math.min(start, position)
        end = batchEnd
      }
      position = batchEnd
    }
    if (end === 0) return
    // Before the append: a log that does not fit must not get onto the disk, where it would stop
    // each start.
    this.#replayAll(decoded)
    // Copied: the bytes belong to the log until they are written, and they hold the whole response
    // in memory.
    this.#partition.log.appendReplicated(Uint8Array.prototype.slice.call(bytes, start, end))
    await this.#partition.whenCommitted(next)
  }

  #replayAll(items: readonly ReplayItem[]): void {
    for (const { record, offset } of items) {
      if (offset < this.image.nextOffset) continue
      this.#onApplied(this.image.replay(record, offset))
    }
  }
}

/** An append of the controller that failed, for good or for now. */
export class MetadataAppendError extends Error {
  constructor(
    readonly kafkaCode: number,
    message: string,
    cause?: unknown,
  ) {
    super(message, { cause })
    this.name = 'MetadataAppendError'
  }
}

interface ReplayItem {
  readonly record: MetadataRecord
  readonly offset: number
}

function decodeBatch(bytes: Uint8Array): ReplayItem[] {
  return decodeRecords(bytes).map(({ offset, value }) => {
    return { offset, record: decodeMetadataRecord(value) }
  })
}

function checkSequence(
  header: BatchHeader,
  expected: { next: number; epoch: number; controllerEpoch: number },
): void {
  const { baseOffset, partitionLeaderEpoch } = header
  if (baseOffset !== expected.next) {
    throw new BrokerError(
      'KFK_BROKER_CLUSTER',
      `the controller sent metadata at offset ${baseOffset} instead of ${expected.next}`,
    )
  }
  if (partitionLeaderEpoch < expected.epoch || partitionLeaderEpoch > expected.controllerEpoch) {
    throw new BrokerError(
      'KFK_BROKER_CLUSTER',
      `the controller sent metadata of epoch ${partitionLeaderEpoch} at offset ` +
        `${baseOffset}, after epoch ${expected.epoch} and under epoch ` +
        `${expected.controllerEpoch}`,
    )
  }
}

function encodeBatches(records: readonly MetadataRecord[], nowMs: number): Uint8Array {
  const built: Uint8Array[] = []
  let builder = new RecordBatchBuilder({ maxBytes: BATCH_BYTES })
  for (const record of records) {
    const input = { value: encodeMetadataRecord(record), timestamp: nowMs }
    if (builder.tryAppend(input)) continue
    built.push(builder.build())
    builder = new RecordBatchBuilder({ maxBytes: BATCH_BYTES })
    builder.tryAppend(input)
  }
  built.push(builder.build())
  return built.length === 1 ? built[0]! : Buffer.concat(built)
}
