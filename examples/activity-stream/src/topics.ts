import { defineTopic, json, string } from '@kfk/client'
import type { PageView, SearchEvent } from './events.js'

/** Partitions of each topic. */
export const partitionCount = 8

/** Key: the visitor's address, so that a visitor's events stay in order. */
export const pageViews = defineTopic('page-views', {
  key: string(),
  value: json<PageView>(),
  partitions: partitionCount,
})

/** Key: the visitor's address. */
export const searches = defineTopic('searches', {
  key: string(),
  value: json<SearchEvent>(),
  partitions: partitionCount,
})

export const topics = [pageViews, searches] as const
