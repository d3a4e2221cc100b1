// What a log is expected to hold, in the simplest words: a list of batches between two offsets.
import { frameFormat, type Log } from '../../src/index'

export interface ModelRecord {
  readonly offset: number
  readonly timestamp: number
  readonly key: string | null
  readonly value: string
}

export interface ModelBatch {
  readonly base: number
  readonly last: number
  readonly epoch: number
  /** From then on compaction removes its tombstones; null: compaction has not met them yet. */
  readonly horizonMs: number | null
  readonly records: readonly ModelRecord[]
}

/** How a record without a value reads. */
export const noValue = '<none>'

/** One state that a log may be in. Never changed: every operation makes a new one. */
export class ModelLog {
  readonly batches: readonly ModelBatch[]
  readonly start: number
  readonly end: number

  constructor(state: { batches: readonly ModelBatch[]; start: number; end: number }) {
    this.batches = state.batches
    this.start = state.start
    this.end = state.end
  }

  static readonly empty = new ModelLog({ batches: [], start: 0, end: 0 })

  /** Batches that lie below the start as a whole may be there still, or not. */
  get visible(): readonly ModelBatch[] {
    return this.batches.filter(({ last }) => last >= this.start)
  }

  /** Records that can be read, those of a batch that the start divides from the start on. */
  get records(): ModelRecord[] {
    return this.batches
      .flatMap(({ records }) => records)
      .filter(({ offset }) => offset >= this.start && offset < this.end)
  }

  /** The same with others in the place of the visible batches. */
  withVisible(batches: readonly ModelBatch[]): ModelLog {
    const below = this.batches.filter(({ last }) => last < this.start)
    return new ModelLog({ ...this, batches: [...below, ...batches] })
  }

  append(batches: readonly ModelBatch[]): ModelLog {
    const all = [...this.batches, ...batches]
    return new ModelLog({ batches: all, start: this.start, end: all.at(-1)!.last + 1 })
  }

  /** A batch that holds `offset` goes as a whole. */
  truncateTo(offset: number): ModelLog {
    if (offset >= this.end) return this
    const batches = this.batches.filter(({ last }) => last < offset)
    const divided = this.batches.find(({ base, last }) => base < offset && last >= offset)
    const end = divided?.base ?? offset
    return new ModelLog({ batches, start: Math.min(this.start, end), end })
  }

  startAt(offset: number): ModelLog {
    return new ModelLog({ ...this, start: Math.max(this.start, offset) })
  }

  /** First record at or after that time. */
  firstSince(timestamp: number): ModelRecord | undefined {
    return this.records.find((record) => record.timestamp >= timestamp)
  }

  /** First record that has the largest timestamp. */
  get youngest(): ModelRecord | undefined {
    const largest = Math.max(...this.records.map(({ timestamp }) => timestamp))
    return this.records.find(({ timestamp }) => timestamp === largest)
  }
}

/** The batches in whole frames, as the store answers them. */
export function decodeBatches(bytes: Uint8Array): ModelBatch[] {
  const batches: ModelBatch[] = []
  for (let at = 0; at < bytes.length;) {
    const size = frameFormat.sizeOf(bytes, at)
    const { baseOffset, lastOffset, leaderEpoch } = frameFormat.describe(bytes, at)
    const records = frameFormat.decode(bytes.subarray(at, at + size)).map((frame) => ({
      offset: frame.offset,
      timestamp: frame.timestamp,
      key: frame.key === null ? null : Buffer.from(frame.key).toString(),
      value: frame.tombstone ? noValue : Buffer.from(frame.value).toString(),
    }))
    const horizonMs = frameFormat.compaction!.deleteHorizonMs(bytes, at) ?? null
    batches.push({ base: baseOffset, last: lastOffset, epoch: leaderEpoch, horizonMs, records })
    at += size
  }
  return batches
}

/** All that can be read, in pieces of about `maxBytes`. */
export async function readLog(log: Log, maxBytes: number): Promise<ModelLog> {
  const batches: ModelBatch[] = []
  const { logStartOffset: start, writtenOffset: end } = log
  let from = start
  while (from < end) {
    const request = { from, maxBytes }
    const slice = log.readNow(request) ?? (await log.read(request))
    batches.push(...decodeBatches(slice.bytes))
    if (slice.nextOffset <= from) throw new Error(`a read at ${from} leads nowhere`)
    from = slice.nextOffset
  }
  return new ModelLog({ batches, start, end })
}

/** Segments begin anywhere but within a batch. */
export function laterStarts(before: ModelLog): ModelLog[] {
  const states: ModelLog[] = []
  for (let offset = before.start; offset <= before.end; offset++) {
    const divides = before.batches.some(({ base, last }) => base < offset && last >= offset)
    if (!divides || offset === before.start) states.push(before.startAt(offset))
  }
  return states
}
