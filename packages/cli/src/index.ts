export { runCli } from './cli.js'
export { CliError, type CliErrorCode, exitCodes } from './errors.js'
export type { CliIo, OutputStream } from './io.js'
