// What scenarios share: logs, records, and the spread of latencies.
import fs from 'node:fs'
import { bundlePath } from './bundle.mjs'

export const store = await import(bundlePath)
export const never = Number.MAX_SAFE_INTEGER
export const mib = 1024 ** 2
export const leaderEpoch = 0

/** Starts measuring; call the answer with the bytes moved since. */
export function stopwatch() {
  const start = performance.now()
  const cpu = process.cpuUsage()
  return (bytes) => {
    const elapsedMs = performance.now() - start
    const { user, system } = process.cpuUsage(cpu)
    return {
      bytesPerSecond: (bytes / elapsedMs) * 1000,
      cpuSecondsPerGb: ((user + system) / bytes) * 1000,
    }
  }
}

/**
 * Runs `pass` again and again for some seconds of CPU time: the engine compiles what is hot while it runs, some of it
 * twice. Who keeps a log open is past that soon; a benchmark of a tenth of a second is not.
 */
export async function compiled(pass, seconds = 1.5) {
  const before = process.cpuUsage()
  const used = ({ user, system }) => (user + system) / 1e6
  while (used(process.cpuUsage(before)) < seconds) await pass()
}

/** The figures of several stretches of the same length as one. */
export function together(stretches) {
  const mean = (of) => stretches.reduce((sum, each) => sum + of(each), 0) / stretches.length
  return {
    bytesPerSecond: 1 / mean(({ bytesPerSecond }) => 1 / bytesPerSecond),
    cpuSecondsPerGb: mean(({ cpuSecondsPerGb }) => cpuSecondsPerGb),
  }
}

/** Throughput, and the CPU time it takes: the latter holds when other programs want the processors, too. */
export const rateFigures = (aim) => [
  { key: 'bytesPerSecond', unit: 'MB/s', aim },
  { key: 'cpuSecondsPerGb', label: 'CPU', unit: 's/GB' },
]

/** The same against the calls of bare Node: what is left to the log. */
export const bareRateFigures = rateFigures().map((figure) => ({ ...figure, against: 'bare' }))

/** A frame of exactly `bytes`. */
export function frameOf(bytes, options) {
  const empty = store.frameFormat.encode(Buffer.alloc(0), { timestamp: 1, ...options }).length
  return store.frameFormat.encode(Buffer.alloc(bytes - empty, 'x'), { timestamp: 1, ...options })
}

/** `count` copies of `frame`, one after the other. */
export function repeated(frame, count) {
  const group = Buffer.allocUnsafe(frame.length * count)
  for (let at = 0; at < group.length; at += frame.length) group.set(frame, at)
  return group
}

/** A record batch v2 with one uncompressed record, checksum included, of about `bytes`. */
export function recordBatchOf(bytes) {
  const value = Buffer.alloc(Math.max(0, bytes - 61 - 16), 'x')
  return store.encodeRecordBatch([{ key: null, value, timestamp: 1 }])
}

/** Appends groups until `bytes` are written; nothing waits for the medium. */
export function fill(log, group, bytes) {
  for (let written = 0; written < bytes; written += group.length) {
    log.append(group, { leaderEpoch })
    log.flushNow()
  }
}

/** Opens `dir` for one log that leaves syncing to the system. */
export async function openOne(dir, options = {}) {
  const { defaults, ...rest } = options
  const directory = await store.openLogDirectory(dir, {
    checkpointMs: 0,
    ...rest,
    defaults: { flushMessages: never, ...defaults },
  })
  return { directory, log: await directory.open('bench-0') }
}

export function percentiles(taken) {
  const sorted = Float64Array.from(taken).sort()
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]
  return { p50: at(0.5), p99: at(0.99) }
}

/** Makes an opened directory look as after a crash: nothing is known to be on the medium. */
export function forgetCleanClose(dir) {
  for (const name of fs.readdirSync(dir)) {
    if (fs.statSync(`${dir}/${name}`).isFile()) fs.rmSync(`${dir}/${name}`)
  }
}

/** For latencies in microseconds: an array that grows would add the time of its own copies to them. */
const taken = new Float64Array(2 ** 23)

/**
 * `count` appenders, each with a record in flight at any time; `logs` in turn. Answers acknowledged appends a second and
 * their latencies in microseconds, of `seconds` after a warm-up: by then the engine has compiled what it runs.
 */
export async function appendInALoop({ logs, count, frame, seconds }) {
  let measured = 0
  const warmUntil = performance.now() + Math.max(700, seconds * 300)
  const until = warmUntil + seconds * 1000
  const appender = async (log, own) => {
    for (let start = performance.now(); start < until;) {
      const { lastOffset } = log.append(own, { leaderEpoch })
      await log.whenAcknowledged(lastOffset + 1)
      const end = performance.now()
      if (start >= warmUntil) taken[measured++] = (end - start) * 1000
      start = end
    }
  }
  const appenders = Array.from({ length: count }, (_, n) =>
    appender(logs[n % logs.length], Buffer.from(frame)),
  )
  await Promise.all(appenders)
  const elapsed = (performance.now() - warmUntil) / 1000
  return { acksPerSecond: measured / elapsed, ...percentiles(taken.subarray(0, measured)) }
}
