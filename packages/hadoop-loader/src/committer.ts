import { LoaderError } from './errors.js'
import { manifestPath, stagedManifest } from './file-layout.js'
import { manifestText, parseManifest, type Manifest } from './manifest.js'
import { forEachAtOnce } from './pool.js'
import { rollForward } from './roll-forward.js'
import { readFile, writeFile, type Target } from './target.js'

/** Points at which a test may interrupt a load. */
export interface LoaderHooks {
  at?(point: 'staged' | 'committed' | 'moved', manifest: Manifest): void | Promise<void>
}

export interface CommitOptions {
  readonly target: Target
  readonly signal: AbortSignal
  readonly hooks: LoaderHooks
}

/**
 * Commits a copied split: its manifest gets the name that only one can get. True when it did; then
 * the files are moved to their places. False when another loader has committed from the same
 * offset: what this one staged is removed.
 */
export async function commitSplit(options: CommitOptions, manifest: Manifest): Promise<boolean> {
  const { target, signal, hooks } = options
  const staged = stagedManifest(manifest, manifest.run)
  try {
    await writeFile(target, staged, manifestText(manifest), { signal })
    await hooks.at?.('staged', manifest)
    // After the manifest: whoever clears this staging away from now on takes the manifest along,
    // and the rename fails.
    await checkStaged(options, manifest)
  } catch (error) {
    await discardStaged(target, manifest)
    throw error
  }
  // From here on, an error leaves it open whether the commit has happened: nothing may be removed.
  const renamed = await target.renameIfAbsent(staged, manifestPath(manifest), { signal })
  if (!renamed && !(await isOurs(options, manifest))) {
    await discardStaged(target, manifest)
    return false
  }
  await hooks.at?.('committed', manifest)
  await rollForward(target, manifest, { signal, fresh: true })
  await hooks.at?.('moved', manifest)
  return true
}

/**
 * Removes what a split has in staging, as far as that works: what is left is removed when it has
 * become old.
 */
export async function discardStaged(target: Target, manifest: Manifest): Promise<void> {
  const paths = [
    ...manifest.files.map(({ staged }) => staged),
    stagedManifest(manifest, manifest.run),
  ]
  await forEachAtOnce(paths, (path) => target.delete(path)).catch(() => undefined)
}

/**
 * What is committed must be there: a clean-up of old staging may have been too eager, or a disk too
 * full.
 */
async function checkStaged({ target, signal }: CommitOptions, { files }: Manifest): Promise<void> {
  await forEachAtOnce(files, async ({ staged, bytes }) => {
    const found = await target.stat(staged, { signal })
    if (found?.bytes === bytes) return
    const what = found === undefined ? 'is gone' : `has ${found.bytes} bytes instead of ${bytes}`
    const message = `the staged file ${target.url}/${staged} ${what}: run the load again`
    throw new LoaderError('KFK_LOADER_TARGET', message, { retriable: true })
  })
}

/**
 * Removing what was staged for a commit that did happen would lose it, so the manifest itself has
 * the last word.
 */
async function isOurs({ target, signal }: CommitOptions, manifest: Manifest): Promise<boolean> {
  const path = manifestPath(manifest)
  const text = await readFile(target, path, { signal })
  if (text !== undefined) return parseManifest(text, path).run === manifest.run
  const message = `${target.url}/${path} was there a moment ago and is gone`
  throw new LoaderError('KFK_LOADER_DAMAGED', message, { details: { path } })
}
