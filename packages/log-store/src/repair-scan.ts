import { type BatchFormat, type BatchSummary, tryDescribe } from './batch-format.js'
import { readRange, type FileHandle } from './fs/file-system.js'
import { gapsEverywhere } from './offset-gaps.js'
import { BatchSelector, type RepairScan } from './repair-selector.js'
import { scanBatches } from './segment-scan.js'

export interface RepairScanRequest {
  readonly format: BatchFormat
  readonly handle: FileHandle
  readonly sizeBytes: number
  readonly baseOffset: number
  /** No offset of the segment reaches it: the next segment begins there. */
  readonly limitOffset: number
  /** Missing offsets below it are none. */
  readonly gapsBelow: number
  readonly signal?: AbortSignal | undefined
  /** Sees the batches that are kept, with their position in this file. */
  readonly onBatch?: (batch: BatchSummary, position: number) => void
}

/** Bytes that are searched at once for the next batch. */
const searchBytes = 1024 ** 2

/** Finds all valid batches of a segment, also those behind damage. Changes nothing. */
export async function scanForRepair(request: RepairScanRequest): Promise<RepairScan> {
  const { format, handle, sizeBytes, signal } = request
  const selector = new BatchSelector(request)
  let position = 0
  while (position < sizeBytes) {
    const scanned = await scanBatches({
      format,
      handle,
      from: position,
      to: sizeBytes,
      // Order is for the selector to judge: it sees what comes after, too.
      expectedOffset: Number.MIN_SAFE_INTEGER,
      gapsBelow: gapsEverywhere,
      anyOrder: true,
      verify: true,
      onPiece() {
        signal?.throwIfAborted()
        return undefined
      },
      onBatch: (batch, at) => selector.take(batch, at),
    })
    if (scanned.problem === undefined) break
    position = await nextBatch(request, scanned.position)
    selector.damaged({ from: scanned.position, to: position }, scanned.problem)
  }
  return selector.finish()
}

/** Where the next valid batch begins behind a bad one; the end when there is none. */
async function nextBatch(request: RepairScanRequest, bad: number): Promise<number> {
  const { format, handle, sizeBytes, signal } = request
  const header = await readRange(handle, bad, format.headerBytes)
  const size = format.sizeOf(header, 0)
  // The usual case: the header is whole and says where the next one is. A search could be misled
  // by a payload that holds batches.
  if (size > 0 && bad + size < sizeBytes && (await isBatchAt(request, bad + size))) {
    return bad + size
  }
  for (let from = bad + 1; from < sizeBytes; from += searchBytes) {
    signal?.throwIfAborted()
    const length = Math.min(searchBytes + format.headerBytes, sizeBytes - from)
    const bytes = await readRange(handle, from, length)
    const limit = Math.min(searchBytes, bytes.length - format.headerBytes + 1)
    for (let at = 0; at < limit; at++) {
      if (format.sizeOf(bytes, at) <= 0 || !mayFollow(request, bytes, at)) continue
      if (await isBatchAt(request, from + at)) return from + at
    }
  }
  return sizeBytes
}

function mayFollow(request: RepairScanRequest, bytes: Uint8Array, at: number): boolean {
  const batch = tryDescribe(request.format, bytes, at)
  if (batch === undefined) return false
  return batch.baseOffset >= request.baseOffset && batch.lastOffset < request.limitOffset
}

async function isBatchAt(request: RepairScanRequest, position: number): Promise<boolean> {
  const { format, handle, sizeBytes } = request
  const header = await readRange(handle, position, format.headerBytes)
  const size = format.sizeOf(header, 0)
  if (size <= 0 || position + size > sizeBytes || !mayFollow(request, header, 0)) return false
  const bytes = await readRange(handle, position, size)
  return bytes.length === size && format.check(bytes, 0) === undefined
}
