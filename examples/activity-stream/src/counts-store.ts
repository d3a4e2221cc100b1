import fs from 'node:fs'
import path from 'node:path'
import { readJson, writeJson } from './atomic-json.js'
import { PartitionCounts, type StoredCounts } from './partition-counts.js'

/**
 * Counts by partition in one small file each, replaced as a whole. The counts and the
 * offset they reach are one value, so there is no moment at which one is newer than the other.
 */
export class CountsStore {
  constructor(private readonly dir: string) {
    fs.mkdirSync(dir, { recursive: true })
  }

  load(topic: string, partition: number): PartitionCounts {
    return PartitionCounts.from(this.read(topic, partition))
  }

  /**
   * Keeps the counts, unless what is there reaches further already: a member that has lost the
   * partition without knowing it yet cannot take its successor's counts back. Returns the offset
   * that is stored afterwards.
   */
  save(topic: string, partition: number, counts: PartitionCounts): number {
    const there = this.read(topic, partition)
    if (there && there.nextOffset >= counts.nextOffset) return there.nextOffset
    writeJson(this.file(topic, partition), counts.stored())
    return counts.nextOffset
  }

  /** All that is stored for a topic. */
  *all(topic: string): Generator<{ partition: number; counts: PartitionCounts }, void, undefined> {
    for (const name of fs.readdirSync(this.dir)) {
      const match = /^(.+)-(\d+)\.json$/.exec(name)
      if (match?.[1] !== topic) continue
      const partition = Number(match[2])
      yield { partition, counts: this.load(topic, partition) }
    }
  }

  private file(topic: string, partition: number): string {
    return path.join(this.dir, `${topic}-${partition}.json`)
  }

  private read(topic: string, partition: number): StoredCounts | undefined {
    return readJson<StoredCounts>(this.file(topic, partition))
  }
}
