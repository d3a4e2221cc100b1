import { createRequire } from 'node:module'

/**
 * Where `require` starts to look from. In the CommonJS build and under jest `__filename` exists; in
 * the ES module build it does not, and `import.meta.url` does. This is the only file that names
 * either. (esbuild warns that the CommonJS output has no `import.meta`: it is not evaluated there.)
 */
const requireHere = createRequire(typeof __filename === 'string' ? __filename : import.meta.url)

/** Loads a package that may be absent: undefined when it is not installed or does not load here. */
export function optionalPeer<T>(name: string): T | undefined {
  try {
    return requireHere(name) as T
  } catch {
    // Not installed, or a native binary for another platform: the portable code serves.
    return undefined
  }
}

/** The file that `require(name)` would load; throws as `require.resolve` does. */
export function resolvePackage(name: string): string {
  return requireHere.resolve(name)
}
