import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'

export interface BrokerProcessOptions {
  /** The program of `kfk`. */
  readonly kfk: string
  readonly nodeId: number
  readonly dataDir: string
  readonly port: number
  readonly coordination: string | undefined
  /** Tells clusters on one Redis apart. */
  readonly clusterName: string | undefined
  readonly config: Readonly<Record<string, string>>
}

const startTimeoutMs = 20_000
const stopTimeoutMs = 10_000

/** A broker as a process of its own: `kfk broker`. */
export class BrokerProcess {
  readonly #options: BrokerProcessOptions
  #child: ChildProcess | undefined

  constructor(options: BrokerProcessOptions) {
    this.#options = options
  }

  get address(): string {
    return `127.0.0.1:${this.#options.port}`
  }

  /** Resolves when it says that it serves; rejects with what it said when it does not. */
  async start(): Promise<void> {
    const { kfk, nodeId, dataDir, port, coordination, clusterName, config } = this.#options
    const args = [
      'broker',
      '--port',
      String(port),
      '--data-dir',
      dataDir,
      '--node-id',
      String(nodeId),
    ]
    if (coordination !== undefined) args.push('--coordination', coordination)
    if (clusterName !== undefined) args.push('--cluster', clusterName)
    for (const [name, value] of Object.entries(config)) args.push('--set', `${name}=${value}`)
    const child = spawn(process.execPath, [kfk, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    let said = ''
    await new Promise<void>((resolve, reject) => {
      const fail = (why: string): void => {
        clearTimeout(timer)
        child.kill('SIGKILL')
        reject(new Error(`broker ${nodeId} ${why}:\n${said.trim()}`))
      }
      const timer = setTimeout(
        () => fail(`did not serve within ${startTimeoutMs} ms`),
        startTimeoutMs,
      )
      const hear = (text: Buffer): void => {
        said += text.toString()
        if (!/listening on \S+:\d+/.test(said)) return
        clearTimeout(timer)
        resolve()
      }
      child.stdout.on('data', hear)
      child.stderr.on('data', hear)
      child.once('error', (error) => fail(`could not be started (${error.message})`))
      child.once('exit', (code) => fail(`ended (exit code ${code})`))
    })
    child.removeAllListeners('exit')
  }

  /** As a power cut ends it. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** As an operator ends it; killed when it takes too long. */
  async stop(): Promise<void> {
    const timer = setTimeout(() => this.#child?.kill('SIGKILL'), stopTimeoutMs)
    await this.#end('SIGTERM')
    clearTimeout(timer)
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }
}

/**
 * A port that was free a moment ago: a broker that comes back must have the address that it had.
 */
export async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
