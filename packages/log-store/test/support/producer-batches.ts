// A format of batches that have a producer, several records with keys, and stay without records when
// they must, as Kafka's do: after a header of what the store asks for most, all is JSON.
import { crc32 } from 'node:zlib'
import type { BatchFormat, RecordView, RewriteRules } from '../../src/index'

/** A record; without a value it deletes its key. */
export interface BatchRecord {
  /** From the batch's first offset on. */
  readonly delta: number
  readonly key: string
  readonly value: string | null
}

export interface BatchContent {
  readonly producer: number
  readonly epoch: number
  /** Of the first record; -1: a marker. */
  readonly sequence: number
  readonly transactional: boolean
  readonly control?: 'commit' | 'abort'
  readonly horizonMs?: number
  /** Of all records; stays without any, and says when the producer was heard of. */
  readonly timestamp: number
  readonly records: readonly BatchRecord[]
}

const magic = 0x70
const headerBytes = 37
const coveredAt = 21

const viewOf = (bytes: Uint8Array, at: number) =>
  new DataView(bytes.buffer, bytes.byteOffset + at, bytes.byteLength - at)

/** `lastDelta`: of the last offset, which stays when its record goes. */
export function encodeBatch(
  content: BatchContent,
  lastDelta = content.records.length - 1,
): Uint8Array {
  const body = Buffer.from(JSON.stringify(content))
  const bytes = Buffer.alloc(headerBytes + body.length)
  bytes.set(body, headerBytes)
  const view = viewOf(bytes, 0)
  view.setInt32(8, bytes.length - 12)
  view.setUint8(16, magic)
  view.setInt32(21, lastDelta)
  view.setInt32(25, content.records.length)
  view.setBigInt64(29, BigInt(content.timestamp))
  view.setUint32(17, crc32(bytes.subarray(coveredAt)))
  return bytes
}

function sizeOf(bytes: Uint8Array, at: number): number {
  if (bytes.length - at < headerBytes) return -1
  const view = viewOf(bytes, at)
  const length = view.getInt32(8)
  if (length === 0 && view.getUint8(16) === 0) return 0
  return view.getUint8(16) === magic && length >= headerBytes - 12 ? length + 12 : -1
}

const baseOf = (bytes: Uint8Array, at: number) => Number(viewOf(bytes, at).getBigInt64(0))

/** The batch at `at`, which must be whole. */
export function decodeBatch(bytes: Uint8Array, at: number): BatchContent {
  const body = bytes.subarray(at + headerBytes, at + sizeOf(bytes, at))
  return JSON.parse(Buffer.from(body).toString()) as BatchContent
}

function viewRecord({ delta, key, value }: BatchRecord, base: number): RecordView {
  const source = Buffer.from(key)
  const keyLength = source.length
  return { offset: base + delta, source, keyAt: 0, keyLength, tombstone: value === null }
}

function rewrite(bytes: Uint8Array, at: number, rules: RewriteRules) {
  const content = decodeBatch(bytes, at)
  const { records, horizonMs } = content
  if (records.length === 0) return rules.keepEmpty ? undefined : null
  const base = baseOf(bytes, at)
  const kept = records.filter((record) => rules.keep(viewRecord(record, base)))
  if (kept.length === 0 && !rules.keepEmpty) return null
  const expires = kept.length > 0 && (rules.expires || kept.some(({ value }) => value === null))
  const added = expires && horizonMs === undefined ? rules.deleteHorizonMs : undefined
  if (kept.length === records.length && added === undefined) return undefined
  const horizon = added === undefined ? {} : { horizonMs: added }
  const lastDelta = viewOf(bytes, at).getInt32(21)
  const rewritten = encodeBatch({ ...content, ...horizon, records: kept }, lastDelta)
  const leaderEpoch = viewOf(bytes, at).getInt32(12)
  producerBatches.stamp(rewritten, 0, { baseOffset: base, leaderEpoch })
  return rewritten
}

export const producerBatches: BatchFormat = {
  name: 'producer-batches',
  headerBytes,
  sizeOf,
  describe(bytes, at) {
    const view = viewOf(bytes, at)
    const baseOffset = baseOf(bytes, at)
    return {
      sizeInBytes: sizeOf(bytes, at),
      baseOffset,
      lastOffset: baseOffset + view.getInt32(21),
      maxTimestamp: Number(view.getBigInt64(29)),
      leaderEpoch: view.getInt32(12),
      recordCount: view.getInt32(25),
    }
  },
  check(bytes, at) {
    const size = sizeOf(bytes, at)
    if (size <= 0 || bytes.length - at < size) return 'no whole batch'
    const found = crc32(bytes.subarray(at + coveredAt, at + size))
    return found === viewOf(bytes, at).getUint32(17) ? undefined : 'another checksum'
  },
  stamp(bytes, at, { baseOffset, leaderEpoch }) {
    const view = viewOf(bytes, at)
    view.setBigInt64(0, BigInt(baseOffset))
    view.setInt32(12, leaderEpoch)
  },
  compaction: {
    visit(bytes, at, visit) {
      const base = baseOf(bytes, at)
      for (const record of decodeBatch(bytes, at).records) visit(viewRecord(record, base))
    },
    deleteHorizonMs: (bytes, at) => decodeBatch(bytes, at).horizonMs,
    rewrite,
  },
  producer: {
    describe(bytes, at) {
      const { producer, epoch, sequence, transactional, control, records } = decodeBatch(bytes, at)
      return {
        producerId: BigInt(producer),
        producerEpoch: epoch,
        baseSequence: sequence,
        lastSequence: sequence < 0 ? -1 : sequence + viewOf(bytes, at).getInt32(21),
        transactional,
        ...(control && { control: records.length > 0 ? control : 'other', coordinatorEpoch: 0 }),
      }
    },
  },
}
