import { readFileSync } from 'node:fs'

const leastOpenFiles = 512
const mostOpenFiles = 8192
/** Threads of Node's pool when UV_THREADPOOL_SIZE does not say. */
const usualThreads = 4
const mostThreads = 1024

/**
 * How many log files to hold open: a quarter of what the process may, for sockets want their share.
 * A file that is closed between two writes costs more than the opening: ext4 gives up the space
 * that it had set aside for the next ones, and a sync then has more to write.
 */
export function affordableOpenFiles(limits = readLimits()): number {
  const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1]
  if (soft === undefined) return leastOpenFiles
  return Math.min(mostOpenFiles, Math.max(leastOpenFiles, Math.floor(Number(soft) / 4)))
}

/** All threads of the pool but one, which is left to reads. */
export function affordableSyncs(threadPoolSize = process.env['UV_THREADPOOL_SIZE']): number {
  // What is no number is one thread to libuv.
  const threads = Number.parseInt(threadPoolSize ?? String(usualThreads), 10) || 1
  return Math.max(1, Math.min(threads, mostThreads) - 1)
}

/** Linux's list of limits; empty elsewhere. */
function readLimits(): string {
  try {
    return readFileSync('/proc/self/limits', 'latin1')
  } catch {
    return ''
  }
}
