import { createHash } from 'node:crypto'
import path from 'node:path'
import { readJson, writeJson } from './atomic-json.js'
import { partitionCount } from './topics.js'
import type { TopicName } from './events.js'

/**
 * How far an input has been read into the log. Stored as one value, so counts and position always
 * belong together.
 */
export interface IngestProgress {
  readonly source: string
  /** Lines that are done: sent and acknowledged, or rejected. */
  readonly lines: number
  /** SHA-256 of these lines, to notice an input that is another one by now. */
  readonly digest: string
  readonly accepted: number
  readonly searches: number
  readonly rejected: Readonly<Record<string, number>>
  /**
   * The log's ends when these lines were done, by topic and partition. Only what lies behind them
   * can hold lines that a run sent before it was killed and did not live to note.
   */
  readonly ends: Readonly<Record<TopicName, readonly number[]>>
}

export function nothingRead(source: string): IngestProgress {
  const none = Array.from({ length: partitionCount }, () => 0)
  return {
    source,
    lines: 0,
    digest: createHash('sha256').digest('hex'),
    accepted: 0,
    searches: 0,
    rejected: {},
    ends: { 'page-views': none, searches: none },
  }
}

/** An input is known by its first line: a log that has grown since is the same one. */
export function sourceOf(firstLine: string | undefined): string {
  return createHash('sha256')
    .update(firstLine ?? '')
    .digest('hex')
    .slice(0, 12)
}

/** The progress of all inputs that were ever read into this cluster. */
export class ProgressStore {
  constructor(private readonly dir: string) {}

  load(source: string): IngestProgress {
    return readJson<IngestProgress>(this.file(source)) ?? nothingRead(source)
  }

  save(progress: IngestProgress): void {
    writeJson(this.file(progress.source), progress)
  }

  private file(source: string): string {
    return path.join(this.dir, `${source}.json`)
  }
}
