import type { BatchHeader } from './batch-header.js'
import { decodeRecords } from './batch-reader.js'
import { readControlRecord } from './control-records.js'

/** Where the leader says that a producer began a transaction that it took back later. */
export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: number
}

/**
 * Tells the batches of aborted transactions in one fetch, as a consumer with
 * `isolation.level=read_committed` does (KIP-98): a transaction begins at the offset that the
 * leader names and ends with its producer's abort marker.
 */
export class AbortedTransactions {
  readonly #upcoming: readonly AbortedTransaction[]
  #next = 0
  readonly #open = new Set<bigint>()

  constructor(transactions: readonly AbortedTransaction[]) {
    this.#upcoming = [...transactions].sort((a, b) => a.firstOffset - b.firstOffset)
  }

  /** To be asked for every batch of the fetch, in order. */
  covers(header: BatchHeader, batch: Uint8Array): boolean {
    const { producerId, lastOffset, isControl, isTransactional } = header
    for (let next; (next = this.#upcoming[this.#next]) !== undefined; this.#next++) {
      if (next.firstOffset > lastOffset) break
      this.#open.add(next.producerId)
    }
    if (!isControl) return isTransactional && this.#open.has(producerId)
    if (this.#open.has(producerId) && isAbort(batch)) this.#open.delete(producerId)
    return false
  }
}

function isAbort(batch: Uint8Array): boolean {
  const [marker] = decodeRecords(batch)
  return marker !== undefined && readControlRecord(marker)?.type === 'abort'
}
