// Property: who saves the bound at the same time as somebody else succeeds as well.
import { memoryFileSystem } from '../src/index'
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
