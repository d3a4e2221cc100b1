import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

const bin = join(__dirname, '..', 'dist', 'bin.js')

/** The program as it is published. */
export function builtKfk(): string {
  if (existsSync(bin)) return bin
  throw new Error(`${bin} is not built: run \`npm run build\`, or \`npm test\`, which builds first`)
}

/** A command that runs as a process of its own. */
export class KfkProcess {
  readonly child: ChildProcess
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>
  stdout = ''
  stderr = ''
  #heard: (() => void)[] = []

  constructor(args: readonly string[], options: { readonly input?: string } = {}) {
    const { KFK_BROKERS: _brokers, KFK_DEBUG: _debug, ...env } = process.env
    this.child = spawn(process.execPath, [builtKfk(), ...args], { env })
    this.child.stdout!.on('data', (text: Buffer) => this.#hear('stdout', text))
    this.child.stderr!.on('data', (text: Buffer) => this.#hear('stderr', text))
    this.child.stdin!.end(options.input ?? '')
    this.ended = new Promise((resolve, reject) => {
      this.child.once('error', reject)
      this.child.once('close', (code, signal) => {
        resolve({ code, signal })
        this.#wake()
      })
    })
  }

  /** Resolves when standard output has it; rejects when the process ends before. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.stdout)
      if (found) return found
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        throw new Error(`ended without saying ${String(pattern)}: ${this.stdout}${this.stderr}`)
      }
      await new Promise<void>((resolve) => this.#heard.push(resolve))
    }
  }

  kill(signal: NodeJS.Signals) {
    this.child.kill(signal)
    return this.ended
  }

  #hear(stream: 'stdout' | 'stderr', text: Buffer): void {
    this[stream] += text.toString()
    this.#wake()
  }

  #wake(): void {
    for (const wake of this.#heard.splice(0)) wake()
  }
}

/** Runs a command to its end. */
export async function runBuilt(args: readonly string[], options?: { readonly input?: string }) {
  const run = new KfkProcess(args, options)
  const { code, signal } = await run.ended
  return { code, signal, stdout: run.stdout, stderr: run.stderr }
}
