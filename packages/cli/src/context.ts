import pc from 'picocolors'
import { exitCodes } from './errors.js'
import type { CliIo } from './io.js'
import { Output } from './output.js'

export type Colors = ReturnType<typeof pc.createColors>

/** What every command works with. */
export interface CommandContext {
  readonly io: CliIo
  readonly out: Output
  /** Fires when the command is to end: interrupted, or nobody reads its output. */
  readonly signal: AbortSignal
  readonly colors: Colors
  /** One line on standard error. */
  note(text: string): void
  /** What the command returned; 0 until then. */
  exitCode: number
}

export function createContext(io: CliIo): CommandContext {
  const out = new Output(io.stdout)
  // Nobody can be told about errors of the stream that errors are told on.
  io.stderr.on('error', () => undefined)
  return {
    io,
    out,
    signal: AbortSignal.any([io.signal, out.signal]),
    colors: pc.createColors(out.isTerminal && !io.env['NO_COLOR']),
    note(text) {
      io.stderr.write(`${text}\n`)
    },
    exitCode: exitCodes.ok,
  }
}

/** Wraps what a command does for commander: keeps the exit code that it returns. */
export function action<Args extends unknown[]>(
  context: CommandContext,
  run: (...args: Args) => Promise<number>,
): (...args: Args) => Promise<void> {
  return async (...args) => {
    context.exitCode = await run(...args)
  }
}
