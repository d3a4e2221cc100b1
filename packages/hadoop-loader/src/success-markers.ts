import type { PartitionChain } from './chain.js'
import { hourDir, hourMs, stagedNote } from './file-layout.js'
import { forEachAtOnce } from './pool.js'
import { writeFile, type Target } from './target.js'

export interface HoursOptions {
  readonly target: Target
  readonly topic: string
  readonly run: string
  /** The chains of all partitions. */
  readonly chains: readonly PartitionChain[]
  /** Event time that all partitions have passed. */
  readonly passedMs: number
  readonly signal: AbortSignal
}

/**
 * Marks the hours that every partition has passed with `_SUCCESS`, as Hadoop's jobs do: readers
 * that wait for it see an hour that is complete as far as time order tells. A late event still
 * lands in its hour afterwards. Returns the hours that were marked; the chains forget them.
 */
export async function markPassedHours(options: HoursOptions): Promise<number[]> {
  const { target, topic, run, chains, passedMs, signal } = options
  const hours = new Set(chains.flatMap(({ openHours }) => [...openHours]))
  const passed = [...hours].filter((hour) => hour + hourMs <= passedMs)
  const marked: number[] = []
  await forEachAtOnce(passed, async (hour) => {
    const path = `${hourDir(topic, hour)}/_SUCCESS`
    if ((await target.stat(path, { signal })) === undefined) {
      const staged = stagedNote(topic, run, `success~${hour}`)
      await writeFile(target, staged, '', { signal })
      if (await target.renameIfAbsent(staged, path, { signal })) marked.push(hour)
    }
    for (const chain of chains) chain.closeHour(hour)
  })
  return marked.sort((a, b) => a - b)
}

/** The time that all partitions with records have passed; undefined when one of them tells none. */
export function timePassedByAll(
  partitions: readonly {
    readonly logStartOffset: number
    readonly highWatermark: number
    readonly chain: Pick<PartitionChain, 'passedMs'>
  }[],
): number | undefined {
  const withRecords = partitions.filter(
    ({ logStartOffset, highWatermark }) => highWatermark > logStartOffset,
  )
  const times = withRecords.map(({ chain }) => chain.passedMs)
  if (times.length === 0 || times.includes(null)) return undefined
  return Math.min(...(times as number[]))
}
