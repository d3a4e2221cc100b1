// The ways to append: batches with epochs, batches from a leader with gaps, records without a broker.
import type { EmbeddedLog } from '../../src/embedded-log'
import { type Durability, type FrameRecord, frameFormat, type Log } from '../../src/index'
import { settle } from '../support/records'
import { decodeBatches, type ModelBatch, noValue } from './model-log'
import type { NewRecord } from './operations'
import { requireSame } from './requirements'

/** Who waits for what; `no`: for nothing. */
export type Wait = 'acknowledged' | 'durable' | 'written' | 'no'

export interface Appending {
  /** Undefined: refused, and nothing was appended. */
  readonly batches: readonly ModelBatch[] | undefined
  /** What the caller was promised; rejects when it is refused. */
  readonly settled: Promise<unknown>
}

/** Records that can be told apart wherever they turn up. */
export function makeRecords(records: readonly NewRecord[], step: number): FrameRecord[] {
  return records.map(({ timestamp, key, bytes }, index) => {
    const value = bytes === null ? null : `${step}.${index} `.padEnd(bytes, 'x')
    return { timestamp, key, value }
  })
}

export function encode(batches: readonly (readonly FrameRecord[])[]): Uint8Array {
  return Buffer.concat(
    batches.map((records) =>
      records.length === 1
        ? frameFormat.encode(records[0]!.value, records[0])
        : frameFormat.encodeAll(records, 0),
    ),
  )
}

/** As a leader does. */
export function append(log: Log, bytes: Uint8Array, leaderEpoch: number, wait: Wait): Appending {
  const info = log.append(bytes, { leaderEpoch })
  const batches = decodeBatches(bytes)
  requireSame('first offset', info.baseOffset, batches[0]!.base)
  requireSame('last offset', info.lastOffset, batches.at(-1)!.last)
  const end = info.lastOffset + 1
  if (wait === 'acknowledged') return { batches, settled: log.whenAcknowledged(end) }
  if (wait === 'durable') return { batches, settled: log.whenDurable(end) }
  return { batches, settled: wait === 'written' ? log.whenWritten(end) : Promise.resolve() }
}

/** As a replica does: offsets and epochs are given, and offsets may be missing. */
export function replicate(
  log: Log,
  bytes: Uint8Array,
  { gap, leaderEpoch }: { gap: number; leaderEpoch: number },
): Appending {
  let baseOffset = log.logEndOffset + gap
  for (let at = 0; at < bytes.length;) {
    frameFormat.stamp(bytes, at, { baseOffset, leaderEpoch })
    baseOffset = frameFormat.describe(bytes, at).lastOffset + 1 + gap
    at += frameFormat.sizeOf(bytes, at)
  }
  const { lastOffset } = log.appendReplicated(bytes)
  return { batches: decodeBatches(bytes), settled: log.whenAcknowledged(lastOffset + 1) }
}

const durabilityOf: Record<Wait, Durability | undefined> = {
  acknowledged: undefined,
  durable: 'disk',
  written: 'os',
  no: undefined,
}

/** One record, an array, or encoded batches, as there are. */
export function appendEmbedded(
  embedded: EmbeddedLog,
  batches: readonly (readonly FrameRecord[])[],
  wait: Wait,
): Appending {
  const durability = durabilityOf[wait]
  const options = durability === undefined ? {} : { durability }
  const before = embedded.endOffset
  const [records] = batches
  let settled: Promise<unknown>
  if (batches.length > 1) settled = embedded.appendBatches(encode(batches), options)
  else if (records!.length > 1) settled = embedded.append(records!, options)
  else {
    const { value, ...rest } = records![0]!
    settled = embedded.append(value, { ...rest, ...options } as object)
  }
  settled.catch(() => undefined)
  if (embedded.endOffset <= before) return { batches: undefined, settled }
  const appended = asBatches(batches, before)
  const checked = settled.then((answer) => {
    const last = appended.at(-1)!.last
    const range = { firstOffset: before, lastOffset: last, count: last - before + 1 }
    const isOne = batches.length === 1 && records!.length === 1
    requireSame('offsets of the append', answer, isOne ? before : range)
  })
  checked.catch(() => undefined)
  return { batches: appended, settled: wait === 'no' ? Promise.resolve() : checked }
}

/** An append that was taken. */
export type Accepted = Appending & { readonly batches: readonly ModelBatch[] }

/** After a cut below the start that failed in its end, the first append has that tried again. */
export async function accepted(attempt: () => Appending): Promise<Accepted> {
  const once = async (): Promise<Accepted> => {
    const { batches, settled } = attempt()
    if (batches !== undefined) return { batches, settled }
    await settled
    throw new Error('nothing was appended')
  }
  try {
    return await once()
  } catch (error) {
    if (!(error instanceof Error && error.message.includes('below its start'))) throw error
    await settle(100)
    return once()
  }
}

function asBatches(
  batches: readonly (readonly FrameRecord[])[],
  firstOffset: number,
): ModelBatch[] {
  let next = firstOffset
  return batches.map((records) => {
    const base = next
    const made = records.map(({ timestamp, key, value }) => ({
      offset: next++,
      timestamp: timestamp!,
      key: key as string | null,
      value: (value as string | null) ?? noValue,
    }))
    return { base, last: next - 1, epoch: 0, horizonMs: null, records: made }
  })
}
