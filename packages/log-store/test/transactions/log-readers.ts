// Reads a log as consumers do.
import type { Log } from '../../src/index'
import { type BatchContent, decodeBatch, producerBatches } from '../support/producer-batches'
import type { WrittenRecord } from './expected-log'

interface ReadBatch {
  readonly lastOffset: number
  readonly content: BatchContent
  readonly records: readonly WrittenRecord[]
}

/** What one read answers, up to the next offset. */
interface Piece {
  readonly from: number
  readonly to: number
  readonly batches: readonly ReadBatch[]
}

async function* pieces(log: Log, end: number, maxBytes: number): AsyncGenerator<Piece> {
  for (let from = log.logStartOffset; from < end;) {
    const { bytes, nextOffset } = await log.read({ from, maxBytes, maxOffset: end })
    if (nextOffset <= from) throw new Error(`nothing to read at ${from} of ${end}`)
    yield { from, to: nextOffset, batches: batchesOf(bytes) }
    from = nextOffset
  }
}

function batchesOf(bytes: Uint8Array): ReadBatch[] {
  const batches: ReadBatch[] = []
  for (let at = 0; at < bytes.length; at += producerBatches.sizeOf(bytes, at)) {
    const problem = producerBatches.check(bytes, at)
    if (problem !== undefined) throw new Error(`${problem} was read`)
    const { baseOffset, lastOffset } = producerBatches.describe(bytes, at)
    const content = decodeBatch(bytes, at)
    const records = content.records.map(({ delta, key, value }) => {
      return { offset: baseOffset + delta, key, tombstone: value === null }
    })
    batches.push({ lastOffset, content, records })
  }
  return batches
}

/** All records but markers, whatever became of them. */
export async function readAny(log: Log, maxBytes: number): Promise<WrittenRecord[]> {
  const found: WrittenRecord[] = []
  for await (const { batches } of pieces(log, log.logEndOffset, maxBytes)) {
    for (const { content, records } of batches) {
      if (content.control === undefined) found.push(...records)
    }
  }
  return found
}

/** [isolation.level=read_committed]: knows of each piece which transactions were aborted. */
export async function readCommitted(log: Log, maxBytes: number): Promise<WrittenRecord[]> {
  const found: WrittenRecord[] = []
  const stableEnd = log.lastStableOffset(log.logEndOffset)
  for await (const { from, to, batches } of pieces(log, stableEnd, maxBytes)) {
    const ahead = [...(await log.abortedTransactions(from, to))]
    ahead.sort((one, other) => one.firstOffset - other.firstOffset)
    const aborted = new Set<number>()
    for (const { lastOffset, content, records } of batches) {
      const { producer, control, transactional } = content
      while (ahead.length > 0 && ahead[0]!.firstOffset <= lastOffset) {
        aborted.add(Number(ahead.shift()!.producerId))
      }
      if (control !== undefined)
        aborted.delete(control === 'abort' && records.length > 0 ? producer : -1)
      else if (!transactional || !aborted.has(producer)) found.push(...records)
    }
  }
  return found
}
