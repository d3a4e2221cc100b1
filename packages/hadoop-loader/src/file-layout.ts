/**
 * Names of everything in a target. All of them follow from topic, partition, offsets and event time, so a repeated load
 * of the same offsets makes the same names.
 *
 *     <topic>/dt=2026-05-17/hour=10/<topic>+<partition>+<from>+<to>+<n>.jsonl.gz
 *     <topic>/_rejected/<topic>+<partition>+<from>+<to>.jsonl.gz
 *     _kfk/<topic>/<partition>/<from>.json         manifest: the commit of offsets [from, to)
 *     _kfk/<topic>/<partition>/checkpoint          hint: all before it is committed and in its final place
 *     _kfk/<topic>/open-hours                      hint: hours without _SUCCESS
 *     _kfk/tmp/<topic>/<run>/...                   staging
 *
 * What begins with `_` is hidden from Hadoop's input formats.
 */

/** What a topic may be called (Kafka's Topic.java); checked again here, because names become paths. */
const topicName = /^[a-zA-Z0-9._-]{1,249}$/

export function isTopicName(name: string): boolean {
  return topicName.test(name) && name !== '.' && name !== '..'
}

/** Offsets in names have 20 digits, so that they sort as numbers. */
export function offsetDigits(offset: number): string {
  return String(offset).padStart(20, '0')
}

export interface SplitName {
  readonly topic: string
  readonly partition: number
  readonly from: number
  readonly to: number
}

export function manifestDir(topic: string, partition: number): string {
  return `_kfk/${topic}/${partition}`
}

/** Holds only `from`: of two loaders with different ends one wins. */
export function manifestPath({ topic, partition, from }: Omit<SplitName, 'to'>): string {
  return `${manifestDir(topic, partition)}/${offsetDigits(from)}.json`
}

/** The offset that a manifest begins with, by its file name; undefined for other files. */
export function manifestFrom(name: string): number | undefined {
  const match = /^(\d{20})\.json$/.exec(name)
  return match ? Number(match[1]) : undefined
}

export function checkpointPath(topic: string, partition: number): string {
  return `${manifestDir(topic, partition)}/checkpoint`
}

export function openHoursPath(topic: string): string {
  return `_kfk/${topic}/open-hours`
}

export function stagingDir(topic: string): string {
  return `_kfk/tmp/${topic}`
}

function splitStem({ topic, partition, from, to }: SplitName): string {
  return `${topic}+${partition}+${offsetDigits(from)}+${offsetDigits(to)}`
}

/** An hour of event time: its first millisecond. */
export function hourOf(timeMs: number): number {
  return Math.floor(timeMs / hourMs) * hourMs
}

export const hourMs = 3_600_000

/** `page-views/dt=2026-05-17/hour=10`, in UTC. Colons are not allowed in HDFS names. */
export function hourDir(topic: string, hour: number): string {
  const iso = new Date(hour).toISOString()
  return `${topic}/dt=${iso.slice(0, 10)}/hour=${iso.slice(11, 13)}`
}

export function hourFile(split: SplitName, hour: number, n: number, extension: string): string {
  return `${hourDir(split.topic, hour)}/${splitStem(split)}+${n}${extension}`
}

export function rejectedFile(split: SplitName, extension: string): string {
  return `${split.topic}/_rejected/${splitStem(split)}${extension}`
}

/** Where a file is written before it is committed; the final path becomes part of the name. */
export function stagedFile(split: SplitName, run: string, finalPath: string): string {
  return `${stagingDir(split.topic)}/${run}/${finalPath.replaceAll('/', '~')}`
}

export function stagedManifest(split: SplitName, run: string): string {
  return `${stagingDir(split.topic)}/${run}/${split.partition}~${offsetDigits(split.from)}.json`
}
