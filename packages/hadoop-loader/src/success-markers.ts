import { hourDir, hourMs, openHoursPath, stagingDir } from './file-layout.js'
import { readFile, writeFile, type Target } from './target.js'

export interface HoursOptions {
  readonly target: Target
  readonly topic: string
  /** Hours that this load has written to. */
  readonly written: ReadonlySet<number>
  /** Latest event time of every partition that has any records. */
  readonly partitionTimes: readonly number[]
  readonly run: string
  readonly signal: AbortSignal
}

/**
 * Marks the hours that every partition has passed with `_SUCCESS`, as Hadoop's jobs do: readers that wait for it see an
 * hour that is complete as far as time order tells. A late event still lands in its hour afterwards. Returns the hours
 * that were marked. The list of hours without a mark is a hint: losing it leaves marks out, never makes a wrong one.
 */
export async function markPassedHours(options: HoursOptions): Promise<number[]> {
  const { target, topic, written, partitionTimes, run, signal } = options
  if (partitionTimes.length === 0) return []
  const passedMs = Math.min(...partitionTimes)
  const open = new Set([...(await readOpenHours(options)), ...written])
  const marked: number[] = []
  for (const hour of [...open].sort((a, b) => a - b)) {
    if (hour + hourMs > passedMs) continue
    open.delete(hour)
    const path = `${hourDir(topic, hour)}/_SUCCESS`
    if ((await target.stat(path, { signal })) !== undefined) continue
    await writeFile(target, path, '', { signal })
    marked.push(hour)
  }
  const staged = `${stagingDir(topic)}/${run}/open-hours`
  await writeFile(target, staged, JSON.stringify([...open]), { signal })
  await target.replace(staged, openHoursPath(topic), { signal })
  return marked
}

async function readOpenHours({ target, topic, signal }: HoursOptions): Promise<number[]> {
  const text = await readFile(target, openHoursPath(topic), { signal })
  try {
    const hours = JSON.parse(text ?? '[]') as unknown
    return Array.isArray(hours) ? hours.filter((hour) => Number.isSafeInteger(hour)) : []
  } catch {
    return []
  }
}
