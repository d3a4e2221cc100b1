// Every file of a directory, but the data itself, deleted, cut to every size and with each of its bits
// flipped; after each the directory is opened and all that a reader can ask for is asked for.
import { basename, dirname } from 'node:path'
import { frameFormat, openLogDirectory, StoreError } from '../../src/index'
import type { EmbeddedRecord, Frame, Log, StoreReport } from '../../src/index'
import { EmbeddedLog } from '../../src/embedded-log'
import { memoryFileSystemOver, type MemoryTree } from '../../src/fs/memory-file-system'
import type { MemoryFile } from '../../src/fs/memory-file-system'
import { answering } from './answering'
import { diskWith, fileWith, root, stillClock } from './corruption-image'
import { readOut } from './corruption-oracle'
import { type Files, makeWorld, worldOptions } from './corruption-world'
import { viewOf } from './producer-frames'
import { sampled } from './proofs'

export interface WorldVerdict {
  readonly path: string
  readonly cases: number
  /** Everything was as it is without damage. */
  readonly same: number
  /** Something was missing, and was told: by an error, or by a report. */
  readonly told: number
  /** Neither. */
  readonly wrong: readonly string[]
}

/** What the readers of one log see; undefined: it would not open. */
type View = Readonly<Record<string, unknown>> | undefined

interface Sight {
  readonly views: ReadonlyMap<string, View>
  readonly reports: readonly StoreReport[]
}

async function sightOf(tree: MemoryTree): Promise<Sight> {
  const reports: StoreReport[] = []
  const directory = await openLogDirectory(root, {
    ...worldOptions,
    fileSystem: memoryFileSystemOver(tree),
    clock: stillClock,
    onReport: (report) => reports.push(report),
  })
  const views = new Map<string, View>()
  for (const name of directory.names()) {
    const log = await directory.open(name).catch(corruption)
    if (log instanceof StoreError) {
      views.set(name, undefined)
      continue
    }
    const embedded = new EmbeddedLog(directory, log, { ownsDirectory: false })
    const { records, places } = await readOut(embedded, { from: log.logStartOffset, to: Infinity })
    const { start, end, ...found } = await lookups(log, records)
    const seen = { places, start, end, ...found, ...(await viewOf(log)) }
    const texts = Object.entries(seen).map(([key, value]) => [key, JSON.stringify(value, plain)])
    views.set(name, { ...Object.fromEntries(texts), records: records.map(textOf) })
  }
  return { views, reports }
}

const latin1 = (bytes: Uint8Array | null) => bytes && Buffer.from(bytes).toString('latin1')

const textOf = ({ offset, timestamp, key, value }: Frame) =>
  JSON.stringify([offset, timestamp, latin1(key), latin1(value)])

function corruption(error: unknown): StoreError {
  if (error instanceof StoreError && error.code === 'KFK_STORE_CORRUPT') return error
  throw error
}

const plain = (_: string, value: unknown) => (typeof value === 'bigint' ? `${value}` : value)

/** From the end on: a reader that goes forward would need no index. */
async function lookups(log: Log, records: readonly EmbeddedRecord[]) {
  const { logStartOffset: start, logEndOffset: end, latestEpoch } = log
  const offsets: unknown[] = []
  for (let offset = end - 1; offset >= start; offset--) {
    const read = log.read({ from: offset, maxBytes: 1 })
    const found = await read.then(({ nextOffset }) => nextOffset, corruption)
    offsets.push(found instanceof StoreError ? found.details : found)
  }
  const times: unknown[] = []
  for (const time of [...heights, Infinity]) {
    const asked = time === Infinity ? log.maxTimestampOffset() : log.offsetForTimestamp(time)
    const found = await asked.catch(corruption)
    times.push(found instanceof StoreError ? found.details : found)
  }
  const epochs = records.map(({ offset }) => log.epochAt(offset))
  return { start, end, latestEpoch, epochs, offsets, times }
}

/** Timestamps of the records, and some between them. */
const heights = [1000, 1025, 1061, 1095, 1101, 2000, 2005, 2009, 2500, 3001, 3009, 9000, 9001]

function* damagesOf(file: MemoryFile): Generator<[what: string, MemoryFile | undefined]> {
  yield ['deleted', undefined]
  const { bytes } = file
  for (let size = 0; size < bytes.length; size++)
    yield [`cut to ${size}`, fileWith(file, bytes, size)]
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const copy = Uint8Array.from(bytes)
    copy[bit >> 3]! ^= 1 << (bit & 7)
    yield [`byte ${bit >> 3} bit ${bit & 7}`, fileWith(file, copy)]
  }
}

