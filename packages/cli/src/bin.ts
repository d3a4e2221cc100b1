#!/usr/bin/env node
import { runCli } from './cli.js'
import { exitCodes } from './errors.js'

/**
 * A command that is done ends by itself; should something keep the process, it is ended after this
 * long, ms.
 */
const lingerMs = 2000

/** Bound of an end in good order when the process that started this one is gone, ms. */
const aloneMs = 30_000

const stop = new AbortController()

/** The first signal asks the command to end, a second one ends the process. */
function onSignal(signal: NodeJS.Signals): void {
  if (stop.signal.aborted) {
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
    return
  }
  stop.abort(new Error(`received ${signal}`))
}

function onBug(error: unknown): void {
  const debug = process.env['KFK_DEBUG'] ? `\n${error instanceof Error ? error.stack : ''}` : ''
  const message = error instanceof Error ? error.message : String(error)
  process.stderr.write(`kfk: internal error: ${message}${debug}\n`)
  process.exit(exitCodes.failed)
}

/** Who looked after this process is gone: should it not end by itself, nobody else would end it. */
function onAlone(): void {
  setTimeout(() => process.exit(exitCodes.failed), aloneMs).unref()
}

process.on('SIGINT', onSignal)
process.on('SIGTERM', onSignal)
process.on('disconnect', onAlone)
process.on('uncaughtException', onBug)
process.on('unhandledRejection', onBug)

runCli(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  signal: stop.signal,
  program: process.argv[1]!,
  ...(process.send !== undefined && { ipc: process }),
}).then((code) => {
  process.exitCode = code
  setTimeout(() => process.exit(), lingerMs).unref()
}, onBug)
