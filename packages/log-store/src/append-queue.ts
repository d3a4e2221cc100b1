import { type BatchFormat, type BatchSummary, tryDescribe } from './batch-format.js'
import { StoreError } from './errors.js'
import { maxRelativeOffset } from './segment.js'

/** Appends that have offsets and are not in the file yet. */
export class AppendQueue {
  chunks: Uint8Array[] = []
  batches: BatchSummary[] = []
  bytes = 0
  records = 0

  get isEmpty(): boolean {
    return this.chunks.length === 0
  }

  add(chunk: Uint8Array, batches: readonly BatchSummary[]): void {
    this.chunks.push(chunk)
    for (const batch of batches) {
      this.batches.push(batch)
      this.records += batch.recordCount
    }
    this.bytes += chunk.length
  }

  clear(): void {
    this.chunks = []
    this.batches = []
    this.bytes = 0
    this.records = 0
  }
}

/**
 * Splits appended bytes into batches. With `leaderEpoch` they are stamped in place from
 * `nextOffset` on;
 * without, they keep what they carry, which must be in order. Throws KFK_STORE_INVALID_ARGUMENT,
 * _TOO_LARGE.
 */
export function admitBatches(
  format: BatchFormat,
  bytes: Uint8Array,
  rules: {
    nextOffset: number
    limits: { maxBatchBytes: number; segmentBytes: number }
    leaderEpoch: number | undefined
  },
): BatchSummary[] {
  const { maxBatchBytes, segmentBytes } = rules.limits
  if (bytes.length > segmentBytes) {
    throw tooLarge(`an append of ${bytes.length} bytes`, segmentBytes)
  }
  const batches: BatchSummary[] = []
  let nextOffset = rules.nextOffset
  let at = 0
  while (at < bytes.length) {
    const size = format.sizeOf(bytes, at)
    if (size <= 0 || at + size > bytes.length) throw refuse(at, 'not a whole batch')
    if (size > maxBatchBytes) throw tooLarge(`a batch of ${size} bytes`, maxBatchBytes)
    if (rules.leaderEpoch !== undefined) {
      format.stamp(bytes, at, { baseOffset: nextOffset, leaderEpoch: rules.leaderEpoch })
    }
    const batch = tryDescribe(format, bytes, at)
    if (batch === undefined) throw refuse(at, 'impossible batch header')
    if (batch.baseOffset < nextOffset) {
      throw refuse(at, `offset ${batch.baseOffset} where ${nextOffset} is due`)
    }
    if (batch.lastOffset < batch.baseOffset || !Number.isSafeInteger(batch.lastOffset + 1)) {
      throw refuse(at, `impossible last offset ${batch.lastOffset}`)
    }
    batches.push(batch)
    nextOffset = batch.lastOffset + 1
    at += size
  }
  if (batches.length === 0) throw refuse(0, 'nothing to append')
  if (nextOffset - batches[0]!.baseOffset > maxRelativeOffset) {
    throw refuse(0, 'offsets too far apart for one segment')
  }
  return batches
}

function refuse(position: number, reason: string): StoreError {
  return new StoreError('KFK_STORE_INVALID_ARGUMENT', `append at byte ${position}: ${reason}`, {
    details: { position, reason },
  })
}

function tooLarge(what: string, limitBytes: number): StoreError {
  return new StoreError('KFK_STORE_TOO_LARGE', `${what} exceeds ${limitBytes}`, {
    details: { limitBytes },
  })
}
