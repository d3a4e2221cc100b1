// A measured process of its own. It prints "ready" when it is connected and warm, waits for a line, does its work, prints the
// figures as one line of JSON, and stays until its input ends, so that what it has used can be read.
import { spawn } from 'node:child_process'
import { usageOf, usedBetween } from './proc.mjs'

/** A client may take so long to connect, to warm up and for its work, in milliseconds. */
const patienceMs = 120_000

/** Those that run: none outlives the harness, however it ends. */
const alive = new Set()
process.on('exit', () => alive.forEach((child) => child.kill('SIGKILL')))

export function startChild({ file, args, env, name, patience = patienceMs }) {
  const child = spawn(file, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  let text = ''
  let complaints = ''
  let wake = () => {}
  const ended = new Promise((resolve) => child.once('close', resolve))
  alive.add(child)
  void ended.then(() => alive.delete(child))
  child.stdout.on('data', (chunk) => {
    text += chunk
    wake()
  })
  child.stderr.on('data', (chunk) => (complaints = (complaints + chunk).slice(-4000)))
  child.stdin.on('error', () => {})
  child.once('error', (error) => (complaints += error.message))
  void ended.then(() => wake())

  /** The first match in what it prints from now on or has printed since the last match. */
  async function waitFor(pattern) {
    const deadline = Date.now() + patience
    for (;;) {
      const match = pattern.exec(text)
      if (match) {
        text = text.slice(match.index + match[0].length)
        return match
      }
      const gone = child.exitCode !== null || child.signalCode !== null || child.pid === undefined
      if (gone || Date.now() > deadline) {
        child.kill('SIGKILL')
        throw new Error(
          `${name}: ${gone ? 'ended' : 'too slow'}: ${complaints || text.slice(-2000)}`,
        )
      }
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, 1000)
        wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }
  return {
    name,
    pid: child.pid,
    waitFor,
    say: (line) => child.stdin.write(`${line}\n`),
    usage: () => usageOf(child.pid),
    async end() {
      child.stdin.end()
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000)
      await ended
      clearTimeout(timer)
    },
    async stop(signal = 'SIGTERM') {
      child.kill(signal)
      const timer = setTimeout(() => child.kill('SIGKILL'), 20_000)
      await ended
      clearTimeout(timer)
    },
  }
}

/** A client that keeps to the protocol above. */
export function startClient(command) {
  const child = startChild(command)
  let before
  return {
    name: child.name,
    ready: () => child.waitFor(/^ready$/m),
    /** Its figures, and what its process used for them. */
    async run() {
      before = child.usage()
      child.say('go')
      const [line] = await child.waitFor(/^\{.*\}$/m)
      return { ...JSON.parse(line), used: usedBetween(before, child.usage()) }
    },
    usage: () => child.usage(),
    say: child.say,
    end: () => child.end(),
    stop: (signal) => child.stop(signal),
  }
}
