import type { AccessLogEntry } from './access-log.js'
import type { Search } from './search-referrer.js'

/**
 * Where an event comes from: the same line of the same input is the same event, however often it is
 * read.
 */
export interface Origin {
  /**
   * Names the input by its first line, so that a log that has grown since is still the same source.
   */
  readonly source: string
  /** From 1. */
  readonly line: number
}

/** A record of topic `page-views`; its key is the visitor's address. */
export interface PageView extends Origin {
  /** When it happened: ISO 8601, UTC. */
  readonly time: string
  readonly visitor: string
  readonly method: string
  readonly path: string
  readonly status: number
  readonly bytes: number | null
  readonly referrer: string | null
  readonly userAgent: string | null
}

/** A record of topic `searches`; its key is the visitor's address. */
export interface SearchEvent extends Origin {
  readonly time: string
  readonly visitor: string
  readonly engine: string
  readonly words: string
  /** The page that was found. */
  readonly path: string
}

export const topicNames = ['page-views', 'searches'] as const
export type TopicName = (typeof topicNames)[number]

export function pageViewOf(entry: AccessLogEntry, origin: Origin): PageView {
  const { visitor, method, path, status, bytes, referrer, userAgent } = entry
  const time = new Date(entry.timeMs).toISOString()
  return { ...origin, time, visitor, method, path, status, bytes, referrer, userAgent }
}

export function searchEventOf(entry: AccessLogEntry, search: Search, origin: Origin): SearchEvent {
  const time = new Date(entry.timeMs).toISOString()
  const { visitor, path } = entry
  return { ...origin, time, visitor, engine: search.engine, words: search.words, path }
}
