// Property: a recorded disk can be restarted from any step with exactly what was durable then, plus
// whatever of the rest is said to have survived.
import { syncFile } from '../src/fs/file-system'
import { MemoryFile } from '../src/fs/memory-file-system'
import { recordingFileSystem } from '../src/index'
import type { FileSystem, Survival } from '../src/index'

const bytes = (text: string) => Buffer.from(text)

async function contents(fileSystem: FileSystem, path = '/'): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const { name, isDirectory } of await fileSystem.list(path)) {
    const inner = path === '/' ? `/${name}` : `${path}/${name}`
    if (isDirectory) Object.assign(found, await contents(fileSystem, inner))
    else {
      const handle = fileSystem.open(inner, 'read')
      const into = Buffer.alloc(handle.size())
      handle.readSync(into, 0)
      found[inner] = into.toString()
    }
  }
  return found
}

/** A file written, synced with its name, written on, and renamed. */
async function recorded() {
  const disk = recordingFileSystem()
  const handle = disk.open('/a', 'write')
  handle.writevSync([bytes('one')], 0)
  await syncFile(handle)
  await disk.syncDirectory('/')
  handle.writevSync([bytes('two'), bytes('three')], 3)
  await disk.rename('/a', '/b')
  return { disk, handle }
}

function survivors(disk: Awaited<ReturnType<typeof recorded>>['disk'], kept: Survival[]) {
  const point = disk.crashAfter(disk.steps.length)
  expect(point.pending.map(({ kind }) => kind)).toEqual(['write', 'rename'])
  return contents(point.restart((_, at) => kept[at]!).fileSystem)
}

test('what no sync has covered survives as it is told, alone and in any order', async () => {
  const { disk } = await recorded()
  expect(await survivors(disk, ['lost', 'lost'])).toEqual({ '/a': 'one' })
  expect(await survivors(disk, ['kept', 'lost'])).toEqual({ '/a': 'onetwothree' })
  expect(await survivors(disk, ['lost', 'kept'])).toEqual({ '/b': 'one' })
  const torn = { from: 0, to: 2, zeros: false }
  expect(await survivors(disk, [torn, 'kept'])).toEqual({ '/b': 'onetw' })
  const zeroed = { from: 0, to: 2, zeros: true }
  expect(await survivors(disk, [zeroed, 'kept'])).toEqual({ '/b': 'onetw\0\0\0\0\0\0' })
  const holed = { from: 6, to: 8, zeros: true }
  expect(await survivors(disk, [holed, 'kept'])).toEqual({ '/b': 'one\0\0\0\0\0\0ee' })
})

test('a name is there only after a sync of its directory, or by luck', async () => {
  const { disk } = await recorded()
  const [lucky, synced] = [2, 4]
  expect(await contents(disk.crashAfter(lucky).restart(() => 'lost').fileSystem)).toEqual({})
  expect(await contents(disk.crashAfter(lucky).restart(() => 'kept').fileSystem)).toEqual({
    '/a': 'one',
  })
  const point = disk.crashAfter(synced)
  expect(point.pending).toEqual([])
  expect(await contents(point.restart(() => 'lost').fileSystem)).toEqual({ '/a': 'one' })
})

test('a sync covers what was written before it began, and no more', async () => {
  const { disk, handle } = await recorded()
  const syncing = syncFile(handle)
  handle.writevSync([bytes('late')], 11)
  await syncing
  const point = disk.crashAfter(disk.steps.length)
  expect(point.pending).toMatchObject([{ kind: 'rename' }, { kind: 'write', position: 11 }])
  expect(await contents(point.restart(() => 'lost').fileSystem)).toEqual({ '/a': 'onetwothree' })
})

test('a restarted disk is one of its own, and told apart by names and bytes', async () => {
  const { disk } = await recorded()
  const point = disk.crashAfter(disk.steps.length)
  const [left, same] = [point.restart(() => 'lost'), point.restart(() => 'lost')]
  const other = point.restart((change) => (change.kind === 'write' ? 'kept' : 'lost'))
  expect(left.fingerprint()).toBe(same.fingerprint())
  expect(left.fingerprint()).not.toBe(other.fingerprint())
  left.fileSystem.open('/a', 'write').writevSync([bytes('X')], 0)
  expect(left.fingerprint()).not.toBe(same.fingerprint())
  expect(await contents(same.fileSystem)).toEqual({ '/a': 'one' })
  expect(await contents(disk)).toEqual({ '/b': 'onetwothree' })
})

test('a directory goes name by name', async () => {
  const disk = recordingFileSystem()
  await disk.makeDirectory('/logs/a')
  for (const name of ['x', 'y']) disk.open(`/logs/a/${name}`, 'write')
  await disk.syncDirectory('/logs/a')
  const before = disk.steps.length
  await disk.removeDirectory('/logs/a')
  expect(disk.steps.slice(before)).toMatchObject([
    { kind: 'remove', path: '/logs/a/x' },
    { kind: 'remove', path: '/logs/a/y' },
    { kind: 'remove', path: '/logs/a' },
  ])
  const half = disk.crashAfter(before + 1).restart(() => 'kept')
  expect(await contents(half.fileSystem)).toEqual({ '/logs/a/y': '' })
})

test('a disk that goes on after the end of the process keeps apart what was synced', async () => {
  const { disk } = await recorded()
  // Its bytes were synced, its name was not.
  const nameless = disk.open('/c', 'write')
  nameless.writevSync([bytes('three')], 0)
  await syncFile(nameless)
  const next = disk.goOnAfter(disk.steps.length)
  expect(await contents(next)).toEqual({ '/b': 'onetwothree', '/c': 'three' })
  expect(next.steps.map(({ kind }) => kind)).toEqual(['write', 'rename', 'create'])
  const atOnce = next.crashAfter(next.steps.length)
  expect(await contents(atOnce.restart(() => 'lost').fileSystem)).toEqual({ '/a': 'one' })
  const named = atOnce.restart(({ kind }) => (kind === 'create' ? 'kept' : 'lost'))
  expect(await contents(named.fileSystem)).toEqual({ '/a': 'one', '/c': 'three' })
  await next.syncDirectory('/')
  next.open('/d', 'write').writevSync([bytes('four')], 0)
  const later = next.crashAfter(next.steps.length)
  expect(await contents(later.restart(() => 'lost').fileSystem)).toEqual({
    '/b': 'one',
    '/c': 'three',
  })
  expect(await contents(later.restart(() => 'kept').fileSystem)).toEqual({
    '/b': 'onetwothree',
    '/c': 'three',
    '/d': 'four',
  })
  // The recording that it began with is as it was.
  expect(await contents(disk)).toEqual({ '/b': 'onetwothree', '/c': 'three' })
})

test('a copy that changes takes no more room than what it was copied from', () => {
  let file = new MemoryFile()
  for (let n = 0; n < 20; n++) {
    file = file.copy()
    file.write(bytes('once more'), 0)
  }
  expect(file.bytes.length).toBe(new MemoryFile().bytes.length)
})
