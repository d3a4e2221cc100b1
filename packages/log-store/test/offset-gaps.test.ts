// Property: who saves the bound at the same time as somebody else succeeds as well.
import { faultyFileSystem, memoryFileSystem } from '../src/index'
import { OffsetGaps, readOffsetGaps } from '../src/offset-gaps'

test('a flush and a compaction may save at once', async () => {
  const fileSystem = memoryFileSystem()
  await fileSystem.makeDirectory('/log')
  const gaps = new OffsetGaps(fileSystem, '/log', 0)
  gaps.raise(5)
  const first = gaps.save()
  gaps.raise(7)
  await Promise.all([first, gaps.save(), gaps.save()])
  expect(gaps.unsaved).toBe(false)
  expect(await readOffsetGaps(fileSystem, '/log')).toBe(7)
})

test('without room for gaps that may come the bound stays, but for what others raised', async () => {
  const fileSystem = faultyFileSystem()
  await fileSystem.makeDirectory('/log')
  const gaps = new OffsetGaps(fileSystem, '/log', 0)
  fileSystem.inject({ at: 1, times: 2, operation: 'write', error: 'ENOSPC' })
  await expect(gaps.raiseDurably(5)).rejects.toThrow('ENOSPC')
  expect([gaps.bound, gaps.unsaved]).toEqual([0, false])
  const refused = gaps.raiseDurably(5)
  gaps.raise(3)
  await expect(refused).rejects.toThrow('ENOSPC')
  expect([gaps.bound, gaps.unsaved]).toEqual([3, true])
  await gaps.raiseDurably(5)
  expect([gaps.bound, gaps.unsaved]).toEqual([5, false])
  expect(await readOffsetGaps(fileSystem, '/log')).toBe(5)
})
