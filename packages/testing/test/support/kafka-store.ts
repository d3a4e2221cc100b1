/* The store over a directory of Kafka: what is in it, as all readers tell it. */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import {
  openLogDirectory,
  type Log,
  type LogDirectory,
  type LogDirectoryOptions,
  type LogOptions,
  type StoreReport,
} from '@kfk/log-store'
import { type BatchHeader, batches, decodeRecords, recordBatchFormat } from '@kfk/protocol'
import type { JavaFound } from '../../src/index.js'
import { compared, type ComparedRecord } from './kafka-topics'

/** Settings of the topics as they are called here. */
export const storeOptions = {
  segmentMs: 60_000,
  indexIntervalBytes: 200,
  retentionMs: -1,
  maxBatchBytes: 4_000_000,
  fileDeleteDelayMs: 0,
}

/** What {@link kafkaTopics} sets otherwise. */
export function optionsFor(name: string): Partial<LogOptions> {
  const never = { segmentMs: 9_000_000_000_000 }
  if (name === 'by-index-0') return { ...never, segmentIndexBytes: 100, indexIntervalBytes: 300 }
  return /^by-size|transactions-0$/.test(name) ? { ...never, segmentBytes: 1500 } : {}
}

export function openStore(
  dataDir: string,
  reports: StoreReport[] = [],
  more: Partial<LogDirectoryOptions> = {},
): Promise<LogDirectory> {
  return openLogDirectory(dataDir, {
    format: recordBatchFormat,
    defaults: storeOptions,
    optionsFor,
    offsetGaps: (name) => name.startsWith('compacted'),
    onReport: (report) => reports.push(report),
    ...more,
  })
}

/** Every batch, read in slices. */
export async function readBatches(log: Log): Promise<Uint8Array[]> {
  const found: Uint8Array[] = []
  for (let from = log.logStartOffset; from < log.writtenOffset;) {
    const slice = await log.read({ from, maxBytes: 3000 })
    if (slice.nextOffset <= from) throw new Error(`${log.name}: no way on from ${from}`)
    for (const { bytes } of batches(slice.bytes)) found.push(Uint8Array.from(bytes))
    from = slice.nextOffset
  }
  return found
}

/** What compaction must leave of each batch, its records included. */
export function describeBatches(bytes: readonly Uint8Array[]): unknown[] {
  return bytes.map((each) => {
    const { value } = batches(each).next() as { value: { header: BatchHeader; bytes: Uint8Array } }
    const { header } = value
    const { baseOffset, lastOffset, recordCount, producerId, producerEpoch, baseSequence } = header
    const { compression, isControl, isTransactional, hasDeleteHorizon, maxTimestamp } = header
    const records = decodeRecords(each).map(compared)
    return {
      ...{ baseOffset, lastOffset, recordCount, producerId, producerEpoch, baseSequence },
      ...{ compression, isControl, isTransactional, hasDeleteHorizon, maxTimestamp, records },
    }
  })
}

/** Every record from the log start on but the markers. */
export async function readRecords(log: Log): Promise<ComparedRecord[]> {
  const records: ComparedRecord[] = []
  for (const each of await readBatches(log)) {
    for (const { header, bytes } of batches(each)) {
      if (!header.isControl) records.push(...decodeRecords(bytes).map(compared))
    }
  }
  return records.filter(({ offset }) => offset >= log.logStartOffset)
}

/** Those below the last stable offset that are not of an aborted transaction. */
export async function readCommitted(log: Log): Promise<ComparedRecord[]> {
  const aborted = await log.abortedTransactions(log.logStartOffset, log.logEndOffset)
  const end = log.lastStableOffset()
  const records: ComparedRecord[] = []
  for (const each of await readBatches(log)) {
    for (const { header, bytes } of batches(each)) {
      const gone = aborted.some(
        ({ producerId, firstOffset, lastOffset }) =>
          header.isTransactional &&
          header.producerId === producerId &&
          header.baseOffset >= firstOffset &&
          header.lastOffset <= lastOffset,
      )
      if (!gone && !header.isControl) records.push(...decodeRecords(bytes).map(compared))
    }
  }
  return records.filter(({ offset }) => offset >= log.logStartOffset && offset < end)
}

/** The store's answers where Kafka's were `found`. */
export async function findTimes(log: Log, found: readonly JavaFound[]): Promise<JavaFound[]> {
  const answers: JavaFound[] = []
  for (const { asked, topic } of found) {
    const place =
      asked === -2
        ? { offset: log.logStartOffset, timestamp: -1 }
        : asked === -3
          ? await log.maxTimestampOffset()
          : await log.offsetForTimestamp(asked)
    const { offset, timestamp } = place ?? { offset: -1, timestamp: -1 }
    answers.push({ topic, asked, offset, timestamp })
  }
  return answers
}

/** Contents in hex by name, of the files whose names match. */
export function filesOf(dir: string, names: RegExp): Record<string, string> {
  const found = readdirSync(dir).filter((name) => names.test(name))
  return Object.fromEntries(
    found.sort().map((name) => {
      const bytes = readFileSync(path.join(dir, name))
      return [name, name.endsWith('.snapshot') ? sortedSnapshot(bytes) : bytes.toString('hex')]
    }),
  )
}

/** Kafka writes producers in the order of its hash table: here sorted, without the checksum. */
function sortedSnapshot(bytes: Buffer): string {
  const entries: string[] = []
  for (let at = 10; at < bytes.length; at += 46) {
    entries.push(bytes.subarray(at, at + 46).toString('hex'))
  }
  return [bytes.toString('hex', 0, 2), bytes.toString('hex', 6, 10), ...entries.sort()].join(' ')
}
