import { fork, type ChildProcess } from 'node:child_process'
import { ipcChannel, type Channel } from '@kfk/coordination'
import type { CliIo } from '../io.js'
import { isMessage, type Listening, type StopRequest } from './supervision.js'

/** How a process ended. */
export interface Ending {
  readonly code: number | null
  readonly signal: string | null
}

/** A `kfk broker` that runs as a process of its own and is looked after by this one. */
export class BrokerProcess {
  readonly channel: Channel
  /** Resolves when it serves; never if it ends before. */
  readonly listening: Promise<Listening>
  readonly ended: Promise<Ending>
  readonly #child: ChildProcess

  /**
   * @param program - the script of `kfk`
   * @param args - without `node` and the script
   */
  constructor(program: string, args: readonly string[], io: Pick<CliIo, 'env' | 'stderr'>) {
    const child = fork(program, [...args], {
      env: { ...io.env },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    this.#child = child
    this.channel = ipcChannel(child)
    child.stderr!.on('data', (chunk: Buffer) => io.stderr.write(chunk))
    this.listening = new Promise((resolve) => {
      this.channel.onMessage((message) => {
        if (isMessage(message, 'listening')) resolve(message)
      })
    })
    this.ended = new Promise((resolve) => {
      // It could not even be started, as an end like any other; what it was goes to the log.
      child.once('error', (error) => {
        if (child.pid !== undefined) return
        io.stderr.write(`kfk: ${error.message}\n`)
        resolve({ code: null, signal: null })
      })
      // With all that it has said.
      child.once('close', (code, signal) => resolve({ code, signal }))
    })
  }

  /** Undefined if it could not be started. */
  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Asks it to end in good order. */
  stop(): void {
    this.channel.send({ kfk: 'stop' } satisfies StopRequest)
  }

  /** Ends it at once; takes no acknowledged record. */
  kill(): void {
    this.#child.kill('SIGKILL')
  }
}

/** For people. */
export function endingText({ code, signal }: Ending): string {
  if (signal !== null) return signal
  return code === null ? 'not started' : `exit code ${code}`
}
