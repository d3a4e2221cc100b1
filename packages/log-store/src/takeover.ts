import { join } from 'node:path'
import { readWholeFile, renewChecksum } from './checkpoint-file.js'
import { fileNames, parseLogName, segmentSuffixes } from './file-names.js'
import type { FileSystem } from './fs/file-system.js'
import type { StoreReport } from './report.js'

const maxMarkerBytes = 256

/** What a clean close writes. Kafka's marker has the epoch of its broker registration instead. */
export const cleanShutdownMarker = '{"version":0,"brokerEpoch":-1}'

/**
 * Before anything of a directory is believed: if somebody else, such as Kafka, has had it since it
 * was closed here, then the checksums beside its files speak of older content, and follow what is
 * there now. To be called before the marker and the list of logs are removed: until then a crash
 * only makes it happen again.
 */
export async function settleTakeover(
  fileSystem: FileSystem,
  directory: string,
  report: (report: StoreReport) => void,
): Promise<void> {
  if (!(await wasElsewhere(fileSystem, directory))) return
  let changed = 0
  const renew = async (path: string): Promise<void> => {
    if (await renewChecksum(fileSystem, path)) changed++
  }
  for (const name of [fileNames.recoveryPoints, fileNames.logStarts, fileNames.cleanerOffsets]) {
    await renew(join(directory, name))
  }
  await fileSystem.remove(join(directory, fileNames.recoveryNotes))
  await fileSystem.syncDirectory(directory)
  for (const log of await fileSystem.list(directory)) {
    if (!log.isDirectory || parseLogName(log.name) === undefined) continue
    for (const { name } of await fileSystem.list(join(directory, log.name))) {
      const checked = /^kfk\.(.*)\.crc$/.exec(name)?.[1]
      if (checked !== undefined && isKafkas(checked)) {
        await renew(join(directory, log.name, checked))
      }
    }
  }
  if (changed === 0) return
  const message = `${directory} was in other hands, which have changed ${changed} files of the store`
  report({ kind: 'taken-over', message, details: { path: directory, changed } })
}

/** A file in a log's directory that Kafka writes as well. */
function isKafkas(name: string): boolean {
  return name === fileNames.epochs || name.endsWith(segmentSuffixes.transactionIndex)
}

async function wasElsewhere(fileSystem: FileSystem, directory: string): Promise<boolean> {
  const marker = await readWholeFile(fileSystem, join(directory, fileNames.cleanShutdown))
  if (marker !== undefined) return Buffer.from(marker).toString('latin1') !== cleanShutdownMarker
  // The list of logs is there only with the marker. Kafka removes only that, when it starts.
  return isList(fileSystem, join(directory, fileNames.logs))
}

/** A crash within our own opening may have left the marker under that name. */
async function isList(fileSystem: FileSystem, path: string): Promise<boolean> {
  const stat = await fileSystem.stat(path)
  if (stat === undefined || stat.sizeBytes > maxMarkerBytes) return stat !== undefined
  const text = Buffer.from((await readWholeFile(fileSystem, path)) ?? []).toString('latin1')
  return !text.startsWith('{"version"')
}
