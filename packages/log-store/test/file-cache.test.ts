// Which files are closed when there are too many.
import { CachedFile, FileCache } from '../src/file-cache'
import { memoryFileSystem } from '../src/index'

async function cacheOf(maxOpen: number, names: string) {
  const fileSystem = memoryFileSystem()
  await fileSystem.makeDirectory('/data')
  const cache = new FileCache(fileSystem, maxOpen, () => undefined)
  const files = new Map(
    [...names].map((name) => [name, new CachedFile({ path: `/data/${name}` }, 'update')]),
  )
  for (const { owner } of files.values()) fileSystem.open(owner.path, 'write').close()
  const file = (name: string): CachedFile => files.get(name)!
  const use = (used: string) => {
    for (const name of used) cache.use(file(name))
  }
  const open = () => [...names].filter((name) => file(name).handle !== undefined).join('')
  return { cache, file, use, open }
}

test('what was used since stays before what was not', async () => {
  const { use, open } = await cacheOf(3, 'abcdefg')
  use('abcac')
  use('d')
  expect(open()).toBe('acd')
  use('da')
  use('e')
  // Everything was used: the one that has been open longest without being spared goes.
  expect(open()).toHaveLength(3)
  expect(open()).toContain('e')
})

test('used again and again, a file outlives any number of others', async () => {
  const { use, open } = await cacheOf(3, 'abcdefg')
  for (const other of 'bcdefgbcdefg') use(`a${other}a`)
  expect(open()).toContain('a')
  expect(open()).toHaveLength(3)
})

test('a file that somebody waits on is not closed, used or not', async () => {
  const { cache, file, use, open } = await cacheOf(2, 'abcd')
  cache.pin(file('a'))
  cache.pin(file('b'))
  use('c')
  expect(open()).toBe('abc')
  cache.unpin(file('a'))
  use('d')
  expect(open()).toBe('bd')
  expect(cache.openCount).toBe(2)
})
