import type { LogTransactionEnd } from '../partition/coordinator-log.js'
import type { OffsetKey } from './committed-offsets.js'
import type { OffsetsRecord } from './group-records.js'

type OffsetRecord = OffsetsRecord & { readonly kind: 'offset' }

/** By the place that an offset is for. */
type PendingGroup = Map<string, PendingOffset>

interface PendingOffset {
  readonly key: OffsetKey
  /** Null: a later commit outside of the transaction counts. */
  record: OffsetRecord | null
}

/**
 * Offsets that are a part of transactions which have not ended: by producer, then by group. They
 * are in the log, and nobody sees them; what one replaces may still be what counts in the end.
 */
export class TransactionalOffsets {
  readonly #producers = new Map<bigint, Map<string, PendingGroup>>()

  add(producerId: bigint, record: OffsetsRecord): void {
    if (record.kind !== 'offset') return
    let groups = this.#producers.get(producerId)
    if (groups === undefined)
      this.#producers.set(producerId, (groups = new Map<string, PendingGroup>()))
    let pending = groups.get(record.groupId)
    if (pending === undefined)
      groups.set(record.groupId, (pending = new Map<string, PendingOffset>()))
    pending.set(placeOf(record), { key: record, record })
  }

  /** A commit outside of transactions: it is later than what they hold for the same place. */
  overtake(record: OffsetsRecord): void {
    if (record.kind !== 'offset') return
    for (const groups of this.#producers.values()) {
      const entry = groups.get(record.groupId)?.get(placeOf(record))
      if (entry !== undefined) entry.record = null
    }
  }

  /** What counts from now on, in the order of the log. */
  end({ producerId, committed }: LogTransactionEnd): OffsetsRecord[] {
    const groups = this.#producers.get(producerId)
    this.#producers.delete(producerId)
    if (groups === undefined || !committed) return []
    return [...groups.values()].flatMap((pending) =>
      [...pending.values()].flatMap(({ record }) => (record === null ? [] : [record])),
    )
  }

  /** Whether the offset for a place may change with the end of a transaction (KIP-447). */
  isUnstable(groupId: string, place: OffsetKey): boolean {
    for (const groups of this.#producers.values()) {
      if (groups.get(groupId)?.has(placeOf(place)) === true) return true
    }
    return false
  }

  /** Groups with offsets in open transactions. */
  *groupIds(): IterableIterator<string> {
    for (const groups of this.#producers.values()) yield* groups.keys()
  }

  /** The places for which a group has offsets in open transactions. */
  *keysOf(groupId: string): IterableIterator<OffsetKey> {
    for (const groups of this.#producers.values()) {
      for (const { key } of groups.get(groupId)?.values() ?? []) yield key
    }
  }
}

function placeOf({ topic, partition }: OffsetKey): string {
  return `${topic}-${partition}`
}