/** Damage in a log's directory is nothing to the other logs. */
function concerned(files: Files, path: string): Files {
  const home = dirname(path)
  if (home === root) return files
  return new Map([...files].filter(([at]) => dirname(at) === root || dirname(at) === home))
}

/** Every sound record of the data files, by log and offset. */
function originalsOf(files: Files): Map<string, Map<number, string>> {
  const originals = new Map<string, Map<number, string>>()
  for (const [path, { bytes }] of files) {
    if (!path.endsWith('.log')) continue
    const name = basename(dirname(path))
    const known = originals.get(name) ?? new Map<number, string>()
    originals.set(name, known)
    for (let at = 0; at < bytes.length;) {
      const { sizeInBytes } = frameFormat.describe(bytes, at)
      const batch = bytes.subarray(at, at + sizeInBytes)
      const sound = frameFormat.check(batch, 0) === undefined
      for (const frame of sound ? frameFormat.decode(batch) : [])
        known.set(frame.offset, textOf(frame))
      at += sizeInBytes
    }
  }
  return originals
}

class Judge {
  readonly #files: Files
  readonly #originals: ReadonlyMap<string, ReadonlyMap<number, string>>

  constructor(files: Files) {
    this.#files = files
    this.#originals = originalsOf(files)
  }

  async judge(path: string): Promise<WorldVerdict> {
    const some = concerned(this.#files, path)
    const sound = await sightOf(diskWith(some))
    const wrong: string[] = []
    for (const [name, view] of sound.views) {
      const problem = this.#wrongRecord(name, view!['records'] as string[])
      if (problem !== undefined) wrong.push(`undamaged: ${problem}`)
    }
    let [cases, same, told] = [0, 0, 0]
    for (const [what, file] of sampled(damagesOf(this.#files.get(path)!))) {
      cases++
      const sight = await sightOf(diskWith(some, path, file))
      const problems = [...sound.views].map(([name]) => this.#compare(name, sight, sound))
      const problem = problems.find((found) => found !== 'same' && found !== 'told')
      if (problem !== undefined) wrong.push(`${what}: ${problem}`)
      else if (problems.includes('told')) told++
      else same++
    }
    return { path, cases, same, told, wrong: wrong.slice(0, 10) }
  }

  #compare(name: string, sight: Sight, sound: Sight): string {
    if (!sight.views.has(name)) return `${name} is gone`
    const [found, due] = [sight.views.get(name), sound.views.get(name)!]
    if (found === undefined) return 'told'
    const differing = Object.keys(due).filter((key) => String(found[key]) !== String(due[key]))
    if (differing.length === 0) return 'same'
    const wrong = this.#wrongRecord(name, found['records'] as string[])
    if (wrong !== undefined) return wrong
    const isTold = differing.includes('places') || newKinds(sight, sound).length > 0
    const isShort = differing.includes('records') || differing.includes('places')
    if (isTold && isShort) return 'told'
    return `${name}: ${differing.map((key) => `${key} ${String(found[key])}`).join(' ')}`
  }

  #wrongRecord(name: string, records: readonly string[]): string | undefined {
    let last = -1
    for (const record of records) {
      const [offset] = JSON.parse(record) as [number]
      if (this.#originals.get(name)!.get(offset) !== record) return `${name}: wrong ${record}`
      if (offset <= last) return `${name}: ${offset} after ${last}`
      last = offset
    }
    return undefined
  }
}

/** What recovery and rebuilt indexes say is no loss. */
const harmless = new Set<string>([
  'unclean-start',
  'recovered',
  'index-rebuilt',
  'leftover-removed',
])

function newKinds({ reports }: Sight, sound: Sight): string[] {
  const known = new Set(sound.reports.map(({ message }) => message))
  return reports
    .filter(({ kind, message }) => !harmless.has(kind) && !known.has(message))
    .map(({ kind }) => kind)
}

answering(async ({ closed }: { readonly closed: boolean }) => {
  const files = await makeWorld({ closed })
  const judge = new Judge(files)
  const verdicts: WorldVerdict[] = []
  for (const path of [...files.keys()].sort()) {
    if (!path.endsWith('.log')) verdicts.push(await judge.judge(path))
  }
  return verdicts
})
