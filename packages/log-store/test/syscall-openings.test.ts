// Property: whichever call fails from the opening of a used directory on, while it is recovered, read,
// compacted, shortened or closed, once or for good: nothing that was acknowledged is lost, nothing else
// is found, nothing hangs or stays open, no failed sync is tried again, errors say what is true, and
// without failures everything works again.
//
// Every call is struck; which error, how often, and on which of the disks takes turns. With
// KFK_PROOFS=all every combination is tried, which takes most of an hour.
import type { FileOperation } from '../src/index'
import { failingOpening } from './support/failing-openings'
import { isEverything, rounds } from './support/proofs'
import { type Image, makeImages } from './support/session-images'

type Failing = FileOperation | readonly FileOperation[]

const failures: [operation: Failing, errors: readonly string[]][] = [
  ['write', ['EIO', 'ENOSPC', 'EFBIG', 'EMFILE', 'EDQUOT', 'EROFS']],
  ['sync', ['EIO', 'ENOSPC', 'EDQUOT']],
  ['syncDirectory', ['EIO', 'EMFILE', 'ENOSPC']],
  ['create', ['ENOSPC', 'EMFILE', 'EIO', 'EFBIG', 'EDQUOT', 'EROFS']],
  ['open', ['EMFILE', 'EIO', 'ENOSPC', 'EFBIG', 'ENFILE']],
  ['rename', ['EIO', 'ENOSPC', 'EMFILE', 'EFBIG', 'EROFS']],
  ['truncate', ['EIO', 'EFBIG', 'EROFS']],
  ['remove', ['EIO', 'EROFS']],
  ['removeDirectory', ['EIO', 'EROFS']],
  ['makeDirectory', ['ENOSPC', 'EIO', 'EROFS']],
  ['read', ['EIO']],
  ['stat', ['EIO']],
  ['list', ['EIO', 'EMFILE']],
  ['lock', ['ENOSPC', 'EIO', 'EMFILE']],
  // As network file systems do, which write late.
  ['close', ['EIO', 'ENOSPC', 'EDQUOT']],
  // A disk that is full takes nothing new, whatever it is.
  [['write', 'create', 'makeDirectory'], ['ENOSPC']],
]
const repeats = [1, Number.MAX_SAFE_INTEGER, 3]
const timeoutMs = isEverything ? 3_600_000 : undefined

let images: readonly Image[]

beforeAll(async () => {
  images = await makeImages()
})

interface Strike {
  readonly operation: Failing
  readonly error: string
  readonly at: number
  readonly times: number
}

async function strike(image: Image, one: Strike, works: boolean): Promise<boolean> {
  const { operation, error, at, times } = one
  const partialWrite = operation === 'write' && at % 2 === 0 ? 0.5 : undefined
  const fault = { ...one, ...(partialWrite && { partialWrite }) }
  try {
    return await failingOpening(image, { works, crash: at % 3 === 0, fault })
  } catch (failure) {
    const where = `${image.name}: ${[operation].flat().join()} ${at} (${times} times): ${error}`
    throw new Error(`${where}: ${(failure as Error).stack}`, { cause: failure })
  }
}

/** Strikes call after call until there is none; `isStruck` says whether on the n-th disk. */
async function sweep(
  [operation, errors]: (typeof failures)[number],
  works: boolean,
  isStruck: (at: number, n: number) => boolean,
): Promise<void> {
  let any = false
  for (let at = 1; ; at += rounds(1, 7)) {
    let struck = false
    for (const [n, image] of images.entries()) {
      if (!isEverything && !isStruck(at, n)) continue
      const turn = at + n
      const codes = isEverything ? errors : [errors[turn % errors.length]!]
      const often = isEverything ? repeats : [repeats[turn % repeats.length]!]
      for (const error of codes) {
        for (const times of often) {
          if (await strike(image, { operation, error, at, times }, works)) struck = true
        }
      }
    }
    any ||= struck
    if (!struck && at >= images.length) break
  }
  // Not every call is made to open.
  if (works) expect(any).toBe(true)
}

test.each(failures)(
  '%s: %s, at work and closing',
  async (operation, errors) => {
    const isStruck = (at: number, n: number) => n === at % images.length
    await sweep([operation, errors], true, isStruck)
  },
  timeoutMs,
)

test.each(failures)(
  '%s: %s, opening and reading',
  async (operation, errors) => {
    await sweep([operation, errors], false, (at, n) => n % 3 === at % 3)
  },
  timeoutMs,
)
