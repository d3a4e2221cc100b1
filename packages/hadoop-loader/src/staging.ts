import { stagingDir } from './file-layout.js'
import type { Target } from './target.js'

/**
 * Removes what loads that died long ago left in staging. To be called after everything that was committed has been
 * moved: then nothing in staging is needed but by loads that still run, and these are younger than `maxAgeMs`.
 */
export async function removeOldStaging(
  target: Target,
  topic: string,
  options: { readonly nowMs: number; readonly maxAgeMs: number; readonly signal: AbortSignal },
): Promise<number> {
  const { nowMs, maxAgeMs, signal } = options
  let removed = 0
  for (const entry of await target.list(stagingDir(topic), { signal })) {
    const path = `${stagingDir(topic)}/${entry.name}`
    if (nowMs - (await lastTouched(target, path, entry.modifiedMs)) < maxAgeMs) continue
    if (await target.delete(path, { signal })) removed += 1
  }
  return removed
}

async function lastTouched(target: Target, path: string, modifiedMs: number): Promise<number> {
  const inside = await target.list(path).catch(() => [])
  return inside.reduce((latest, entry) => Math.max(latest, entry.modifiedMs), modifiedMs)
}
