import { LoaderError } from './errors.js'
import {
  checkpointPath,
  manifestDir,
  manifestFrom,
  manifestPath,
  stagingDir,
} from './file-layout.js'
import { parseManifest, type Manifest } from './manifest.js'
import { rollForward } from './roll-forward.js'
import { readFile, writeFile, type Target } from './target.js'

/** Sums over the chain of a partition up to `to`, all of it in its final place. Rewritten as a whole; may be lost. */
export interface Checkpoint {
  readonly version: 1
  readonly topicId: string
  readonly to: number
  /** The largest event time so far, milliseconds since 1970; null when there was none. */
  readonly maxTimeMs: number | null
}

export interface ChainOptions {
  readonly target: Target
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  readonly signal?: AbortSignal | undefined
}

export interface ChainState {
  /** End of the chain; undefined when nothing was ever committed. */
  readonly committed: number | undefined
  readonly maxTimeMs: number | null
  /** Manifests whose files had not all been moved: an earlier load was killed. */
  readonly rolledForward: number
}

/**
 * Follows the chain of a partition's manifests from the checkpoint to its end, name by name: manifest k+1 is called by
 * the `to` of manifest k, so nothing is listed and the cost is that of what is new. What earlier loads committed and did
 * not live to move is moved. Manifests are never deleted: the name of each keeps the same offsets from being committed
 * again by a loader that is late.
 */
export async function followChain(options: ChainOptions): Promise<ChainState> {
  const { target, signal } = options
  const checkpoint = await readCheckpoint(options)
  let committed = checkpoint?.to ?? (await firstOffset(options))
  let maxTimeMs = checkpoint?.maxTimeMs ?? null
  let rolledForward = 0
  let found = checkpoint !== undefined
  for (;;) {
    const manifest = committed === undefined ? undefined : await readManifest(options, committed)
    if (manifest === undefined) break
    found = true
    if (await rollForward(target, manifest, signal)) rolledForward += 1
    committed = manifest.to
    maxTimeMs = latest(maxTimeMs, manifest)
  }
  if (committed !== undefined && committed !== checkpoint?.to) {
    await writeCheckpoint(options, {
      version: 1,
      topicId: options.topicId,
      to: committed,
      maxTimeMs,
    })
  }
  return { committed: found ? committed : undefined, maxTimeMs, rolledForward }
}

/** The latest event time of a chain that goes on with this manifest. */
export function latest(before: number | null, { files }: Manifest): number | null {
  const times = files.flatMap(({ lastTimeMs }) => lastTimeMs ?? [])
  return times.reduce<number | null>(
    (max, time) => (max === null || time > max ? time : max),
    before,
  )
}

/** The manifest that begins at an offset. */
export async function readManifest(
  { target, topic, topicId, partition, signal }: ChainOptions,
  from: number,
): Promise<Manifest | undefined> {
  const path = manifestPath({ topic, partition, from })
  const text = await readFile(target, path, { signal })
  if (text === undefined) return undefined
  const manifest = parseManifest(text, path)
  if (manifest.topic !== topic || manifest.partition !== partition || manifest.from !== from) {
    const message = `the manifest ${path} is about ${manifest.topic}-${manifest.partition} from ${manifest.from}`
    throw new LoaderError('KFK_LOADER_DAMAGED', message, { details: { path } })
  }
  if (manifest.topicId !== topicId) throw otherTopic(topic, target)
  return manifest
}

/** All manifests of a partition in order, by listing; for verification and for chains without a checkpoint. */
export async function listManifests(options: Omit<ChainOptions, 'topicId'>): Promise<number[]> {
  const { target, topic, partition, signal } = options
  const entries = await target.list(manifestDir(topic, partition), { signal })
  return entries.flatMap(({ name }) => manifestFrom(name) ?? []).sort((a, b) => a - b)
}

export async function writeCheckpoint(
  { target, topic, partition, signal }: Omit<ChainOptions, 'topicId'>,
  checkpoint: Checkpoint,
): Promise<void> {
  const path = checkpointPath(topic, partition)
  // One name for each writer: two loaders may do this at once, and the later one wins.
  const staged = `${stagingDir(topic)}/checkpoint~${partition}~${checkpoint.to}~${Math.random().toString(36).slice(2)}`
  await writeFile(target, staged, JSON.stringify(checkpoint), { signal })
  await target.replace(staged, path, { signal })
}

async function readCheckpoint(options: ChainOptions): Promise<Checkpoint | undefined> {
  const { target, topic, topicId, partition, signal } = options
  const text = await readFile(target, checkpointPath(topic, partition), { signal })
  if (text === undefined) return undefined
  let checkpoint: Partial<Checkpoint>
  try {
    checkpoint = JSON.parse(text) as Partial<Checkpoint>
  } catch {
    // A hint only: without it the chain is followed from its beginning.
    return undefined
  }
  if (checkpoint.version !== 1 || !Number.isSafeInteger(checkpoint.to)) return undefined
  if (checkpoint.topicId !== topicId) throw otherTopic(topic, target)
  return { version: 1, topicId, to: checkpoint.to!, maxTimeMs: checkpoint.maxTimeMs ?? null }
}

async function firstOffset(options: ChainOptions): Promise<number | undefined> {
  return (await listManifests(options))[0]
}

function otherTopic(topic: string, target: Target): LoaderError {
  return new LoaderError(
    'KFK_LOADER_OTHER_TOPIC',
    `${target.url} holds an earlier topic "${topic}" that was deleted since: its offsets mean other records. Load into another directory.`,
    { details: { topic } },
  )
}
