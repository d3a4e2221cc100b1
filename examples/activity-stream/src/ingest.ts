import { createHash, type Hash } from 'node:crypto'
import type { Client } from '@kfk/client'
import { createProducer, type BatchMetadata } from '@kfk/producer'
import { parseAccessLogLine, Rejected } from './access-log.js'
import { pageViewOf, searchEventOf, topicNames, type TopicName } from './events.js'
import { sourceOf, type IngestProgress, type ProgressStore } from './ingest-progress.js'
import { maxLineBytes } from './input-lines.js'
import { readToEnd } from './read-topic.js'
import { searchOf } from './search-referrer.js'
import { pageViews, searches } from './topics.js'

/**
 * Lines between two notes of the progress; so many may have to be looked for in the log after a
 * crash.
 */
const linesPerStep = 2000

export interface IngestResult {
  readonly source: string
  /** Lines of the input, whether read now or in an earlier run. */
  readonly linesRead: number
  /** Of these, lines that this run was the first to read. */
  readonly newLines: number
  readonly progress: IngestProgress
  readonly seconds: number
}

export interface IngestOptions {
  readonly client: Client
  readonly store: ProgressStore
  /** Lines without their ends; undefined for one that is too long. */
  readonly lines: AsyncIterable<string | undefined>
  /** Called after each step, for the view and for those who want to disturb. */
  readonly onStep?: (progress: IngestProgress) => void | Promise<void>
}

/** An input that had other lines when it was read before. */
export class ChangedInput extends Error {}

/**
 * Reads lines into the log, each exactly once, however often it runs and wherever it was killed:
 * lines up to the noted progress are skipped, and for the step after it the log is asked which
 * lines it has already.
 */
export async function ingest(options: IngestOptions): Promise<IngestResult> {
  const startedMs = performance.now()
  const iterator = options.lines[Symbol.asyncIterator]()
  const first = await iterator.next()
  const source = sourceOf(first.done ? undefined : first.value)
  const before = options.store.load(source)
  const run = new IngestRun(options, before)
  await using producer = createProducer({ client: options.client, lingerMs: 2 })
  for (let next = first; !next.done; next = await iterator.next()) {
    run.add(next.value)
    if (run.stepIsFull) await run.finishStep(producer)
  }
  await run.finishStep(producer)
  const seconds = (performance.now() - startedMs) / 1000
  const { linesRead, progress } = run
  const newLines = Math.max(0, linesRead - before.lines)
  return { source, linesRead, newLines, progress, seconds }
}

class IngestRun {
  linesRead = 0
  readonly #options: IngestOptions
  readonly #skip: number
  readonly #hash: Hash = createHash('sha256')
  #progress: IngestProgress
  #step: { line: number; text: string | undefined }[] = []
  /**
   * Lines of this source that the log has beyond the noted progress; read when the first new line
   * comes.
   */
  #known: Record<TopicName, Set<number>> | undefined

  constructor(options: IngestOptions, before: IngestProgress) {
    this.#options = options
    this.#progress = before
    this.#skip = before.lines
  }

  get progress(): IngestProgress {
    return this.#progress
  }

  get stepIsFull(): boolean {
    return this.#step.length >= linesPerStep
  }

  add(text: string | undefined): void {
    this.linesRead += 1
    this.#hash.update(`${text ?? ''}\n`)
    if (this.linesRead > this.#skip) this.#step.push({ line: this.linesRead, text })
    else if (this.linesRead === this.#skip) this.#checkSame()
  }

  async finishStep(producer: ReturnType<typeof createProducer>): Promise<void> {
    if (this.#step.length === 0) return
    const { source } = this.#progress
    const known = (this.#known ??= await linesAfter(this.#options.client, this.#progress))
    const rejected: Record<string, number> = { ...this.#progress.rejected }
    const sent: [TopicName, Promise<BatchMetadata>][] = []
    let { accepted, searches: searchCount } = this.#progress
    for (const { line, text } of this.#step) {
      try {
        if (text === undefined) throw new Rejected(`line longer than ${maxLineBytes} bytes`)
        const entry = parseAccessLogLine(text)
        const key = entry.visitor
        const origin = { source, line }
        accepted += 1
        if (!known['page-views'].has(line)) {
          sent.push([
            'page-views',
            producer.send(pageViews, { key, value: pageViewOf(entry, origin) }),
          ])
        }
        const search = searchOf(entry.referrer)
        if (!search) continue
        searchCount += 1
        if (known.searches.has(line)) continue
        const value = searchEventOf(entry, search, origin)
        sent.push(['searches', producer.send(searches, { key, value })])
      } catch (error) {
        if (!(error instanceof Rejected)) throw error
        rejected[error.message] = (rejected[error.message] ?? 0) + 1
      }
    }
    const acknowledged = await Promise.all(
      sent.map(async ([topic, delivery]) => [topic, await delivery] as const),
    )
    const ends = endsAfter(this.#progress.ends, acknowledged)
    const lines = this.#step.at(-1)!.line
    const digest = this.#hash.copy().digest('hex')
    this.#progress = { source, lines, digest, accepted, searches: searchCount, rejected, ends }
    this.#options.store.save(this.#progress)
    this.#step = []
    await this.#options.onStep?.(this.#progress)
  }

  #checkSame(): void {
    if (this.#hash.copy().digest('hex') === this.#progress.digest) return
    throw new ChangedInput(
      `The first ${this.#skip} lines of the input are not those that were read before from an input with the same first line. Give the changed input an --out of its own.`,
    )
  }
}

function endsAfter(
  before: IngestProgress['ends'],
  acknowledged: readonly (readonly [TopicName, BatchMetadata])[],
): IngestProgress['ends'] {
  const ends = { 'page-views': [...before['page-views']], searches: [...before.searches] }
  for (const [topic, { partition, baseOffset, recordCount }] of acknowledged) {
    const end = Number(baseOffset) + recordCount
    ends[topic][partition] = Math.max(ends[topic][partition] ?? 0, end)
  }
  return ends
}

/**
 * The lines of a source in the log behind its noted progress: what a run sent and did not live to
 * note.
 */
async function linesAfter(
  client: Client,
  progress: IngestProgress,
): Promise<Record<TopicName, Set<number>>> {
  const found = { 'page-views': new Set<number>(), searches: new Set<number>() }
  for (const topic of topicNames) {
    for await (const { value } of readToEnd(client, topic, progress.ends[topic])) {
      const { source, line } = JSON.parse(Buffer.from(value!).toString()) as {
        source: string
        line: number
      }
      if (source === progress.source) found[topic].add(line)
    }
  }
  return found
}
