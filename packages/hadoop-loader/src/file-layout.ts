/**
 * Names of everything in a target. All of them follow from topic, partition, offsets and event
 * time, so a repeated load of the same offsets makes the same names.
 *
 *     <topic>/dt=2026-05-17/hour=10/<topic>+<partition>+<from>+<to>+<n>.jsonl.gz
 *     <topic>/_rejected/<topic>+<partition>+<from>+<to>.jsonl.gz
 *     _kfk/<topic>/<partition>/<from>.json         manifest: the commit of offsets [from, to)
 *     _kfk/<topic>/<partition>/checkpoint          hint: all before it is committed and in place
 *     _kfk/tmp/<topic>+<run>/...                   staging
 *
 * What begins with `_` is hidden from Hadoop's input formats. The `+`, which no topic has in its
 * name, keeps staging apart from the manifests of a topic that is called `tmp`.
 */
import { createHash } from 'node:crypto'

/**
 * What a topic may be called (Kafka's Topic.java); checked again here, because names become paths.
 */
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

/** All staging of all topics. */
export const stagingRoot = '_kfk/tmp'

/** Staging of one load of a topic: removed as a whole. */
export function stagingDir(topic: string, run: string): string {
  return `${stagingRoot}/${stagingPrefix(topic)}${run}`
}

/** What the names of a topic's staging directories begin with, and those of no other topic. */
export function stagingPrefix(topic: string): string {
  return `${fileStem(topic)}+`
}

/**
 * HDFS and most file systems take names of 255 bytes; a topic's may have 249, to which offsets are
 * added.
 */
const longestStem = 150

/** A topic as part of a file name: shortened, and told apart by a hash, when it is very long. */
function fileStem(topic: string): string {
  if (topic.length <= longestStem) return topic
  const hash = createHash('sha256').update(topic).digest('hex').slice(0, 16)
  return `${topic.slice(0, longestStem - 17)}~${hash}`
}

function splitStem({ topic, partition, from, to }: SplitName): string {
  return `${fileStem(topic)}+${partition}+${offsetDigits(from)}+${offsetDigits(to)}`
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

/** Where file number `n` of a split is written before it is committed. */
export function stagedFile(split: SplitName, run: string, n: number): string {
  const { topic, partition, from } = split
  return `${stagingDir(topic, run)}/${partition}~${offsetDigits(from)}~${n}`
}

export function stagedManifest(split: SplitName, run: string): string {
  const { topic, partition, from } = split
  return `${stagingDir(topic, run)}/${partition}~${offsetDigits(from)}.json`
}

/** Where a file that replaces a hint, or marks something, is written. */
export function stagedNote(topic: string, run: string, name: string): string {
  return `${stagingDir(topic, run)}/${name}`
}

/** The part of a path before its last `/`; empty for a name alone. */
export function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}

/**
 * Whether a path is made of names alone: none of them empty, `.` or `..`. What comes from a file is
 * checked by this.
 */
export function isPlainPath(path: string): boolean {
  return path
    .split('/')
    .every((part) => part !== '' && part !== '.' && part !== '..' && !part.includes('\0'))
}
