import { LoaderError } from './errors.js'
import type { Manifest, ManifestFile } from './manifest.js'
import { forEachAtOnce } from './pool.js'
import type { Target } from './target.js'

export interface RollForwardOptions {
  readonly signal?: AbortSignal | undefined
  /** Nothing has been moved yet as far as the caller knows: try to move before looking. */
  readonly fresh?: boolean
}

/**
 * Moves the files of a committed split to where they belong. May be done any number of times, by
 * several loaders at once. Returns whether there was anything left to move.
 *
 * @throws LoaderError KFK_LOADER_DAMAGED when a file is in neither place, or has another length
 *   than was committed
 */
export async function rollForward(
  target: Target,
  manifest: Manifest,
  options: RollForwardOptions = {},
): Promise<boolean> {
  let moved = false
  await forEachAtOnce(manifest.files, async (file) => {
    if (await settle(target, file, options)) moved = true
  })
  return moved
}

/** Returns whether this call moved the file. */
async function settle(
  target: Target,
  { staged, final, bytes }: ManifestFile,
  { signal, fresh = false }: RollForwardOptions,
): Promise<boolean> {
  let moved = false
  let found = fresh ? undefined : await target.stat(final, { signal })
  if (found === undefined) {
    moved = await move(target, { staged, final, fresh }, signal)
    found = await target.stat(final, { signal })
  }
  if (found?.bytes === bytes) return moved
  const problem = found === undefined ? 'is missing' : `has ${found.bytes} bytes`
  throw new LoaderError(
    'KFK_LOADER_DAMAGED',
    `${target.url}/${final} ${problem}, committed were ${bytes}; its staged form was ${staged}`,
    { details: { final, staged, bytes } },
  )
}

/**
 * False when somebody else was quicker, or nothing is there to be moved: the caller looks at the
 * result.
 */
async function move(
  target: Target,
  { staged, final, fresh }: { staged: string; final: string; fresh: boolean },
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (!fresh && (await target.stat(staged, { signal })) === undefined) return false
  try {
    return await target.renameIfAbsent(staged, final, { signal })
  } catch (error) {
    if ((await target.stat(final, { signal })) !== undefined) return false
    throw error
  }
}
