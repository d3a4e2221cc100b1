// Property: whatever a stop in the middle of a swap leaves behind, ours or Kafka's, the log has either
// the old segments or the new one, never both and never neither.
import { memoryFileSystem } from '../src/index'
import type { FileSystem } from '../src/index'
import { contents, filesOf, openKeyed, putAll } from './support/keyed-logs'
import { diskOf, storedFiles, type StoredFiles } from './support/stored-files'

const dir = '/data/a-0/'
const base = (offset: number) => String(offset).padStart(20, '0')

interface Disks {
  /** Three segments, and the active one. */
  readonly before: StoredFiles
  /** One segment in the place of the three. */
  readonly after: StoredFiles
}

async function makeDisks(): Promise<Disks> {
  const fileSystem = memoryFileSystem()
  const { directory, log } = await openKeyed({ fileSystem, defaults: { fileDeleteDelayMs: 1e9 } })
  await putAll(log, [
    ['a', '1'],
    ['b', '1'],
  ])
  await putAll(log, [
    ['a', '2'],
    ['c', '1'],
  ])
  await putAll(log, [['b', '2']])
  await directory.checkpoint()
  const before = await storedFiles(fileSystem)
  await directory.compact('a-0')
  const after = await storedFiles(fileSystem)
  return { before, after }
}

const old = ['0 a=1', '1 b=1', '2 a=2', '3 c=1', '4 b=2']
const compacted = ['2 a=2', '3 c=1', '4 b=2']
const bases = [0, 2, 4]
const suffixes = ['.log', '.index', '.timeindex']

/** The disk before the swap, with the new segment's files under other names. */
function withNew({ before, after }: Disks, endingOf: (suffix: string) => string): StoredFiles {
  const files: StoredFiles = new Map(before)
  // Noted before the first of its files is renamed.
  for (const [path, bytes] of after) if (path.includes('offset-gaps')) files.set(path, bytes)
  for (const suffix of suffixes) {
    const name = dir + base(0) + suffix
    files.set(name + endingOf(suffix), after.get(name)!)
  }
  return files
}

async function opened(files: StoredFiles): Promise<{ lines: string[]; fileSystem: FileSystem }> {
  const fileSystem = await diskOf(files, { crashed: true })
  const { directory, log } = await openKeyed({ fileSystem, defaults: { cleanupPolicy: 'delete' } })
  const lines = await contents(log)
  expect(log.logEndOffset).toBe(5)
  const names = await filesOf(fileSystem)
  expect(names.filter((name) => /\.(cleaned|swap|deleted)$/.test(name))).toEqual([])
  await directory.close()
  const again = await openKeyed({ fileSystem, defaults: { cleanupPolicy: 'delete' } })
  expect(await contents(again.log)).toEqual(lines)
  await again.directory.close()
  return { lines, fileSystem }
}

test('while it is written, or being renamed, the replacement does not count', async () => {
  const disks = await makeDisks()
  const half = withNew(disks, () => '.cleaned')
  half.set(`${dir}${base(0)}.log.cleaned`, half.get(`${dir}${base(0)}.log.cleaned`)!.slice(0, 30))
  half.delete(`${dir}${base(0)}.timeindex.cleaned`)
  expect((await opened(half)).lines).toEqual(old)
  for (const done of suffixes) {
    const files = withNew(disks, (suffix) => (suffix <= done ? '.swap' : '.cleaned'))
    const complete = suffixes.every((suffix) => suffix <= done)
    expect((await opened(files)).lines).toEqual(complete ? compacted : old)
  }
})

test('once it is complete it counts, however many of the old segments are gone', async () => {
  const disks = await makeDisks()
  const paths = bases.flatMap((offset) => suffixes.map((suffix) => dir + base(offset) + suffix))
  for (let gone = 0; gone <= paths.length; gone++) {
    for (const renamed of [true, false]) {
      const files = withNew(disks, () => '.swap')
      for (const path of paths.slice(0, gone)) {
        if (renamed) files.set(`${path}.deleted`, files.get(path)!)
        files.delete(path)
      }
      const { lines, fileSystem } = await opened(files)
      expect(lines).toEqual(compacted)
      const left = (await filesOf(fileSystem)).filter((name) => name.endsWith('.log'))
      expect(left).toEqual([`${base(0)}.log`, `${base(5)}.log`])
    }
  }
})

test('nor does it go for what is left of another one when nothing else has its records', async () => {
  const files = withNew(await makeDisks(), () => '.swap')
  for (const offset of bases) {
    for (const suffix of suffixes) files.delete(dir + base(offset) + suffix)
  }
  files.set(`${dir}${base(0)}.timeindex.cleaned`, new Uint8Array(5))
  expect((await opened(files)).lines).toEqual(compacted)
})

test('the names of its files change one by one, in any order', async () => {
  const disks = await makeDisks()
  for (let mask = 0; mask < 8; mask++) {
    const files = withNew(disks, () => '.swap')
    for (const offset of bases) {
      for (const suffix of suffixes) files.delete(dir + base(offset) + suffix)
    }
    suffixes.forEach((suffix, bit) => {
      if ((mask & (1 << bit)) === 0) return
      const name = dir + base(0) + suffix
      files.set(name, files.get(`${name}.swap`)!)
      files.delete(`${name}.swap`)
    })
    expect((await opened(files)).lines).toEqual(compacted)
  }
})

test('a replacement that Kafka left behind notes that offsets are missing', async () => {
  const files = withNew(await makeDisks(), () => '.swap')
  for (const path of [...files.keys()]) if (path.includes('/kfk.')) files.delete(path)
  const { lines, fileSystem } = await opened(files)
  expect(lines).toEqual(compacted)
  expect(await filesOf(fileSystem)).toContain('kfk.offset-gaps')
})

test('a damaged replacement is not put in the place of anything', async () => {
  const disks = await makeDisks()
  const path = `${dir}${base(0)}.log.swap`
  const { length } = withNew(disks, () => '.swap').get(path)!
  // Of the last byte only the checksum tells.
  for (const at of [40, length - 1]) {
    const files = withNew(disks, () => '.swap')
    const bytes = Uint8Array.from(files.get(path)!)
    bytes[at]! ^= 1
    files.set(path, bytes)
    const fileSystem = await diskOf(files, { crashed: true })
    await expect(openKeyed({ fileSystem })).rejects.toMatchObject({ code: 'KFK_STORE_CORRUPT' })
    expect(await filesOf(fileSystem)).toContain(`${base(2)}.log`)
  }
})
