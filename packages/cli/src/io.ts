import type { IpcEndpoint } from '@kfk/coordination'
import type { Writable } from 'node:stream'

/** A stream for output; a terminal says so. */
export type OutputStream = Writable & { readonly isTTY?: boolean; readonly columns?: number }

/**
 * Everything outside of the command: a test passes its own, the program passes those of the
 * process.
 */
export interface CliIo {
  /** Bytes for `kfk produce`. */
  readonly stdin: AsyncIterable<Uint8Array | string> & { readonly isTTY?: boolean }
  /** Results, and nothing else. */
  readonly stdout: OutputStream
  /** Logs, errors, progress. */
  readonly stderr: OutputStream
  readonly env: Readonly<Record<string, string | undefined>>
  /** Fires when the command is to end in good order (SIGINT, SIGTERM). */
  readonly signal: AbortSignal
  /** The script of `kfk`, for a command that starts further processes; without it none can. */
  readonly program?: string
  /** Where the process that started this one listens, if it does. */
  readonly ipc?: IpcEndpoint
}
