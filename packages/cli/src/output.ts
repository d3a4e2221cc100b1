import { once } from 'node:events'
import { CliError } from './errors.js'
import type { OutputStream } from './io.js'

/**
 * Standard output with back-pressure. When its reader goes away (`| head`), `signal` fires, so that
 * commands end instead of working for nobody.
 */
export class Output {
  readonly #stream: OutputStream
  readonly #gone = new AbortController()

  constructor(stream: OutputStream) {
    this.#stream = stream
    stream.on('error', (error: NodeJS.ErrnoException) => {
      const pipe = error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED'
      this.#gone.abort(
        pipe
          ? new CliError('KFK_CLI_BROKEN_PIPE', 'the reader of the output has gone')
          : new CliError('KFK_CLI_FAILED', `cannot write the output: ${error.message}`),
      )
    })
  }

  get isTerminal(): boolean {
    return this.#stream.isTTY === true
  }

  /** Fires when nothing can be written any more; its reason is a CliError. */
  get signal(): AbortSignal {
    return this.#gone.signal
  }

  get brokenPipe(): boolean {
    const reason: unknown = this.signal.reason
    return reason instanceof CliError && reason.code === 'KFK_CLI_BROKEN_PIPE'
  }

  /**
   * Resolves when more may be written.
   * @throws CliError KFK_CLI_BROKEN_PIPE when the reader has gone, KFK_CLI_FAILED when the disk is
   * full and the like
   */
  async write(chunk: Uint8Array | string): Promise<void> {
    if (this.signal.aborted) throw this.signal.reason
    if (this.#stream.write(chunk)) return
    try {
      await once(this.#stream, 'drain', { signal: this.signal })
    } catch (error) {
      // Narrowed by the check above; it may have fired meanwhile.
      const { aborted, reason } = this.signal as {
        readonly aborted: boolean
        readonly reason: unknown
      }
      throw aborted ? reason : error
    }
  }

  async line(text: string): Promise<void> {
    await this.write(`${text}\n`)
  }

  /** As one document. Whole numbers that fit a double are numbers, larger ones are text. */
  async json(value: unknown): Promise<void> {
    await this.line(toJson(value, 2))
  }
}

/** JSON of values that may hold bigints. */
export function toJson(value: unknown, indent?: number): string {
  const plain = (_name: string, each: unknown): unknown => {
    if (typeof each !== 'bigint') return each
    const number = Number(each)
    return Number.isSafeInteger(number) ? number : String(each)
  }
  return JSON.stringify(value, plain, indent)
}
