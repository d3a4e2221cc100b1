// Property: whichever call to the system fails, at whichever time, and with whatever error: no wrong
// record, no acknowledgement of what was not synced, no second try of a failed sync, nothing hangs, the
// log can be read, and errors that pass leave a log that goes on.
import { faultyFileSystem } from '../src/index'
import type { FileOperation } from '../src/index'
import { FailingLife } from './support/failing-life'
import { rounds } from './support/proofs'

const errors: [FileOperation, string[]][] = [
  ['write', ['EIO', 'ENOSPC', 'EMFILE', 'EFBIG', 'EDQUOT', 'EROFS']],
  ['sync', ['EIO', 'ENOSPC', 'EDQUOT']],
  ['syncDirectory', ['EIO', 'ENOSPC', 'EMFILE']],
  ['create', ['EIO', 'ENOSPC', 'EMFILE', 'EFBIG', 'EDQUOT', 'EROFS']],
  ['open', ['EIO', 'ENOSPC', 'EMFILE', 'EFBIG', 'ENFILE', 'EROFS']],
  ['rename', ['EIO', 'ENOSPC', 'EMFILE', 'EFBIG', 'EROFS']],
  ['truncate', ['EIO', 'EFBIG', 'EROFS']],
  ['remove', ['EIO', 'EROFS']],
  ['makeDirectory', ['EIO', 'ENOSPC', 'EROFS']],
  ['read', ['EIO']],
  ['list', ['EIO', 'EMFILE']],
  // As network file systems do, which write late.
  ['close', ['EIO', 'ENOSPC', 'EDQUOT']],
]
const cases = errors.flatMap(([operation, codes]) =>
  codes.map((error): [FileOperation, string] => [operation, error]),
)

/** Undefined: a close. By turns, so that each call that fails once or more comes to each of them. */
const ends = [undefined, 'lose-unsynced', 'keep-unsynced'] as const

/** Whether the fault happened at all: not when the workload has fewer such calls. */
async function life(
  operation: FileOperation,
  error: string,
  how: { readonly at: number; readonly times: number },
): Promise<boolean> {
  const fileSystem = faultyFileSystem()
  const partialWrite = operation === 'write' && how.at % 2 === 0 ? 0.5 : undefined
  fileSystem.inject({ operation, error, ...how, ...(partialWrite && { partialWrite }) })
  const one = new FailingLife(fileSystem)
  try {
    await one.run(ends[(how.at + how.times) % ends.length])
  } catch (failure) {
    const where = `${operation} ${how.at} (${how.times} times): ${error}; ${one.watched.failures.join()}`
    throw new Error(`${where}: ${(failure as Error).stack}`, { cause: failure })
  }
  return fileSystem.struck > 0
}

test('without a failure', async () => {
  expect(await life('write', 'EIO', { at: Number.MAX_SAFE_INTEGER, times: 1 })).toBe(false)
})

test.each(cases)('%s: %s, at every one', async (operation, error) => {
  for (const times of [1, 3, Number.MAX_SAFE_INTEGER]) {
    let at = 1
    while (await life(operation, error, { at, times })) at += rounds(1, 7)
    expect(at).toBeGreaterThan(1)
  }
})
