// A directory of many logs.
import { store } from './fixture.mjs'

export const nameOf = (n) => `bench-${n}`

/** Opens or makes `count` logs; `options` go to the directory. */
export async function openMany(dir, count, options = {}) {
  const directory = await store.openLogDirectory(dir, { checkpointMs: 0, ...options })
  const logs = []
  const next = Array.from({ length: count }, (_, n) => n).values()
  const opener = async () => {
    for (const n of next) logs[n] = await directory.open(nameOf(n))
  }
  await Promise.all(Array.from({ length: 8 }, opener))
  return { directory, logs }
}
