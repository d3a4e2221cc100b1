// The baseline program: C compiled on the spot, else Node.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { fail, root } from '../../lib/project.mjs'

const here = path.dirname(fileURLToPath(import.meta.url))
const source = path.join(here, 'baseline.c')

function compile() {
  const hash = createHash('sha256').update(fs.readFileSync(source)).digest('hex').slice(0, 12)
  const binary = path.join(root, 'out/bench', `baseline-${hash}`)
  if (fs.existsSync(binary)) return binary
  fs.mkdirSync(path.dirname(binary), { recursive: true })
  const built = spawnSync('cc', ['-O2', '-pthread', source, '-o', binary], { encoding: 'utf8' })
  return built.status === 0 ? binary : undefined
}

/** `name` for the table; `run` answers the figures, undefined when the program has no such command. */
export function rawIo() {
  const binary = process.platform === 'win32' ? undefined : compile()
  const [file, before] = binary
    ? [binary, []]
    : [process.execPath, [path.join(here, 'baseline.mjs')]]
  return {
    name: binary ? 'C (cc -O2)' : 'Node (no C compiler here)',
    run(args) {
      const done = spawnSync(file, [...before, ...args.map(String)], { encoding: 'utf8' })
      if (done.status === 2) return undefined
      if (done.status !== 0)
        fail(`baseline ${args.join(' ')}: ${done.stderr || done.error?.message}`)
      return JSON.parse(done.stdout)
    },
  }
}
