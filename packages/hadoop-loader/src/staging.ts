import { stagingPrefix, stagingRoot } from './file-layout.js'
import type { Target } from './target.js'

/**
 * Removes what loads of a topic that died long ago left in staging. To be called after everything
 * that was committed of the topic has been moved: then nothing in its staging is needed but by
 * loads that still run, and these are younger than `maxAgeMs`. (One that is not finds its files
 * gone before it commits, and fails.) Returns how many were removed.
 */
export async function removeOldStaging(
  target: Target,
  topic: string,
  options: { readonly nowMs: number; readonly maxAgeMs: number; readonly signal: AbortSignal },
): Promise<number> {
  const { nowMs, maxAgeMs, signal } = options
  const prefix = stagingPrefix(topic)
  let removed = 0
  for (const { name, modifiedMs } of await target.list(stagingRoot, { signal })) {
    if (!name.startsWith(prefix) || nowMs - modifiedMs < maxAgeMs) continue
    const dir = `${stagingRoot}/${name}`
    const inside = await target.list(dir, { signal })
    if (inside.some((entry) => nowMs - entry.modifiedMs < maxAgeMs)) continue
    if (await target.delete(dir, { signal })) removed += 1
  }
  return removed
}
