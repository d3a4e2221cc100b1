import { type ConsumerRecord, consumerRecordName } from './consumer/consumer-records.js'
import type { CommittedOffset, GroupFloor, OffsetsRecord } from './group-records.js'

/** What the log holds of one group. */
export interface DurableGroup {
  readonly floor: GroupFloor | undefined
  readonly offsets: ReadonlyMap<string, ReadonlyMap<number, CommittedOffset>>
  /** Of a group of the consumer protocol: the last record of each name; undefined without any. */
  readonly consumer: ReadonlyMap<string, ConsumerRecord> | undefined
}

interface MutableGroup {
  floor: GroupFloor | undefined
  readonly offsets: Map<string, Map<number, CommittedOffset>>
  consumer: Map<string, ConsumerRecord> | undefined
}

/** What a group's offset is committed for. */
export interface OffsetKey {
  readonly topic: string
  readonly partition: number
}

/** One committed offset and what for. */
export interface OffsetEntry extends OffsetKey {
  readonly committed: CommittedOffset
}

/**
 * The durable state of one partition of `__consumer_offsets`: what a replay of its committed
 * records gives. `replay` is the only mutator, for records read at start and for records just
 * written alike.
 */
export class CommittedOffsets {
  // Maps throughout: ids come from clients, and one may be called `constructor`.
  readonly #groups = new Map<string, MutableGroup>()

  replay(record: OffsetsRecord): void {
    if (record.kind === 'group') this.#replayFloor(record.groupId, record.floor)
    else if (record.kind === 'consumer') this.#replayConsumer(record)
    else this.#replayOffset(record)
  }

  group(groupId: string): DurableGroup | undefined {
    return this.#groups.get(groupId)
  }

  groups(): IterableIterator<[groupId: string, group: DurableGroup]> {
    return this.#groups.entries()
  }

  get(groupId: string, topic: string, partition: number): CommittedOffset | undefined {
    return this.#groups.get(groupId)?.offsets.get(topic)?.get(partition)
  }

  #replayFloor(groupId: string, floor: GroupFloor | null): void {
    const group = this.#groupFor(groupId, floor !== null)
    if (group === undefined) return
    group.floor = floor ?? undefined
    this.#forgetIfEmpty(groupId, group)
  }

  #replayConsumer(record: ConsumerRecord): void {
    const group = this.#groupFor(record.groupId, record.value !== null)
    if (group === undefined) return
    const name = consumerRecordName(record)
    if (record.value !== null) {
      group.consumer ??= new Map<string, ConsumerRecord>()
      group.consumer.set(name, record)
      return
    }
    group.consumer?.delete(name)
    if (group.consumer?.size === 0) group.consumer = undefined
    this.#forgetIfEmpty(record.groupId, group)
  }

  #replayOffset(record: OffsetsRecord & { kind: 'offset' }): void {
    const { groupId, topic, partition, committed } = record
    const group = this.#groupFor(groupId, committed !== null)
    if (group === undefined) return
    let partitions = group.offsets.get(topic)
    if (committed !== null) {
      if (partitions === undefined)
        group.offsets.set(topic, (partitions = new Map<number, CommittedOffset>()))
      partitions.set(partition, committed)
      return
    }
    partitions?.delete(partition)
    if (partitions?.size === 0) group.offsets.delete(topic)
    this.#forgetIfEmpty(groupId, group)
  }

  #groupFor(groupId: string, create: boolean): MutableGroup | undefined {
    let group = this.#groups.get(groupId)
    if (group === undefined && create) {
      group = { floor: undefined, offsets: new Map(), consumer: undefined }
      this.#groups.set(groupId, group)
    }
    return group
  }

  #forgetIfEmpty(groupId: string, group: MutableGroup): void {
    const { floor, offsets, consumer } = group
    const isEmpty = floor === undefined && offsets.size === 0 && consumer === undefined
    if (isEmpty) this.#groups.delete(groupId)
  }
}

/** All committed offsets of a group. */
export function* offsetsOf(group: DurableGroup): IterableIterator<OffsetEntry> {
  for (const [topic, partitions] of group.offsets) {
    for (const [partition, committed] of partitions) yield { topic, partition, committed }
  }
}

/**
 * The offsets of a group without members whose retention is over (KIP-211): counted from when the
 * group became empty, or from the commit for one that never had members.
 */
export function expiredOffsets(
  group: DurableGroup,
  options: { nowMs: number; retentionMs: number },
): OffsetEntry[] {
  const { floor } = group
  const emptySince = floor !== undefined && floor.protocolType !== '' ? floor.timestamp : undefined
  return [...offsetsOf(group)].filter(({ committed }) => {
    if (committed.expireTimestamp !== -1) return options.nowMs >= committed.expireTimestamp
    const since = Math.max(emptySince ?? -1, committed.commitTimestamp)
    return options.nowMs - since >= options.retentionMs
  })
}

/** Records that remove the given offsets. */
export function offsetTombstones(groupId: string, keys: Iterable<OffsetKey>): OffsetsRecord[] {
  return Array.from(keys, ({ topic, partition }) => ({
    kind: 'offset',
    groupId,
    topic,
    partition,
    committed: null,
  }))
}
