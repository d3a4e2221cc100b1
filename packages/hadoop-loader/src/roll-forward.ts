import { LoaderError } from './errors.js'
import type { Manifest } from './manifest.js'
import type { Target } from './target.js'

/**
 * Moves the files of a committed split to where they belong. May be done any number of times, by several loaders at
 * once. Returns whether there was anything left to move.
 *
 * @throws LoaderError KFK_LOADER_DAMAGED when a file is in neither place, or has another length than was committed
 */
export async function rollForward(
  target: Target,
  manifest: Manifest,
  signal?: AbortSignal,
): Promise<boolean> {
  let moved = false
  for (const { staged, final, bytes } of manifest.files) {
    const there = await target.stat(final, { signal })
    if (there === undefined) {
      if (await move(target, staged, final, signal)) moved = true
    }
    const { bytes: found } = there ?? (await target.stat(final, { signal })) ?? { bytes: -1 }
    if (found === bytes) continue
    const problem = found < 0 ? 'is missing' : `has ${found} bytes`
    throw new LoaderError(
      'KFK_LOADER_DAMAGED',
      `${target.url}/${final} ${problem}, committed were ${bytes}; its staged form is ${staged}`,
      { details: { final, staged, bytes } },
    )
  }
  return moved
}

/** False when somebody else was quicker, or nothing is there to be moved: the caller looks at the result. */
async function move(
  target: Target,
  staged: string,
  final: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if ((await target.stat(staged, { signal })) === undefined) return false
  try {
    return await target.renameIfAbsent(staged, final, { signal })
  } catch (error) {
    if ((await target.stat(final, { signal })) !== undefined) return false
    throw error
  }
}
