// Property: nobody is told to try again on a directory that takes no more writes.
import { memoryFileSystem, openLogDirectory } from '../src/index'
import { ioError } from '../src/errors'
import type { LogHost } from '../src/log-host'
import { poisonIfWriteFailed, poisonUnlessItPasses } from '../src/poisoning'

const failed = (code: string, action = 'write') =>
  ioError(Object.assign(new Error(code), { code }), { action, path: '/data/a-0' })

async function open(): Promise<LogHost> {
  const directory = await openLogDirectory('/data', { fileSystem: memoryFileSystem() })
  return directory as unknown as LogHost
}

describe.each([poisonUnlessItPasses, poisonIfWriteFailed])('%p', (tell) => {
  test.each(['ENOSPC', 'EMFILE'])('%s passes, unless something else has poisoned', async (code) => {
    const host = await open()
    const passing = failed(code)
    expect(tell(host, passing)).toBe(passing)
    expect(host.poisoned).toBeUndefined()
    const poisoned = host.poison(failed('EIO'))
    expect(tell(host, passing)).toBe(poisoned)
    expect(poisoned.retriable).toBe(false)
  })

  test('EIO poisons', async () => {
    const host = await open()
    const failure = failed('EIO')
    expect(tell(host, failure)).toBe(host.poisoned)
    expect(host.poisoned?.cause).toBe(failure)
  })
})

test('a read that fails poisons what is half done, not what was about to be replaced', async () => {
  const host = await open()
  const failure = failed('EIO', 'read')
  expect(poisonIfWriteFailed(host, failure)).toBe(failure)
  expect(host.poisoned).toBeUndefined()
  poisonUnlessItPasses(host, failure)
  expect(host.poisoned?.cause).toBe(failure)
})
