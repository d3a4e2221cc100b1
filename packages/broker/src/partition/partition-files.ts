import { join } from 'node:path'
import { atomicWriteFile, StoreError } from '@kfk/log-store'
import type { FileSystem, Log } from '@kfk/log-store'
import { batches } from '@kfk/protocol'
import { parseProperties, readSmallFile } from '../runtime/small-files.js'
import {
  decodeBatches,
  decodeSnapshot,
  encodeBatches,
  encodeSnapshot,
} from './producer-snapshot.js'
import { ProducerState } from './producer-state.js'

const metadataName = 'partition.metadata'
const batchesName = 'kfk.producer-batches'
const snapshotName = /^(\d{20})\.snapshot$/
/** The newest for the next start, and one more in case that the newest cannot be read. */
const snapshotsKept = 2
/** How much of the log is read at a time while producer state is rebuilt. */
const scanBytes = 1024 * 1024

/** The topic id in Kafka's `partition.metadata`; undefined when the partition has none yet. */
export async function readTopicId(
  fileSystem: FileSystem,
  directory: string,
): Promise<string | undefined> {
  const bytes = await readSmallFile(fileSystem, join(directory, metadataName))
  if (bytes === undefined) return undefined
  // `version: 0` and `topic_id: <id>`, a line each.
  const text = Buffer.from(bytes).toString('utf8').replaceAll(': ', '=')
  const id = parseProperties(Buffer.from(text)).get('topic_id')
  if (id === undefined) {
    throw new StoreError('KFK_STORE_CORRUPT', `${join(directory, metadataName)} names no topic id`)
  }
  return id
}

/** Ties the directory to a topic id. Durable when it resolves. */
export async function writeTopicId(
  fileSystem: FileSystem,
  directory: string,
  topicId: string,
): Promise<void> {
  const text = `version: 0\ntopic_id: ${topicId}`
  await atomicWriteFile(fileSystem, join(directory, metadataName), Buffer.from(text))
}

/**
 * The producers of a log: the newest snapshot that the log still reaches, and what the batches
 * behind it say. Snapshots beyond the log end describe a tail that was lost; they are removed, lest
 * they meet another one.
 */
export async function loadProducerState(fileSystem: FileSystem, log: Log): Promise<ProducerState> {
  const producers = new ProducerState()
  let from = log.logStartOffset
  for (const offset of (await snapshotOffsets(fileSystem, log.path)).reverse()) {
    const path = snapshotPath(log.path, offset)
    if (offset > log.logEndOffset) {
      await fileSystem.remove(path)
      continue
    }
    const entries = await readEntries(fileSystem, log.path, offset)
    if (entries === undefined) continue
    for (const entry of entries) producers.restore(entry)
    from = Math.max(offset, log.logStartOffset)
    break
  }
  while (from < log.logEndOffset) {
    const request = { from, maxBytes: scanBytes, maxOffset: log.logEndOffset }
    const slice = log.readNow(request) ?? (await log.read(request))
    if (slice.nextOffset <= from) break
    for (const { header } of batches(slice.bytes)) {
      if (header.producerId < 0n || header.isControl || header.lastOffset < from) continue
      producers.apply(header, { lastOffset: header.lastOffset, timestamp: header.maxTimestamp })
    }
    from = slice.nextOffset
  }
  return producers
}

/**
 * Writes a snapshot of what the log says now, once all of that is on the medium, and removes
 * outdated ones.
 */
export async function saveProducerState(
  fileSystem: FileSystem,
  log: Log,
  producers: ProducerState,
): Promise<void> {
  const offset = log.logEndOffset
  const entries = [...producers.entries()]
  const snapshot = encodeSnapshot(entries)
  const detail = encodeBatches(entries, offset)
  await log.flush()
  await atomicWriteFile(fileSystem, snapshotPath(log.path, offset), snapshot)
  await atomicWriteFile(fileSystem, join(log.path, batchesName), detail)
  const outdated = (await snapshotOffsets(fileSystem, log.path)).slice(0, -snapshotsKept)
  for (const old of outdated) await fileSystem.remove(snapshotPath(log.path, old))
}

async function readEntries(fileSystem: FileSystem, directory: string, offset: number) {
  const bytes = await readSmallFile(fileSystem, snapshotPath(directory, offset))
  const entries = bytes && decodeSnapshot(bytes)
  if (entries === undefined) return undefined
  const detail = await readSmallFile(fileSystem, join(directory, batchesName))
  return (detail && decodeBatches(detail, offset)) ?? entries
}

/** Ascending. */
async function snapshotOffsets(fileSystem: FileSystem, directory: string): Promise<number[]> {
  const offsets: number[] = []
  for (const { name } of await fileSystem.list(directory)) {
    const match = snapshotName.exec(name)
    if (match !== null) offsets.push(Number(match[1]))
  }
  return offsets.sort((a, b) => a - b)
}

function snapshotPath(directory: string, offset: number): string {
  return join(directory, `${String(offset).padStart(20, '0')}.snapshot`)
}
