import { type BatchFormat, type BatchSummary, tryDescribe } from './batch-format.js'
import { StoreError } from './errors.js'
import { maxRelativeOffset } from './segment.js'

/** What an append must keep to. */
export class AdmissionRules {
  limits: { readonly maxBatchBytes: number; readonly segmentBytes: number } = {
    maxBatchBytes: 0,
    segmentBytes: 0,
  }
  /** Of the next batch: stamped into it, or the least that it may carry. */
  readonly next = { baseOffset: 0, leaderEpoch: -1 }
  /** Batches are stamped; else they keep offsets and epochs that they carry. */
  areStamped = false
  /** That of the batch before; -1: not known. */
  lastEpoch = -1
}

/** Appends that have offsets and are not in the file yet. */
export class AppendQueue {
  chunks: Uint8Array[] = []
  batches: BatchSummary[] = []
  bytes = 0
  records = 0

  get isEmpty(): boolean {
    return this.chunks.length === 0
  }

  /** `chunk` holds the batches that were put into `batches` since the last one. */
  addChunk(chunk: Uint8Array, records: number): void {
    this.chunks.push(chunk)
    this.bytes += chunk.length
    this.records += records
  }

  clear(): void {
    this.chunks = []
    this.batches = []
    this.bytes = 0
    this.records = 0
  }
}

/**
 * Splits appended bytes into batches and puts their summaries behind those in `batches`; `rules` go
 * on with them. They are stamped in place, or keep what they carry, which must be in order. Throws
 * KFK_STORE_INVALID_ARGUMENT, _TOO_LARGE, `batches` as before.
 */
export function admitBatches(
  format: BatchFormat,
  bytes: Uint8Array,
  rules: AdmissionRules,
  batches: BatchSummary[],
): void {
  const { segmentBytes } = rules.limits
  if (bytes.length > segmentBytes) {
    throw tooLarge(`an append of ${bytes.length} bytes`, segmentBytes)
  }
  const before = batches.length
  try {
    admitEach(format, bytes, rules, batches)
    if (batches.length === before) throw refuse(0, 'nothing to append')
    const { lastOffset } = batches[batches.length - 1]!
    if (lastOffset - batches[before]!.baseOffset >= maxRelativeOffset) {
      throw refuse(0, 'offsets too far apart for one segment')
    }
  } catch (error) {
    batches.length = before
    throw error
  }
}

function admitEach(
  format: BatchFormat,
  bytes: Uint8Array,
  rules: AdmissionRules,
  batches: BatchSummary[],
): void {
  const { areStamped, next } = rules
  const { maxBatchBytes } = rules.limits
  for (let at = 0; at < bytes.length;) {
    const nextOffset = next.baseOffset
    const size = format.sizeOf(bytes, at)
    if (size <= 0 || at + size > bytes.length) throw refuse(at, 'not a whole batch')
    if (size > maxBatchBytes) throw tooLarge(`a batch of ${size} bytes`, maxBatchBytes)
    if (areStamped) format.stamp(bytes, at, next)
    const batch = tryDescribe(format, bytes, at)
    if (batch === undefined) throw refuse(at, 'impossible batch header')
    if (batch.baseOffset < nextOffset) {
      throw refuse(at, `offset ${batch.baseOffset} where ${nextOffset} is due`)
    }
    if (batch.lastOffset < batch.baseOffset || !Number.isSafeInteger(batch.lastOffset + 1)) {
      throw refuse(at, `impossible last offset ${batch.lastOffset}`)
    }
    if (batch.leaderEpoch < rules.lastEpoch) throw staleEpoch(batch.leaderEpoch, rules.lastEpoch)
    batches.push(batch)
    rules.lastEpoch = batch.leaderEpoch
    next.baseOffset = batch.lastOffset + 1
    at += size
  }
}

function refuse(position: number, reason: string): StoreError {
  return new StoreError('KFK_STORE_INVALID_ARGUMENT', `append at byte ${position}: ${reason}`, {
    details: { position, reason },
  })
}

/** Recovery would take it for damage: what is acknowledged must be there after a crash. */
function staleEpoch(leaderEpoch: number, before: number): StoreError {
  const message = `leader epoch ${leaderEpoch} after ${before}: cut the log to where they part first`
  return new StoreError('KFK_STORE_INVALID_ARGUMENT', message, {
    details: { leaderEpoch, before },
  })
}

function tooLarge(what: string, limitBytes: number): StoreError {
  return new StoreError('KFK_STORE_TOO_LARGE', `${what} exceeds ${limitBytes}`, {
    details: { limitBytes },
  })
}
