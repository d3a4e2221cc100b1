// Headers that tell a read of other offsets than are there: the read must not be led astray.
import { frameFormat, memoryFileSystem, openLogDirectory, StoreError } from '../src/index'
import { EmbeddedLog } from '../src/embedded-log'
import type { FileSystem } from '../src/index'
import { pathsOf, storedFiles, writeFile } from './support/stored-files'

const value = (n: number) => Buffer.from(`record ${n}`)

/** Batches of three, as many to a segment as its options say; closed. */
async function makeLog(segmentBytes: number): Promise<FileSystem> {
  const fileSystem = memoryFileSystem()
  const directory = await openLogDirectory('/data', { fileSystem, defaults: { segmentBytes } })
  const log = await directory.open('a-0')
  for (let n = 0; n < 24; n += 3) {
    const records = [0, 1, 2].map((more) => ({ value: value(n + more), timestamp: 1000 }))
    log.append(frameFormat.encodeAll(records, 1000), { leaderEpoch: 0 })
    await log.whenAcknowledged(n + 3)
  }
  await directory.close()
  return fileSystem
}

/** Flips a bit of the second batch and reads the log. */
async function readFlipped(
  fileSystem: FileSystem,
  flip: { readonly at: number; readonly bit: number },
): Promise<{ found: string[]; error: unknown }> {
  const files = await storedFiles(fileSystem)
  const [path] = pathsOf(files, '.log')
  const bytes = Uint8Array.from(files.get(path!)!)
  bytes[frameFormat.sizeOf(bytes, 0) + flip.at]! ^= 1 << flip.bit
  writeFile(fileSystem, path!, bytes)
  const directory = await openLogDirectory('/data', { fileSystem })
  const log = new EmbeddedLog(directory, await directory.open('a-0'), { ownsDirectory: true })
  const found: string[] = []
  try {
    for await (const record of log.records()) found.push(Buffer.from(record.value).toString())
    return { found, error: undefined }
  } catch (error) {
    return { found, error }
  } finally {
    await log.close()
  }
}

const firstThree = [0, 1, 2].map((n) => `record ${n}`)
// Four batches make a segment: the damage lies in a sealed one, which opening does not read.
const segmentBytes = 500

test('a batch whose last offset lies beyond the log does not hide what follows', async () => {
  const { found, error } = await readFlipped(await makeLog(segmentBytes), { at: 31, bit: 7 })
  expect(found).toEqual(firstThree)
  expect(error).toBeInstanceOf(StoreError)
  expect(error).toMatchObject({ code: 'KFK_STORE_CORRUPT', details: { offset: 3 } })
})

test('a batch whose offset is too low does not stand in for the one that is due', async () => {
  // 3 becomes 1: the records would be those of 1 to 3.
  const { found, error } = await readFlipped(await makeLog(segmentBytes), { at: 7, bit: 1 })
  expect(found).toEqual(firstThree)
  expect(error).toBeInstanceOf(StoreError)
  expect(error).toMatchObject({ code: 'KFK_STORE_CORRUPT', details: { offset: 3 } })
})
