/**
 * Child processes of tests: started with their output kept, ended for certain when the test process
 * ends.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import net from 'node:net'

/** How a finished program ended. */
export interface Finished {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export interface RunOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  /** Written to standard input, which is then closed. */
  readonly stdin?: string | Uint8Array
  /** Killed (and rejected) after this long; default 120 s. */
  readonly timeoutMs?: number
}

/** A process that stays up: its output so far, a wait for a line of it, and its end. */
export interface RunningProcess {
  readonly child: ChildProcess
  readonly pid: number
  readonly exited: Promise<Finished>
  output(): string
  /** Resolves with the match; rejects when the process ends before or the time is over. */
  waitFor(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>
  /** Sends the signal and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<Finished>
}

export function startProcess(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): RunningProcess {
  const child = spawn(command, [...args], {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  running.add(child)
  let stdout = ''
  let stderr = ''
  let ended: Finished | undefined
  const listeners = new Set<() => void>()
  const changed = (): void => {
    for (const listener of [...listeners]) listener()
  }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    changed()
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
    changed()
  })
  child.stdin.on('error', () => {
    // The program ended without reading all of its input; its exit says why.
  })
  if (options.stdin !== undefined) child.stdin.end(options.stdin)
  const exited = new Promise<Finished>((resolve, reject) => {
    child.on('error', (error) => {
      running.delete(child)
      reject(error)
    })
    child.on('close', (code, signal) => {
      running.delete(child)
      ended = { code, signal, stdout, stderr }
      changed()
      resolve(ended)
    })
  })
  exited.catch(() => undefined)
  return {
    child,
    pid: child.pid ?? -1,
    exited,
    output: () => stdout + stderr,
    waitFor: (pattern, timeoutMs = 90_000) =>
      new Promise((resolve, reject) => {
        const finish = (act: () => void): void => {
          clearTimeout(timer)
          listeners.delete(look)
          act()
        }
        const look = (): void => {
          const match = pattern.exec(stdout + stderr)
          if (match) finish(() => resolve(match))
          else if (ended)
            finish(() => reject(new Error(`ended before ${pattern}: ${stdout}${stderr}`)))
        }
        const timer = setTimeout(
          () =>
            finish(() => reject(new Error(`no ${pattern} in ${timeoutMs} ms: ${stdout}${stderr}`))),
          timeoutMs,
        )
        listeners.add(look)
        look()
      }),
    stop: async (signal = 'SIGTERM') => {
      child.kill(signal)
      return exited
    },
  }
}

/**
 * Runs a program to its end. Rejects when it cannot start or takes too long, not when it exits
 * non-zero.
 */
export async function runProcess(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Finished> {
  const started = startProcess(command, args, { stdin: '', ...options })
  const timeoutMs = options.timeoutMs ?? 120_000
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      started.child.kill('SIGKILL')
      reject(new Error(`${command} did not end in ${timeoutMs} ms:\n${started.output()}`))
    }, timeoutMs)
  })
  try {
    return await Promise.race([started.exited, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Ports that were free a moment ago, for programs that cannot be told to take any. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<net.Server>((resolve, reject) => {
          const server = net.createServer()
          server.once('error', reject).listen(0, '127.0.0.1', () => resolve(server))
        }),
    ),
  )
  const ports = servers.map((server) => (server.address() as net.AddressInfo).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}
