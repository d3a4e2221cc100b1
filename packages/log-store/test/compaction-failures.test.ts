// Property: a compaction that the disk disturbs leaves a log that can be read, and a clear error.
import { faultyFileSystem, type FaultyFileSystem, StoreError } from '../src/index'
import { contents, filesOf, openKeyed, put, putAll } from './support/keyed-logs'
import { settle } from './support/records'

let fileSystem: FaultyFileSystem

beforeEach(() => {
  fileSystem = faultyFileSystem()
})

test('a full disk puts it off', async () => {
  const { directory, log } = await openKeyed({ fileSystem })
  for (let n = 0; n < 30; n++) put(log, `k${n % 3}`, `v${n}`)
  log.roll()
  await log.flush()
  fileSystem.inject({ at: 1, error: 'ENOSPC', operation: 'write', path: '.cleaned' })
  await expect(directory.compact('a-0')).rejects.toMatchObject({ code: 'KFK_STORE_NO_SPACE' })
  expect(directory.poisoned).toBeUndefined()
  expect(await contents(log)).toHaveLength(30)
  await directory.compact('a-0')
  expect(await contents(log)).toHaveLength(3)
  await directory.close()
})

test.each(['offset-gaps', 'cleaner-offset-checkpoint'])(
  'no room for what is noted in %s: the same error',
  async (path) => {
    const { directory, log } = await openKeyed({ fileSystem })
    await putAll(log, [
      ['a', '1'],
      ['a', '2'],
    ])
    fileSystem.inject({ at: 1, error: 'ENOSPC', operation: 'write', path })
    await expect(directory.compact('a-0')).rejects.toMatchObject({ code: 'KFK_STORE_NO_SPACE' })
    await directory.compact('a-0')
    expect(await contents(log)).toEqual(['1 a=2'])
    await directory.close()
  },
)

test('no room to note gaps that then do not come: appends need none', async () => {
  const { directory, log } = await openKeyed({ fileSystem })
  await putAll(log, [
    ['a', '1'],
    ['a', '2'],
  ])
  fileSystem.inject({
    ...{ at: 1, times: Number.MAX_SAFE_INTEGER, error: 'ENOSPC', path: 'offset-gaps' },
    operation: ['create', 'write'],
  })
  await expect(directory.compact('a-0')).rejects.toMatchObject({ code: 'KFK_STORE_NO_SPACE' })
  put(log, 'b', '3')
  log.roll()
  await settle(20)
  expect(log.recoveryPoint).toBe(3)
  fileSystem.clearFaults()
  await directory.compact('a-0')
  expect(await contents(log)).toEqual(['1 a=2', '2 b=3'])
  // Were it to wait for a sync that is tried again later, it would wait for ever: time stands still.
  const closed = directory.close().then(() => 'closed')
  expect(await Promise.race([closed, settle(1000)])).toBe('closed')
})

test.each(['.cleaned', 'cleaner-offset-checkpoint'])(
  'a failing disk (%s) poisons',
  async (path) => {
    const { directory, log } = await openKeyed({ fileSystem })
    await putAll(log, [
      ['a', '1'],
      ['a', '2'],
    ])
    fileSystem.inject({ at: 1, error: 'EIO', operation: 'sync', path })
    await expect(directory.compact('a-0')).rejects.toMatchObject({ code: 'KFK_STORE_IO' })
    expect(directory.poisoned).toBeInstanceOf(StoreError)
    expect(await contents(log)).toHaveLength(path === '.cleaned' ? 2 : 1)
    await directory.close()
  },
)

test('a replacement is read where it lies when its names cannot be changed any more', async () => {
  const { directory, log } = await openKeyed({ fileSystem, maxOpenFiles: 1 })
  await putAll(log, [
    ['a', '1'],
    ['a', '2'],
  ])
  put(log, 'b', '3')
  await log.whenAcknowledged(3)
  fileSystem.inject({ at: 1, error: 'EIO', operation: 'rename', path: '.index.swap' })
  await expect(directory.compact('a-0')).rejects.toMatchObject({ code: 'KFK_STORE_IO' })
  // Its file has to make room for that of the active segment in between.
  for (let times = 0; times < 2; times++) expect(await contents(log)).toEqual(['1 a=2', '2 b=3'])
  expect((await filesOf(fileSystem)).filter((name) => name.endsWith('.cleaned'))).toEqual([])
  await directory.close()
})
