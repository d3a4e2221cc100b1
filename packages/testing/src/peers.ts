/**
 * Real peers for the tests: which of them this machine has, and what to say when one is missing.
 *
 * A test that needs a peer is written inside {@link withPeer}: without the peer it skips aloud,
 * except in CI (`CI=true`), where `.ci/run` has installed everything and a missing peer is a
 * failure.
 */
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'

/**
 * Jars and wheels of the peers, fetched once by `scripts/install-peers.mjs`; `KFK_PEERS_DIR` moves
 * it.
 */
export const peersDir = process.env.KFK_PEERS_DIR ?? path.join(os.homedir(), '.cache', 'kfk-peers')

export const kafkaVersion = '4.2.0'
export const hadoopVersion = '3.4.2'
export const kafkaJars = path.join(peersDir, `kafka-${kafkaVersion}`)
export const hadoopJars = path.join(peersDir, `hadoop-${hadoopVersion}`)

/** What must be there for a peer to run. */
export interface Peer {
  readonly name: string
  /** Undefined when it is there; otherwise what is missing and how to get it. */
  readonly missing: string | undefined
}

/** Path of a program on PATH, or undefined. */
export function findProgram(name: string): string | undefined {
  for (const dir of (process.env.PATH ?? '').split(path.delimiter)) {
    const candidate = path.join(dir, name)
    if (dir && fs.existsSync(candidate)) return candidate
  }
  return undefined
}

const program = (name: string, debianPackage: string): Peer => ({
  name,
  missing: findProgram(name) ? undefined : `no ${name} on PATH (apt-get install ${debianPackage})`,
})

const jars = (name: string, dir: string): Peer => {
  if (!findProgram('java')) return { name, missing: 'no java on PATH (Java 17 or later)' }
  const there = fs.existsSync(dir) && fs.readdirSync(dir).some((file) => file.endsWith('.jar'))
  return {
    name,
    missing: there ? undefined : `no jars in ${dir} (node scripts/install-peers.mjs)`,
  }
}

/** The peers that tests name. */
export const peers = {
  kcat: (): Peer => program('kcat', 'kcat'),
  java: (): Peer => program('java', 'openjdk-17-jre-headless'),
  kafka: (): Peer => jars('Apache Kafka', kafkaJars),
  hdfs: (): Peer => jars('Apache Hadoop HDFS', hadoopJars),
  /** `dir`: where it was installed, unless it is where Python looks by itself. */
  python: (module: string, dir?: string): Peer => {
    const python = findProgram('python3')
    if (!python) return { name: module, missing: 'no python3 on PATH' }
    try {
      const env = { ...process.env, ...(dir !== undefined && { PYTHONPATH: dir }) }
      execFileSync(python, ['-c', `import ${module}`], { stdio: 'ignore', env })
      return { name: module, missing: undefined }
    } catch {
      return { name: module, missing: `python3 cannot import ${module} (pip install ${module})` }
    }
  },
}

/**
 * `describe` for tests that need a peer. Without it: skipped with one line on the console that says
 * what is missing; a failing test instead when `CI=true`.
 */
export function withPeer(peer: Peer, name: string, suite: () => void): void {
  if (peer.missing === undefined) {
    describe(name, suite)
  } else if (process.env.CI === 'true') {
    describe(name, () => {
      test(`${peer.name} must be there in CI`, () => {
        throw new Error(`${peer.name} is not available: ${peer.missing ?? ''}`)
      })
    })
  } else {
    console.warn(`skipped: ${name}: ${peer.name} is not available: ${peer.missing}`)
    describe.skip(name, suite)
  }
}
