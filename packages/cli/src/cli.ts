import { CommanderError } from 'commander'
import { createContext, type CommandContext } from './context.js'
import { exitCodes } from './errors.js'
import { explainError } from './explain-error.js'
import type { CliIo } from './io.js'
import { buildProgram } from './program.js'

/**
 * Runs a command of `kfk` to its end. Never throws: what went wrong is told on `io.stderr`.
 *
 * @param args - the command line without `node` and `kfk`
 * @returns the exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted before it was done
 */
export async function runCli(args: readonly string[], io: CliIo): Promise<number> {
  const context = createContext(io)
  try {
    const program = await buildProgram(context, args)
    await program.parseAsync([...args], { from: 'user' })
    return context.exitCode
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
    }
    return report(error, context)
  }
}

function report(error: unknown, context: CommandContext): number {
  const { io, out } = context
  if (out.brokenPipe) return exitCodes.ok
  if (io.signal.aborted) return exitCodes.interrupted
  const reason: unknown = out.signal.aborted ? out.signal.reason : error
  const { message, hint, exitCode } = explainError(reason)
  context.note(`kfk: ${message}`)
  if (hint !== undefined) context.note(`     ${hint}`)
  if (io.env['KFK_DEBUG'] && reason instanceof Error) context.note(describe(reason))
  return exitCode
}

function describe(error: Error): string {
  const cause = error.cause instanceof Error ? `\nCaused by: ${describe(error.cause)}` : ''
  return `${error.stack ?? error.message}${cause}`
}
