import { dirname, join } from 'node:path'
import { FileCache } from './file-cache.js'
import { fileNames, segmentFileName, segmentSuffixes, temporarySuffix } from './file-names.js'
import {
  type FileHandle,
  type FileSystem,
  readRange,
  syncFile,
  writeFully,
} from './fs/file-system.js'
import { OffsetGaps, readOffsetGaps } from './offset-gaps.js'
import { writeQuarantine } from './quarantine.js'
import type { RepairPlan, SegmentPlan } from './repair-plan.js'
import type { ByteRange } from './repair-selector.js'
import { Segment } from './segment.js'
import { IndexBuilder } from './segment-scan.js'
import { copyAside } from './set-aside.js'

const pieceBytes = 1024 ** 2

/**
 * Does what the plan says. The order makes a crash at any point harmless: what is taken out is set
 * aside first, then the gaps are made known, then each segment is replaced as a whole; until all is
 * done, whatever is left to do is still found by the next plan.
 */
export async function applyRepair(plan: RepairPlan): Promise<void> {
  const { fileSystem, directory, segments } = plan
  for (const segment of segments) await setAside(plan, segment)
  await fileSystem.syncDirectory(directory)
  if (segments.some(({ scan }) => scan.bad.length > 0)) await forgetList(plan)
  await noteGaps(plan)
  await goOn(plan)
  for (const segment of segments) {
    if (segment.scan.bad.length > 0) await replace(plan, segment)
    else if (segment.indexesWrong) await writeIndexes(plan, segment.indexes)
  }
  await fileSystem.syncDirectory(directory)
  if (plan.noted && !plan.partial) await writeQuarantine(fileSystem, directory, [])
}

async function setAside(plan: RepairPlan, segment: SegmentPlan): Promise<void> {
  const { fileSystem } = plan
  const { path, scan, asides } = segment
  if (scan.bad.length === 0) return
  const handle = fileSystem.open(path, 'read')
  try {
    for (const [at, { from, to }] of scan.bad.entries()) {
      await copyAside(fileSystem, handle, { from, to, target: asides[at]! })
    }
  } finally {
    handle.close()
  }
}

/**
 * What the last clean close said of the log is about to become untrue. Its dates would tell, but
 * not within one tick of the file system's clock.
 */
async function forgetList({ fileSystem, directory }: RepairPlan): Promise<void> {
  const data = dirname(directory)
  await fileSystem.remove(join(data, fileNames.logs))
  await fileSystem.syncDirectory(data)
}

/** Below this offsets may be missing from now on; else the next recovery would call it damage. */
async function noteGaps(plan: RepairPlan): Promise<void> {
  const { fileSystem, directory, lost } = plan
  const end = lost.at(-1)
  if (end === undefined) return
  const known = await readOffsetGaps(fileSystem, directory).catch(() => 0)
  const gaps = new OffsetGaps(fileSystem, directory, known)
  gaps.raise(end.to + 1)
  await gaps.save()
}

/** Offsets that were given out once are not given out again: the log goes on behind them. */
async function goOn(plan: RepairPlan): Promise<void> {
  const { fileSystem, directory, logEndOffset, segments } = plan
  if (segments.at(-1)!.scan.nextOffset === logEndOffset) return
  const path = join(directory, segmentFileName(logEndOffset, segmentSuffixes.log))
  const handle = fileSystem.open(path, 'write')
  try {
    await syncFile(handle)
  } finally {
    handle.close()
  }
  await fileSystem.syncDirectory(directory)
  await writeIndexes(plan, new IndexBuilder(logEndOffset, plan.indexIntervalBytes))
}

/** The segment without its bad bytes takes the place of the old one. */
async function replace(plan: RepairPlan, segment: SegmentPlan): Promise<void> {
  const { fileSystem, directory, logEndOffset, segments } = plan
  const { baseOffset, path, scan } = segment
  const { log, offsetIndex, timeIndex, transactionIndex } = segmentSuffixes
  const remove = (suffix: string) =>
    fileSystem.remove(join(directory, segmentFileName(baseOffset, suffix)))
  // First, so that no index can name places of the other file.
  await remove(offsetIndex)
  await remove(timeIndex)
  await fileSystem.syncDirectory(directory)
  const last = segment === segments.at(-1) && scan.nextOffset === logEndOffset
  if (scan.kept.length === 0 && !last) {
    await remove(log)
    await remove(transactionIndex)
    return
  }
  const prefix = scan.kept[0] ?? { from: 0, to: 0 }
  if (scan.kept.length <= 1 && prefix.from === 0) await cutTail(fileSystem, path, prefix.to)
  else await rewrite(plan, path, scan.kept)
  await writeIndexes(plan, segment.indexes)
}

async function cutTail(fileSystem: FileSystem, path: string, sizeBytes: number): Promise<void> {
  const handle = fileSystem.open(path, 'write')
  try {
    handle.truncateSync(sizeBytes)
    await syncFile(handle)
  } finally {
    handle.close()
  }
}

async function rewrite(
  { fileSystem, directory }: RepairPlan,
  path: string,
  kept: readonly ByteRange[],
): Promise<void> {
  const source = fileSystem.open(path, 'read')
  try {
    await copyKept(fileSystem, source, { kept, path: path + temporarySuffix })
  } finally {
    source.close()
  }
  await fileSystem.rename(path + temporarySuffix, path)
  await fileSystem.syncDirectory(directory)
}

/** An opening of the log removes what was left half written. */
async function copyKept(
  fileSystem: FileSystem,
  source: FileHandle,
  { kept, path }: { readonly kept: readonly ByteRange[]; readonly path: string },
): Promise<void> {
  const target = fileSystem.open(path, 'write')
  try {
    target.truncateSync(0)
    let end = 0
    for (const { from, to } of kept) {
      for (let at = from; at < to;) {
        const bytes = await readRange(source, at, Math.min(pieceBytes, to - at))
        if (bytes.length === 0) throw new Error(`${source.path} is shorter than it was`)
        end += writeFully(target, [bytes], end)
        at += bytes.length
      }
    }
    await syncFile(target)
  } finally {
    target.close()
  }
}

/** As a clean close would have left them. */
async function writeIndexes(plan: RepairPlan, indexes: IndexBuilder): Promise<void> {
  const { fileSystem, directory } = plan
  const { baseOffset } = indexes
  const files = new FileCache(fileSystem, 4, (error) => {
    throw error
  })
  const made = new Segment(files, { directory, baseOffset, createdMs: 0 })
  try {
    indexes.install(made, true)
    await made.persistIndexes()
  } finally {
    files.close(made.data)
  }
}
