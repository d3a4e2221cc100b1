import type { Client } from '@kfk/client'
import type { CountsStore } from './counts-store.js'
import { topicNames, type TopicName } from './events.js'
import { LineSet } from './line-set.js'
import { readLoaded } from './read-loaded.js'
import { readToEnd } from './read-topic.js'
import type { Target } from '@kfk/hadoop-loader'

/** What the log holds of one topic. */
export interface LogFacts {
  readonly records: number
  readonly byPartition: readonly number[]
  /** Offsets after the last record, by partition. */
  readonly ends: readonly number[]
  /**
   * Keys whose records are not in the order of their lines, or that hold a line twice; empty is
   * right.
   */
  readonly outOfOrder: readonly string[]
  /** Records by the source that their line is from. */
  readonly bySource: ReadonlyMap<string, number>
}

export interface TopicVerdict {
  readonly topic: TopicName
  readonly log: LogFacts
  readonly online: number
  readonly offline: number
  /** Lines that the loaded files hold more than once. */
  readonly loadedTwice: number
  readonly agrees: boolean
}

/**
 * Reads the whole log of a topic: how much there is, and whether each key's lines come in order,
 * each once.
 */
export async function examineLog(client: Client, topic: TopicName): Promise<LogFacts> {
  const { partitions } = await client.metadata.topic(topic, { refresh: true })
  const byPartition = partitions.map(() => 0)
  const ends = partitions.map(() => 0)
  const lastLine = new Map<string, number>()
  const outOfOrder = new Set<string>()
  const bySource = new Map<string, number>()
  let records = 0
  for await (const { key, value, partition, offset } of readToEnd(client, topic)) {
    records += 1
    byPartition[partition] = (byPartition[partition] ?? 0) + 1
    ends[partition] = Number(offset) + 1
    const { source, line } = JSON.parse(Buffer.from(value!).toString()) as {
      source: string
      line: number
    }
    bySource.set(source, (bySource.get(source) ?? 0) + 1)
    const visitor = Buffer.from(key!).toString()
    const last = lastLine.get(`${source} ${visitor}`) ?? 0
    if (line <= last) outOfOrder.add(visitor)
    lastLine.set(`${source} ${visitor}`, line)
  }
  return { records, byPartition, ends, outOfOrder: [...outOfOrder], bySource }
}

/** The three counts of every topic, each taken from where it is kept. */
export async function verifyCounts(
  client: Client,
  store: CountsStore,
  target: Target,
): Promise<TopicVerdict[]> {
  const verdicts: TopicVerdict[] = []
  for (const topic of topicNames) {
    const log = await examineLog(client, topic)
    let online = 0
    for (const { counts } of store.all(topic)) online += counts.total
    const seen = new Map<string, LineSet>()
    let offline = 0
    let loadedTwice = 0
    for await (const { source, line } of readLoaded(target, topic)) {
      offline += 1
      const lines = seen.get(source) ?? new LineSet()
      seen.set(source, lines)
      if (!lines.add(line)) loadedTwice += 1
    }
    const agrees =
      log.records === online &&
      online === offline &&
      loadedTwice === 0 &&
      log.outOfOrder.length === 0
    verdicts.push({ topic, log, online, offline, loadedTwice, agrees })
  }
  return verdicts
}
