// The packages under test as one module made from the sources as they are now, without a build of everything else.
import path from 'node:path'
import { root } from '../../lib/project.mjs'

export const bundlePath = path.join(root, 'out/bench/log-store.mjs')

export async function bundlePackages() {
  const { build } = await import('esbuild')
  const contents = [
    "export * from './packages/log-store/src/index.ts'",
    "export { encodeRecordBatch, recordBatchFormat } from './packages/protocol/src/index.ts'",
  ].join('\n')
  await build({
    stdin: { contents, resolveDir: root, loader: 'ts' },
    outfile: bundlePath,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    sourcemap: true,
    logLevel: 'error',
  })
}
