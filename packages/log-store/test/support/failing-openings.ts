// Lives of a directory that has been used before, on a disk that begins to fail when it is opened again.
import type { Fault } from '../../src/index'
import { Session } from './failing-session'
import type { Image } from './session-images'

export interface FailingOpening {
  /** Everything is tried before the end; else the logs are only opened and read. */
  readonly works: boolean
  /** The power goes at the end, instead of a close. */
  readonly crash: boolean
  readonly fault: Fault
}

/**
 * From the opening on which the first calls fail to one on which none do, when everything must be
 * there and work. Answers whether the fault struck before the first of them ended.
 */
export async function failingOpening(image: Image, life: FailingOpening): Promise<boolean> {
  const { fileSystem, expected } = image.make()
  fileSystem.inject(life.fault)
  let session = new Session(fileSystem, expected)
  if ((await session.open()) === undefined) {
    session = new Session(fileSystem, expected)
    await session.open()
  }
  await (life.works ? session.work() : session.lookAtAll())
  if (fileSystem.struck === 0) return false
  session.requireNoRetry()
  if (life.crash) fileSystem.crash('lose-unsynced')
  else {
    await session.close()
    // What lasts is still there at the next opening.
    session = new Session(fileSystem, expected)
    if ((await session.open()) !== undefined) await session.lookAtAll()
    await session.close()
    fileSystem.clearFaults()
  }
  const last = new Session(fileSystem, expected)
  if ((await last.open()) === undefined) throw last.errors.at(-1)!
  await last.everythingWorks()
  await last.close()
  if (last.poisoned) throw new Error('fails without a failure', { cause: last.errors.at(-1) })
  return true
}
