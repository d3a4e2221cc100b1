// The long versions of the tests that kill, cut the power and compare with the model; run by
// `npm run torture`.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkHistories } from '../model/check-histories'
import { bundleProcess } from './bare-node'
import { killCycles } from './kill-cycles'
import { MountedVolume, type VolumeKind } from './mounted-volume'
import { powerCycles } from './power-cycles'

interface Request {
  readonly cycles: number
  readonly seed: number
  /** The folder of this file's source. */
  readonly supportFolder: string
}

async function kill({ cycles, seed, supportFolder }: Request): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'kfk-torture-'))
  try {
    const program = bundleProcess(supportFolder, 'appending-process', directory)
    const run = (portableLock: boolean) =>
      killCycles({
        path: join(directory, portableLock ? 'portable' : 'system'),
        program,
        cycles: Math.ceil(cycles / 2),
        seed: portableLock ? seed + 1 : seed,
        portableLock,
      })
    return JSON.stringify(await Promise.all([run(false), run(true)]))
  } finally {
    rmSync(directory, { recursive: true })
  }
}

async function power(kind: VolumeKind, mountOptions: string, request: Request): Promise<string> {
  const volume = MountedVolume.make(kind, mountOptions)
  if (typeof volume === 'string') return volume
  try {
    const cycles = Math.ceil(request.cycles / 2)
    return JSON.stringify(await powerCycles(volume, { cycles, seed: request.seed }))
  } finally {
    volume.dispose()
  }
}

/** A cycle is a random history. Throws with the one that fails, which the model test begins with. */
async function model({ cycles, seed, supportFolder }: Request): Promise<string> {
  const keptIn = join(supportFolder, '..', 'model', 'failures.json')
  return `${await checkHistories({ runs: cycles, seed, keptIn })} different histories passed`
}

const kinds: Record<string, { cycles: number; run: (request: Request) => Promise<string> }> = {
  kill: { cycles: 1_000, run: kill },
  model: { cycles: 5_000, run: model },
  ext4: { cycles: 500, run: (request) => power('ext4', 'commit=1000', request) },
  xfs: { cycles: 500, run: (request) => power('xfs', '', request) },
}

async function main(supportFolder: string, given: Record<string, string>): Promise<void> {
  const seed = Number(given['seed'])
  for (const [name, { cycles, run }] of Object.entries(kinds)) {
    if (given['only'] !== undefined && given['only'] !== name) continue
    const startedMs = performance.now()
    const request = { cycles: Number(given['cycles'] ?? cycles), seed, supportFolder }
    const result = await run(request)
    const seconds = Math.round((performance.now() - startedMs) / 1000)
    process.stdout.write(`${name}, seed ${seed}, ${seconds} s: ${result}\n`)
  }
}

void main(process.argv[2]!, JSON.parse(process.argv[3]!) as Record<string, string>)
