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
// name may end in `.log` but a segment's: Kafka would take it for one, and not start.

const pieceBytes = 1024 ** 2

/** Name of the file for bytes that stood at `position` of the segment. */
export function setAsidePath(
  directory: string,
  place: { readonly baseOffset: number; readonly position: number },
): string {
  const name = segmentFileName(place.baseOffset, segmentSuffixes.log)
  return join(directory, `kfk.quarantine.${place.position}.${name}.cut`)
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
