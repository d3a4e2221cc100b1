import { join } from 'node:path'
import { segmentFileName, segmentSuffixes } from './file-names.js'
import {
  readRange,
  syncFile,
  writeFully,
  type FileHandle,
  type FileSystem,
} from './fs/file-system.js'

// What recovery or repair takes out of a log is kept beside it, for whoever wants to look:
// `kfk.quarantine.<position>.<20 digits>.log.cut` holds the bytes that stood at that position. No
// name may end in `.log` but a segment's: Kafka would take it for one, and not start. Other bytes
// that stood there later are in `.log.2.cut`, and so on.

const pieceBytes = 1024 ** 2

/** Bytes of a segment that are about to be taken out of it. */
export interface SetAside {
  readonly directory: string
  readonly baseOffset: number
  readonly source: FileHandle
  readonly from: number
  readonly to: number
}

/**
 * Name of the file for these bytes. What was taken from the same place before, at another time, is
 * not written over; but an attempt that was cut short, or was repeated, has its own name again.
 */
export async function setAsidePath(fileSystem: FileSystem, bytes: SetAside): Promise<string> {
  const segment = segmentFileName(bytes.baseOffset, segmentSuffixes.log)
  for (let copy = 1; ; copy++) {
    const end = copy === 1 ? 'cut' : `${copy}.cut`
    const path = join(bytes.directory, `kfk.quarantine.${bytes.from}.${segment}.${end}`)
    if (await holdsNothingElse(fileSystem, path, bytes)) return path
  }
}

async function holdsNothingElse(
  fileSystem: FileSystem,
  path: string,
  { source, from, to }: SetAside,
): Promise<boolean> {
  const { sizeBytes } = (await fileSystem.stat(path)) ?? { sizeBytes: 0 }
  if (sizeBytes === 0) return true
  if (sizeBytes > to - from) return false
  const there = fileSystem.open(path, 'read')
  try {
    for (let at = 0; at < sizeBytes;) {
      const length = Math.min(pieceBytes, sizeBytes - at)
      const bytes = await readRange(there, at, length)
      const wanted = await readRange(source, from + at, bytes.length)
      if (bytes.length === 0 || Buffer.compare(bytes, wanted) !== 0) return false
      at += bytes.length
    }
    return true
  } finally {
    there.close()
  }
}

/** Copies bytes `from` to `to` of a file; durable, but for the name, when it resolves. */
export async function copyAside(
  fileSystem: FileSystem,
  source: FileHandle,
  range: { readonly from: number; readonly to: number; readonly target: string },
): Promise<void> {
  const copy = fileSystem.open(range.target, 'write')
  try {
    // The name may be there from an attempt that was cut short.
    copy.truncateSync(0)
    for (let at = range.from; at < range.to;) {
      const bytes = await readRange(source, at, Math.min(pieceBytes, range.to - at))
      if (bytes.length === 0) break
      writeFully(copy, [bytes], at - range.from)
      at += bytes.length
    }
    await syncFile(copy)
  } finally {
    copy.close()
  }
}
