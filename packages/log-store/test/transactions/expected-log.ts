// What producers have written, as nobody but they know it: all batches, whatever compaction did.
import type { BatchContent } from '../support/producer-batches'

export interface WrittenRecord {
  readonly offset: number
  readonly key: string
  readonly tombstone: boolean
}

interface Written {
  readonly base: number
  readonly last: number
  readonly content: BatchContent
}

export type Fate = 'plain' | 'open' | 'committed' | 'aborted'

export class ExpectedLog {
  #written: readonly Written[] = []
  /** Never cut below: compaction looks only at what is never taken back. */
  floor = 0

  get end(): number {
    return (this.#written.at(-1)?.last ?? -1) + 1
  }

  append(content: BatchContent): void {
    const base = this.end
    this.#written = [...this.#written, { base, last: base + content.records.length - 1, content }]
  }

  /** Answers the new end: batches are not divided. */
  cut(offset: number): number {
    this.#written = this.#written.filter(({ last }) => last < offset)
    return this.end
  }

  /** The transaction that a producer has open begins there. */
  openFrom(producer: number): number | undefined {
    let from: number | undefined
    for (const { base, content } of this.#written) {
      if (content.producer !== producer) continue
      if (content.control !== undefined) from = undefined
      else if (content.transactional) from ??= base
    }
    return from
  }

  /** Where the oldest transaction begins that is open. */
  get stableEnd(): number {
    return Math.min(
      this.end,
      ...this.producers.map((producer) => this.openFrom(producer) ?? this.end),
    )
  }

  get producers(): number[] {
    return [...new Set(this.#written.map(({ content }) => content.producer))]
  }

  /** Epoch and last sequence of a producer; -1: none in that epoch. */
  stateOf(producer: number): { epoch: number; sequence: number } {
    const state = { epoch: 0, sequence: -1 }
    for (const { content } of this.#written) {
      if (content.producer !== producer) continue
      if (content.epoch !== state.epoch) state.sequence = -1
      state.epoch = content.epoch
      if (content.sequence >= 0) state.sequence = content.sequence + content.records.length - 1
    }
    return state
  }

  /** What became of each record that is not a marker, by offset. */
  fates(): Map<number, WrittenRecord & { fate: Fate }> {
    const fates = new Map<number, WrittenRecord & { fate: Fate }>()
    const open = new Map<number, { fate: Fate }[]>()
    for (const { base, content } of this.#written) {
      const { producer, control, transactional, records } = content
      if (control !== undefined) {
        const fate = control === 'commit' ? 'committed' : 'aborted'
        for (const record of open.get(producer) ?? []) record.fate = fate
        open.delete(producer)
        continue
      }
      for (const { delta, key, value } of records) {
        const fate: Fate = transactional ? 'open' : 'plain'
        const record = { offset: base + delta, key, tombstone: value === null, fate }
        fates.set(record.offset, record)
        if (transactional) open.set(producer, [...(open.get(producer) ?? []), record])
      }
    }
    return fates
  }

  /** What a reader of committed records must be able to see. */
  committed(): WrittenRecord[] {
    const seen = (fate: Fate) => fate === 'plain' || fate === 'committed'
    const { stableEnd } = this
    return [...this.fates().values()].filter(({ offset, fate }) => offset < stableEnd && seen(fate))
  }
}

/** The latest record of each key, by key; none where it has no value. */
export function latestByKey(records: readonly WrittenRecord[]): Record<string, number> {
  const latest = new Map<string, number>()
  for (const { offset, key, tombstone } of records) {
    if (tombstone) latest.delete(key)
    else latest.set(key, offset)
  }
  return Object.fromEntries([...latest].sort(([one], [other]) => (one < other ? -1 : 1)))
}
