import { LoaderError } from './errors.js'
import { manifestPath, stagedManifest } from './file-layout.js'
import { manifestText, type Manifest } from './manifest.js'
import { rollForward } from './roll-forward.js'
import { writeFile, type Target } from './target.js'

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
 * Commits a copied split: its manifest gets the name that only one can get. True when it did; then the files are moved
 * to their places. False when another loader has committed from the same offset: what this one staged is removed.
 */
export async function commitSplit(options: CommitOptions, manifest: Manifest): Promise<boolean> {
  const { target, signal, hooks } = options
  await checkStaged(options, manifest)
  const staged = stagedManifest(manifest, manifest.run)
  await writeFile(target, staged, manifestText(manifest), { signal })
  await hooks.at?.('staged', manifest)
  const won = await target.renameIfAbsent(staged, manifestPath(manifest), { signal })
  if (!won) {
    await discardStaged(target, manifest)
    return false
  }
  await hooks.at?.('committed', manifest)
  await rollForward(target, manifest, signal)
  await hooks.at?.('moved', manifest)
  return true
}

/** Removes what a split has in staging. */
export async function discardStaged(target: Target, manifest: Manifest): Promise<void> {
  const paths = [
    ...manifest.files.map(({ staged }) => staged),
    stagedManifest(manifest, manifest.run),
  ]
  await Promise.allSettled(paths.map((path) => target.delete(path)))
}

/** What is committed must be there: a clean-up of old staging may have been too eager, or a disk too full. */
async function checkStaged({ target, signal }: CommitOptions, { files }: Manifest): Promise<void> {
  for (const { staged, bytes } of files) {
    const found = await target.stat(staged, { signal })
    if (found?.bytes === bytes) continue
    const what = found === undefined ? 'is gone' : `has ${found.bytes} bytes instead of ${bytes}`
    throw new LoaderError('KFK_LOADER_TARGET', `the staged file ${target.url}/${staged} ${what}`, {
      retriable: true,
    })
  }
}
