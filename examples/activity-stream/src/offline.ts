import { spawn } from 'node:child_process'
import path from 'node:path'
import type { Client } from '@kfk/client'
import { runLoad, targetFrom, type LoadReport, type Target } from '@kfk/hadoop-loader'
import { topicNames } from './events.js'

export interface OfflineOptions {
  readonly client: Client
  /** A directory, or the URL of a NameNode with a path. */
  readonly to: string
}

export function offlineTarget(options: {
  readonly hdfs: string | undefined
  readonly out: string
}): {
  readonly to: string
  readonly target: Target
} {
  const to = options.hdfs ?? path.join(options.out, 'hdfs')
  return { to, target: targetFrom(to) }
}

/**
 * Loads what is new of both topics, by the time of the event. Running it again loads what has come
 * since.
 */
export function loadTopics(client: Client, target: Target): Promise<LoadReport> {
  return runLoad({ client, target, topics: topicNames, timeField: 'time', splitRecords: 5000 })
}

/**
 * Starts `kfk load` as a process of its own and kills it (SIGKILL) once it has committed something,
 * so that it leaves committed, half-moved and half-written splits behind. Resolves with what it had
 * said.
 */
export function loadAndKill(options: {
  readonly kfk: string
  readonly brokers: readonly string[]
  readonly to: string
  readonly target: Target
}): Promise<string> {
  const args = [
    'load',
    '--brokers',
    options.brokers.join(','),
    '--to',
    options.to,
    '--time-field',
    'time',
  ]
  args.push('--split-records', '500', ...topicNames)
  const child = spawn(process.execPath, [options.kfk, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  child.stdout.on('data', (text: Buffer) => (said += text.toString()))
  child.stderr.on('data', (text: Buffer) => (said += text.toString()))
  return new Promise((resolve, reject) => {
    const watch = setInterval(() => {
      options.target
        .list('_kfk/page-views')
        .then((committed) => {
          if (committed.length > 0) child.kill('SIGKILL')
        })
        .catch((error: unknown) => {
          child.kill('SIGKILL')
          reject(error instanceof Error ? error : new Error(String(error)))
        })
    }, 5)
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      clearInterval(watch)
      if (code !== null && code !== 0)
        reject(new Error(`kfk load failed (exit code ${code}):\n${said}`))
      else resolve(signal ? 'killed after its first commit' : 'finished before it could be killed')
    })
  })
}
