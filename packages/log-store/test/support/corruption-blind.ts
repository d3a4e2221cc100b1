// Opening the crashed image with a frame whose checksum does not match: once with a flipped bit, once
// without anything to be seen of payloads but what their checksums say.
import { frameFormat } from '../../src/index'
import type { BatchFormat } from '../../src/index'
import { readInt64 } from '../../src/big-endian'
import { memoryFileSystemOver } from '../../src/fs/memory-file-system'
import { diskWith, fileWith, type Image, type StoredSegment } from './corruption-image'
import { openDiskOf, type Sight } from './corruption-oracle'

/** What opening told. */
interface Outcome {
  readonly refused: unknown
  readonly end: number | undefined
  readonly epochs: unknown
  readonly reports: unknown
}

/** The last bit of this frame of the last segment is flipped; of none, when undefined. */
export async function openedDamaged(image: Image, unsound: number | undefined): Promise<Outcome> {
  const last = image.segments.at(-1)!
  const bytes = Uint8Array.from(last.bytes)
  if (unsound !== undefined) bytes[endOf(last, unsound) - 1]! ^= 1
  return outcomeOf(await openDiskOf(fileSystemWith(image, last, bytes)))
}

/** All payloads of the last segment are noise; this frame's checksum does not match, others do. */
export async function openedBlindly(image: Image, unsound: number | undefined): Promise<Outcome> {
  const last = image.segments.at(-1)!
  const bytes = Uint8Array.from(last.bytes)
  for (const [at, { position }] of last.frames.entries()) {
    const end = endOf(last, at)
    for (let byte = position + frameFormat.headerBytes; byte < end; byte++) bytes[byte]! ^= 0xff
  }
  const sound = new Map(last.frames.map(({ firstOffset, size }, at) => [firstOffset, { size, at }]))
  const format: BatchFormat = {
    ...frameFormat,
    check(of, position) {
      const frame = sound.get(readInt64(of, position))
      if (frame?.size !== frameFormat.sizeOf(of, position)) return frameFormat.check(of, position)
      return frame.at === unsound ? 'the checksum does not match' : undefined
    },
  }
  return outcomeOf(await openDiskOf(fileSystemWith(image, last, bytes), format))
}

function endOf({ frames }: StoredSegment, at: number): number {
  return frames[at]!.position + frames[at]!.size
}

function fileSystemWith(image: Image, segment: StoredSegment, bytes: Uint8Array) {
  const file = fileWith(image.files.get(segment.path)!, bytes)
  return memoryFileSystemOver(diskWith(image.files, segment.path, file))
}

async function outcomeOf({ log, refused, reports }: Sight): Promise<Outcome> {
  // What does not match is said in other words, and in nothing else it may differ.
  const place = (details: Readonly<Record<string, unknown>> | undefined) =>
    details && { ...details, reason: undefined, error: undefined }
  return {
    refused: place(refused?.details),
    end: log?.logEndOffset,
    epochs: log && [log.latestEpoch, log.epochAt(log.logEndOffset - 1)],
    reports: reports.map(({ kind, details }) => ({ kind, ...place(details) })),
  }
}
