// Property: every file system, and the log over each of them, passes the exported suites.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileSystemCompliance, logCompliance } from '../src/compliance'
import {
  faultyFileSystem,
  memoryFileSystem,
  nodeFileSystem,
  openLogDirectory,
  recordingFileSystem,
} from '../src/index'
import type { FileSystem, LogDirectory } from '../src/index'

const makers: Record<string, () => Promise<{ fileSystem: FileSystem; directory: string }>> = {
  node: async () => ({
    fileSystem: nodeFileSystem,
    directory: await mkdtemp(join(tmpdir(), 'kfk-fs-')),
  }),
  memory: async () => {
    const fileSystem = memoryFileSystem()
    await fileSystem.makeDirectory('/data')
    return { fileSystem, directory: '/data' }
  },
  recording: async () => {
    const fileSystem = recordingFileSystem()
    await fileSystem.makeDirectory('/data')
    return { fileSystem, directory: '/data' }
  },
  faulty: async () => {
    const fileSystem = faultyFileSystem()
    await fileSystem.makeDirectory('/data')
    return { fileSystem, directory: '/data' }
  },
}

async function remove(made: { fileSystem: FileSystem; directory: string }): Promise<void> {
  if (made.fileSystem.name === 'node') await rm(made.directory, { recursive: true })
}

for (const [name, make] of Object.entries(makers)) {
  describe(name, () => {
    fileSystemCompliance({ describe, test }, { setup: make, teardown: remove })

    const defaults = { segmentBytes: 1000, indexIntervalBytes: 100 }
    let made: { fileSystem: FileSystem; directory: string }
    let directory: LogDirectory
    const open = async () => {
      directory = await openLogDirectory(made.directory, { fileSystem: made.fileSystem, defaults })
      return directory.open('events-0')
    }
    logCompliance(
      { describe, test },
      {
        async setup() {
          made = await make()
          return open()
        },
        async reopen() {
          await directory.close()
          return open()
        },
        async teardown() {
          await directory.close()
          await remove(made)
        },
      },
    )
  })
}
