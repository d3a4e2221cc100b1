import { createAdmin, type Client } from '@kfk/client'
import { crc32 } from 'node:zlib'
import { listManifests } from './chain.js'
import { LoaderError } from './errors.js'
import { isTopicName, manifestPath } from './file-layout.js'
import { parseManifest, type Manifest } from './manifest.js'
import { readFile, type Target } from './target.js'

export interface VerifyOptions {
  readonly target: Target
  readonly topics: readonly string[]
  /** Compare with the log too: the chain must reach its high watermark. */
  readonly client?: Client
  /** Read every file and compare its checksum. Default false: lengths only. */
  readonly checksums?: boolean
  readonly signal?: AbortSignal
}

export interface VerifiedTopic {
  readonly topic: string
  readonly records: number
  readonly rejected: number
  readonly control: number
  readonly missing: number
  readonly files: number
  readonly bytes: number
}

export interface VerifyReport {
  readonly ok: boolean
  /** What is wrong, each naming the place. */
  readonly problems: readonly string[]
  readonly topics: readonly VerifiedTopic[]
}

/**
 * Proves what a target holds: of every partition the chain of manifests is contiguous, the counts of each balance, and
 * every file is in its final place with the length (and checksum) that was committed.
 */
export async function verifyLoad(options: VerifyOptions): Promise<VerifyReport> {
  const problems: string[] = []
  const topics: VerifiedTopic[] = []
  for (const topic of options.topics) {
    if (!isTopicName(topic)) {
      throw new LoaderError(
        'KFK_LOADER_INVALID_ARGUMENT',
        `${JSON.stringify(topic)} is no topic name`,
      )
    }
    const total = { topic, records: 0, rejected: 0, control: 0, missing: 0, files: 0, bytes: 0 }
    for (const partition of await partitionsOf(options, topic)) {
      const end = await verifyPartition(options, { topic, partition, problems, total })
      await compareWithLog(options, { topic, partition, end, problems })
    }
    topics.push(total)
  }
  return { ok: problems.length === 0, problems, topics }
}

async function partitionsOf(
  { target, client, signal }: VerifyOptions,
  topic: string,
): Promise<number[]> {
  if (client) {
    const { partitions } = await client.metadata.topic(topic, { signal, autoCreate: false })
    return partitions.map(({ index }) => index)
  }
  const entries = await target.list(`_kfk/${topic}`, { signal })
  return entries
    .filter(({ isDirectory, name }) => isDirectory && /^\d+$/.test(name))
    .map(({ name }) => Number(name))
    .sort((a, b) => a - b)
}

interface Progress {
  readonly topic: string
  readonly partition: number
  readonly problems: string[]
  readonly total: { -readonly [Name in keyof VerifiedTopic]: VerifiedTopic[Name] }
}

/** Returns the end of the chain; undefined when there is none. */
async function verifyPartition(
  options: VerifyOptions,
  progress: Progress,
): Promise<number | undefined> {
  const { target, signal } = options
  const { topic, partition, problems, total } = progress
  let end: number | undefined
  for (const from of await listManifests({ target, topic, partition, signal })) {
    const path = manifestPath({ topic, partition, from })
    let manifest: Manifest
    try {
      manifest = parseManifest((await readFile(target, path, { signal })) ?? '', path)
    } catch (error) {
      problems.push((error as Error).message)
      continue
    }
    if (end !== undefined && from !== end) {
      problems.push(
        `${topic}-${partition}: offsets ${Math.min(from, end)} to ${Math.max(from, end) - 1} are ${from > end ? 'in no manifest' : 'in two manifests'}`,
      )
    }
    end = manifest.to
    total.records += manifest.records
    total.rejected += manifest.rejected
    total.control += manifest.control
    total.missing += manifest.missing
    await verifyFiles(options, manifest, progress)
  }
  return end
}

async function verifyFiles(
  options: VerifyOptions,
  manifest: Manifest,
  progress: Progress,
): Promise<void> {
  const { target, signal, checksums } = options
  for (const { final, bytes, crc32: wanted } of manifest.files) {
    progress.total.files += 1
    progress.total.bytes += bytes
    const found = await target.stat(final, { signal })
    if (found === undefined) {
      progress.problems.push(
        `${final} is missing (a load moves it there if its staged form is left)`,
      )
    } else if (found.bytes !== bytes) {
      progress.problems.push(`${final} has ${found.bytes} bytes, committed were ${bytes}`)
    } else if (checksums === true && (await checksumOf(target, final, signal)) !== wanted) {
      progress.problems.push(`${final} has other bytes than were committed (checksum)`)
    }
  }
}

async function checksumOf(
  target: Target,
  path: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  let sum = 0
  for await (const chunk of target.read(path, { signal })) sum = crc32(chunk, sum)
  return (sum >>> 0).toString(16).padStart(8, '0')
}

async function compareWithLog(
  { client, signal }: VerifyOptions,
  at: { topic: string; partition: number; end: number | undefined; problems: string[] },
): Promise<void> {
  if (!client) return
  const { topic, partition, end, problems } = at
  const admin = createAdmin({ client })
  const query = { topic, partition, at: 'latest' as const }
  const [found] = await admin.listOffsets([query], { signal })
  const highWatermark = Number(found!.offset)
  if (end === undefined && highWatermark === 0) return
  if ((end ?? 0) < highWatermark) {
    problems.push(
      `${topic}-${partition}: loaded up to ${end ?? 'nothing'}, the log ends at ${highWatermark}: load again`,
    )
  } else if (end! > highWatermark) {
    problems.push(
      `${topic}-${partition}: loaded up to ${end}, but the log ends at ${highWatermark}: it has lost records`,
    )
  }
}
