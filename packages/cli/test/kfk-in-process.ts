import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { createBroker, type Broker, type BrokerOptions } from '@kfk/broker'
import { runCli } from '../src/cli'

/** Output of a command that may be awaited while it runs. */
class Captured extends Writable {
  text = ''
  #waiting: { readonly pattern: RegExp; resolve(found: RegExpExecArray): void }[] = []

  constructor(readonly isTTY = false) {
    super()
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString('utf8')
    this.#waiting = this.#waiting.filter(({ pattern, resolve }) => {
      const found = pattern.exec(this.text)
      if (found) resolve(found)
      return !found
    })
    done()
  }

  /** Resolves when the text so far has it. */
  has(pattern: RegExp): Promise<RegExpExecArray> {
    const found = pattern.exec(this.text)
    if (found) return Promise.resolve(found)
    return new Promise((resolve) => this.#waiting.push({ pattern, resolve }))
  }
}

export interface RunOptions {
  readonly input?: string | readonly (string | Uint8Array)[] | AsyncIterable<string>
  readonly env?: Record<string, string>
  readonly isTTY?: boolean
}

/** A command that runs in this process. */
export class RunningCommand {
  readonly stdout: Captured
  readonly stderr: Captured
  readonly ended: Promise<number>
  readonly #stop = new AbortController()

  constructor(args: readonly string[], options: RunOptions = {}) {
    this.stdout = new Captured(options.isTTY)
    this.stderr = new Captured(options.isTTY)
    this.ended = runCli(args, {
      stdin: inputOf(options.input ?? ''),
      stdout: this.stdout,
      stderr: this.stderr,
      env: options.env ?? {},
      signal: this.#stop.signal,
    })
  }

  /** As Ctrl-C does. */
  stop(): Promise<number> {
    this.#stop.abort()
    return this.ended
  }

  /** As the end of `head` does. */
  breakPipe(): void {
    this.stdout.destroy(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }))
  }
}

function inputOf(input: NonNullable<RunOptions['input']>): AsyncIterable<string | Uint8Array> {
  return typeof input !== 'string' && Symbol.asyncIterator in input ? input : chunksOf(input)
}

async function* chunksOf(input: string | readonly (string | Uint8Array)[]) {
  yield* typeof input === 'string' ? [input] : input
}

/** Runs a command to its end. */
export async function kfk(args: readonly string[], options?: RunOptions) {
  const run = new RunningCommand(args, options)
  const code = await run.ended
  return { code, stdout: run.stdout.text, stderr: run.stderr.text }
}

/** Directories and brokers of a test file, cleaned up by `close`. */
export class Sandbox {
  readonly #cleanUp: (() => Promise<unknown>)[] = []

  async directory(): Promise<string> {
    const dir = await mkdtemp(join(tmpdir(), 'kfk-cli-'))
    this.#cleanUp.push(() => rm(dir, { recursive: true, force: true }))
    return dir
  }

  async broker(options: BrokerOptions = {}): Promise<Broker> {
    const dataDir = options.dataDir ?? (await this.directory())
    const broker = await createBroker({
      port: 0,
      durability: 'os',
      ...options,
      dataDir,
      config: { 'offsets.topic.num.partitions': '2', ...options.config },
    })
    this.#cleanUp.push(() => broker.close())
    return broker
  }

  async close(): Promise<void> {
    for (const step of this.#cleanUp.reverse()) await step()
  }
}
