import { createAdmin, type Client } from '@kfk/client'
import { crc32 } from 'node:zlib'
import { listManifests } from './chain.js'
import { LoaderError } from './errors.js'
import { isTopicName, manifestPath } from './file-layout.js'
import { isBeginning, parseManifest, type Manifest, type ManifestFile } from './manifest.js'
import { forEachAtOnce } from './pool.js'
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
  /** True when there is no problem. */
  readonly ok: boolean
  /** What is wrong, each naming the place. */
  readonly problems: readonly string[]
  readonly topics: readonly VerifiedTopic[]
}

/**
 * Proves what a target holds: of every partition the chain of manifests is contiguous, the counts
 * of each balance, every file is in its final place with the length (and checksum) that was
 * committed, and there is no file beside them. Meant for a target into which nothing is being
 * loaded. Changes nothing.
 *
 * @throws LoaderError, ClientError when it cannot look; what it finds is in the report
 */
export async function verifyLoad(options: VerifyOptions): Promise<VerifyReport> {
  const problems: string[] = []
  const topics: VerifiedTopic[] = []
  for (const topic of options.topics) {
    if (!isTopicName(topic)) {
      const message = `${JSON.stringify(topic)} is no topic name`
      throw new LoaderError('KFK_LOADER_INVALID_ARGUMENT', message)
    }
    topics.push(await new TopicVerification(options, topic, problems).run())
  }
  return { ok: problems.length === 0, problems, topics }
}

/** Of one topic. */
class TopicVerification {
  readonly #options: VerifyOptions
  readonly #topic: string
  readonly #problems: string[]
  readonly #total = { records: 0, rejected: 0, control: 0, missing: 0, files: 0, bytes: 0 }
  readonly #committed = new Set<string>()

  constructor(options: VerifyOptions, topic: string, problems: string[]) {
    this.#options = options
    this.#topic = topic
    this.#problems = problems
  }

  async run(): Promise<VerifiedTopic> {
    const { client, signal } = this.#options
    const topic = this.#topic
    const log = client && (await client.metadata.topic(topic, { signal, autoCreate: false }))
    const partitions = log ? log.partitions.map(({ index }) => index) : await this.#loaded()
    const ends = new Map<number, number | undefined>()
    for (const partition of partitions) {
      ends.set(partition, await this.#verifyChain(partition, log?.topicId))
    }
    await this.#findStrays()
    if (client) await this.#compareWithLog(client, ends)
    return { topic, ...this.#total }
  }

  /** Partitions that the target knows of. */
  async #loaded(): Promise<number[]> {
    const { target, signal } = this.#options
    const entries = await target.list(`_kfk/${this.#topic}`, { signal })
    return entries
      .filter(({ isDirectory, name }) => isDirectory && /^\d+$/.test(name))
      .map(({ name }) => Number(name))
      .sort((a, b) => a - b)
  }

  /** Returns the end of the chain; undefined when there is none. */
  async #verifyChain(partition: number, topicId?: string): Promise<number | undefined> {
    const { target, signal } = this.#options
    const [topic, problems] = [this.#topic, this.#problems]
    let end: number | undefined
    for (const from of await listManifests({ target, topic, partition }, signal)) {
      const manifest = await this.#readManifest(manifestPath({ topic, partition, from }))
      if (manifest === undefined) continue
      if (topicId !== undefined && manifest.topicId !== topicId) {
        problems.push(`${topic}-${partition} from ${from} is of an earlier topic of this name`)
      }
      const expected: number = end ?? 0
      if (from !== expected) {
        const offsets = `offsets ${Math.min(from, expected)} to ${Math.max(from, expected) - 1}`
        const where = from > expected ? 'in no manifest' : 'in two manifests'
        problems.push(`${topic}-${partition}: ${offsets} are ${where}`)
      }
      end = manifest.to
      if (isBeginning(manifest)) continue
      for (const count of ['records', 'rejected', 'control', 'missing'] as const) {
        this.#total[count] += manifest[count]
      }
      await forEachAtOnce(manifest.files, (file) => this.#verifyFile(file))
    }
    return end
  }

  async #readManifest(path: string): Promise<Manifest | undefined> {
    const { target, signal } = this.#options
    const text = await readFile(target, path, { signal })
    try {
      return parseManifest(text ?? '', path)
    } catch (error) {
      this.#problems.push((error as Error).message)
      return undefined
    }
  }

  async #verifyFile({ final, bytes, crc32: wanted }: ManifestFile): Promise<void> {
    const { target, signal, checksums } = this.#options
    this.#committed.add(final)
    this.#total.files += 1
    this.#total.bytes += bytes
    const found = await target.stat(final, { signal })
    const problem =
      found === undefined
        ? 'is missing (a load moves it there if its staged form is left)'
        : found.bytes !== bytes
          ? `has ${found.bytes} bytes, committed were ${bytes}`
          : checksums === true && (await checksumOf(target, final, signal)) !== wanted
            ? 'has other bytes than were committed (checksum)'
            : undefined
    if (problem !== undefined) this.#problems.push(`${final} ${problem}`)
  }

  /**
   * Files that a reader of the topic sees, but that no load has committed: their records may be
   * there twice.
   */
  async #findStrays(): Promise<void> {
    const { target, signal } = this.#options
    const dirs = async (path: string, prefix: string): Promise<string[]> => {
      const entries = await target.list(path, { signal })
      const found = entries.filter(
        ({ isDirectory, name }) => isDirectory && name.startsWith(prefix),
      )
      return found.map(({ name }) => `${path}/${name}`)
    }
    await forEachAtOnce(await dirs(this.#topic, 'dt='), async (day) => {
      for (const hour of await dirs(day, 'hour=')) {
        for (const { name } of await target.list(hour, { signal })) {
          const path = `${hour}/${name}`
          if (/^[_.]/.test(name) || this.#committed.has(path)) continue
          this.#problems.push(`${path} is in no manifest: no load has committed it`)
        }
      }
    })
  }

  async #compareWithLog(client: Client, ends: ReadonlyMap<number, number | undefined>) {
    const { signal } = this.#options
    const admin = createAdmin({ client })
    const topic = this.#topic
    const queries = [...ends.keys()].map((partition) => ({
      topic,
      partition,
      at: 'latest' as const,
    }))
    for (const { partition, offset } of await admin.listOffsets(queries, {
      signal,
      isolation: 'committed',
    })) {
      const end = ends.get(partition)
      const highWatermark = Number(offset)
      if ((end ?? 0) === highWatermark) continue
      const problem =
        (end ?? 0) < highWatermark
          ? `loaded up to ${end ?? 'nothing'}, the log ends at ${highWatermark}: load again`
          : `loaded up to ${end}, but the log ends at ${highWatermark}: it has lost records`
      this.#problems.push(`${topic}-${partition}: ${problem}`)
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
