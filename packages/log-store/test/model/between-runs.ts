// What others do to a directory while no process has it.
import { repairLog, type FileSystem } from '../../src/index'
import { requireSame } from './requirements'

/** An index file that somebody removes, or cuts to so many twelfths of what it has. */
export interface LostIndex {
  /** Which one of all, as a share. */
  readonly which: number
  readonly keptTwelfths: number | null
}

/**
 * Repairs all logs, which loses and cuts nothing. Answers whether all was sound: indexes may be
 * missing.
 */
export async function repairAll(
  fileSystem: FileSystem,
  logs: readonly string[],
  options: { readonly indexIntervalBytes: number; readonly hasGaps: (name: string) => boolean },
): Promise<boolean> {
  const { indexIntervalBytes, hasGaps } = options
  let allSound = true
  for (const name of logs) {
    const offsetGaps = hasGaps(name)
    const report = await repairLog(`/data/${name}`, { fileSystem, indexIntervalBytes, offsetGaps })
    requireSame('to repair', [report.lost, report.cuts], [[], []])
    allSound &&= report.sound
  }
  return allSound
}

/** Answers whether there was one. */
export async function loseIndex(
  fileSystem: FileSystem,
  logs: readonly string[],
  { which, keptTwelfths }: LostIndex,
): Promise<boolean> {
  const paths: string[] = []
  for (const log of logs) {
    for (const { name } of await fileSystem.list(`/data/${log}`)) {
      if (/^\d+\.(time)?index$/.test(name)) paths.push(`/data/${log}/${name}`)
    }
  }
  if (paths.length === 0) return false
  const path = paths.sort()[Math.min(paths.length - 1, Math.floor(which * paths.length))]!
  if (keptTwelfths === null) await fileSystem.remove(path)
  else {
    const handle = fileSystem.open(path, 'update')
    // Entries have 8 or 12 bytes: also within one.
    handle.truncateSync(Math.floor((handle.size() * keptTwelfths) / 12))
    handle.close()
  }
  return true
}
