import { isBeginning, type Manifest } from './manifest.js'

export interface TopicReport {
  readonly topic: string
  readonly records: number
  readonly rejected: number
  /** Offsets without a record: control records, aborted transactions, holes of compaction. */
  readonly control: number
  readonly missing: number
  readonly bytes: number
  readonly files: number
  /** What this load has committed of each partition. */
  readonly partitions: readonly {
    readonly partition: number
    readonly from: number
    readonly to: number
  }[]
}

/** What a load has done. */
export interface LoadReport extends Omit<TopicReport, 'topic' | 'partitions'> {
  readonly seconds: number
  readonly splits: number
  /** Splits that an earlier load had committed and not lived to move. */
  readonly rolledForward: number
  readonly topics: readonly TopicReport[]
}

const counted = ['records', 'rejected', 'control', 'missing'] as const

/** Adds up manifests. */
export class ReportBuilder {
  readonly #topics: Map<string, Manifest[]>
  #rolledForward = 0

  constructor(topics: readonly string[]) {
    this.#topics = new Map(topics.map((topic) => [topic, []]))
  }

  add(manifest: Manifest): void {
    if (!isBeginning(manifest)) this.#topics.get(manifest.topic)!.push(manifest)
  }

  rolledForward(splits: number): void {
    this.#rolledForward += splits
  }

  build(seconds: number): LoadReport {
    const topics = [...this.#topics].map(([topic, manifests]) => ({
      topic,
      ...sums(manifests),
      partitions: ranges(manifests),
    }))
    const all = [...this.#topics.values()].flat()
    return { seconds, ...sums(all), splits: all.length, rolledForward: this.#rolledForward, topics }
  }
}

function sums(manifests: readonly Manifest[]) {
  const total = { records: 0, rejected: 0, control: 0, missing: 0, bytes: 0, files: 0 }
  for (const manifest of manifests) {
    for (const name of counted) total[name] += manifest[name]
    for (const { bytes } of manifest.files) total.bytes += bytes
    total.files += manifest.files.length
  }
  return total
}

function ranges(manifests: readonly Manifest[]) {
  const byPartition = new Map<number, { partition: number; from: number; to: number }>()
  for (const { partition, from, to } of manifests) {
    const known = byPartition.get(partition)
    byPartition.set(partition, {
      partition,
      from: Math.min(from, known?.from ?? from),
      to: Math.max(to, known?.to ?? to),
    })
  }
  return [...byPartition.values()].sort((a, b) => a.partition - b.partition)
}
