// Programs of the tests that run in a node of their own: those that are killed, and those that take
// minutes. Under jest every name of the language is looked up through a proxy and every import through
// a getter; without, the same work takes two thirds of the time.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildSync } from 'esbuild'

/** Bundles `support/<name>.ts` of the tests' folder into `directory`, for bare node. */
export function bundleProcess(supportFolder: string, name: string, directory: string): string {
  const program = join(directory, `${name}.cjs`)
  buildSync({
    entryPoints: [join(supportFolder, `${name}.ts`)],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
  })
  return program
}

/** Runs `support/<name>.ts`, which calls `answering`, with this request. Rejects with its error. */
export async function ask<Answer>(name: string, request: unknown): Promise<Answer> {
  const directory = mkdtempSync(join(tmpdir(), `kfk-${name}-`))
  try {
    const program = bundleProcess(__dirname, name, directory)
    return JSON.parse(await outputOf(program, JSON.stringify(request))) as Answer
  } finally {
    rmSync(directory, { recursive: true })
  }
}

function outputOf(program: string, request: string): Promise<string> {
  const child = spawn(process.execPath, [program, request], { stdio: ['ignore', 'pipe', 'pipe'] })
  const orphaned = () => child.kill()
  process.on('exit', orphaned)
  let output = ''
  let complaint = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString()))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      process.off('exit', orphaned)
      if (code === 0) resolve(output)
      else reject(new Error(`${program} ended with ${code ?? signal}: ${complaint}`))
    })
  })
}
