import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { freePorts, type RunningProcess, startProcess } from '../../../src/index.js'

/** The built program: what users run. */
export const kfkProgram = path.resolve(__dirname, '../../../../cli/dist/bin.js')

/** Starts `kfk broker` and takes it as it comes. */
export function runKfkBroker(
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; cwd?: string } = {},
): RunningProcess {
  return startProcess(process.execPath, [kfkProgram, 'broker', ...args], options)
}

/** A broker as a process of its own, that keeps its port and its data over its lives. */
export class BrokerProcess {
  #running: RunningProcess | undefined
  /** What earlier lives wrote. */
  #before = ''

  constructor(
    readonly nodeId: number,
    readonly port: number,
    readonly dataDir: string,
    private readonly args: readonly string[],
  ) {}

  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  get pid(): number {
    return this.#running!.pid
  }

  /** Standard output and error of all lives. */
  get output(): string {
    return this.#before + (this.#running?.output() ?? '')
  }

  /** Resolves when it serves. */
  async start(): Promise<void> {
    const { nodeId, port, dataDir } = this
    const place = ['--node-id', `${nodeId}`, '--port', `${port}`, '--data-dir', dataDir]
    this.#running = runKfkBroker([...place, ...this.args])
    await this.#running.waitFor(/^listening on \S+/m)
  }

  /** Resolves when this life has written a match. */
  waitFor(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray> {
    return this.#running!.waitFor(pattern, timeoutMs)
  }

  /** Ends it and says how it ended; nothing when it does not run. */
  async end(signal: NodeJS.Signals): Promise<number | null | undefined> {
    const finished = await this.#running?.stop(signal)
    if (finished === undefined) return undefined
    this.#before += finished.stdout + finished.stderr
    this.#running = undefined
    return finished.code
  }

  kill(): Promise<unknown> {
    return this.end('SIGKILL')
  }
}

/** Some brokers of one cluster, each a process, in a temporary directory. */
export class BrokerProcesses {
  private constructor(
    readonly all: readonly BrokerProcess[],
    private readonly dir: string,
  ) {}

  static async start(count: number, args: readonly string[]): Promise<BrokerProcesses> {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'kfk-processes-'))
    const ports = await freePorts(count)
    const all = ports.map(
      (port, at) => new BrokerProcess(at + 1, port, path.join(dir, `node-${at + 1}`), args),
    )
    const brokers = new BrokerProcesses(all, dir)
    // The first one founds the cluster.
    await all[0]!.start()
    await Promise.all(all.slice(1).map((broker) => broker.start()))
    return brokers
  }

  get addresses(): string[] {
    return this.all.map(({ address }) => address)
  }

  async close(): Promise<void> {
    await Promise.all(this.all.map((broker) => broker.kill()))
    fs.rmSync(this.dir, { recursive: true, force: true })
  }
}
