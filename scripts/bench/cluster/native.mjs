// The load program in C: compiled on the spot, missing where there is no compiler.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { root } from '../../lib/project.mjs'

const source = fileURLToPath(new URL('native/load.c', import.meta.url))

let found

/** Path of the program; undefined without a C compiler. */
export function nativeLoad() {
  if (found === undefined) found = { binary: process.platform === 'linux' ? compile() : undefined }
  return found.binary
}

function compile() {
  const hash = createHash('sha256').update(fs.readFileSync(source)).digest('hex').slice(0, 12)
  const binary = path.join(root, 'out/bench', `load-${hash}`)
  if (fs.existsSync(binary)) return binary
  fs.mkdirSync(path.dirname(binary), { recursive: true })
  const built = spawnSync('cc', ['-O2', source, '-o', binary], { encoding: 'utf8' })
  return built.status === 0 ? binary : undefined
}
