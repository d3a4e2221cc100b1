import { faultyFileSystem, type FaultyFileSystem } from '../../src/index'
import { settle } from './records'

/** A disk whose syncs and renames take a few turns of the event loop. */
export function slowDisk(turns: number): FaultyFileSystem {
  const disk = faultyFileSystem()
  const open = disk.open.bind(disk)
  disk.open = (path, mode) => {
    const handle = open(path, mode)
    const syncData = handle.syncData.bind(handle)
    handle.syncData = (done) => void settle(turns).then(() => syncData(done))
    return handle
  }
  const syncDirectory = disk.syncDirectory.bind(disk)
  disk.syncDirectory = async (path) => {
    await settle(turns)
    return syncDirectory(path)
  }
  const rename = disk.rename.bind(disk)
  disk.rename = async (from, to) => {
    await settle(turns)
    return rename(from, to)
  }
  return disk
}
