import { LoaderError } from './errors.js'
import {
  checkpointPath,
  hourOf,
  manifestDir,
  manifestFrom,
  manifestPath,
  stagedNote,
} from './file-layout.js'
import { parseManifest, type Manifest } from './manifest.js'
import { rollForward } from './roll-forward.js'
import { readFile, writeFile, type Target } from './target.js'

/**
 * What a chain adds up to. Written from time to time so that the next load need not follow it from
 * its beginning.
 */
interface Checkpoint {
  readonly version: 1
  readonly topicId: string
  /** All before it is committed and in its final place. */
  readonly to: number
  readonly passedMs: number | null
  readonly openHours: readonly number[]
}

export interface ChainPlace {
  readonly target: Target
  readonly topic: string
  readonly topicId: string
  readonly partition: number
}

/**
 * The manifests of one partition, followed from the checkpoint to the end, name by name: the first
 * begins at 0 (if need be with offsets that the log had already deleted), and manifest k+1 is
 * called by the `to` of manifest k. So nothing is listed, the cost is that of what is new, and two
 * loads cannot begin two chains at different offsets. Manifests are never deleted: the name of each
 * keeps the same offsets from being committed again by a loader that is late.
 */
export class PartitionChain {
  readonly #place: ChainPlace
  #committed: number | undefined
  #passedMs: number | null = null
  readonly #openHours = new Set<number>()
  /** The checkpoint as it is on the target. */
  #written: string | undefined

  private constructor(place: ChainPlace) {
    this.#place = place
  }

  /** Reads the checkpoint. @throws LoaderError KFK_LOADER_OTHER_TOPIC */
  static async open(place: ChainPlace, signal?: AbortSignal): Promise<PartitionChain> {
    const chain = new PartitionChain(place)
    const checkpoint = await readCheckpoint(place, signal)
    if (checkpoint !== undefined) {
      chain.#committed = checkpoint.to
      chain.#passedMs = checkpoint.passedMs
      for (const hour of checkpoint.openHours) chain.#openHours.add(hour)
      chain.#written = chain.#text()
    }
    return chain
  }

  /** End of the chain; undefined when nothing was ever committed. */
  get committed(): number | undefined {
    return this.#committed
  }

  /**
   * Latest event time so far, as far as it is not in the loader's future; null when there is none.
   */
  get passedMs(): number | null {
    return this.#passedMs
  }

  /** Hours (their first millisecond) with records that have not been found to be over. */
  get openHours(): ReadonlySet<number> {
    return this.#openHours
  }

  /**
   * Goes on to the end of the chain. What another load has committed and not (yet) moved is moved,
   * unless `readOnly`. Returns the number of manifests with something to move.
   */
  async follow(options: { readonly signal?: AbortSignal; readonly readOnly?: boolean } = {}) {
    const { signal, readOnly } = options
    let rolledForward = 0
    for (;;) {
      const manifest = await this.#read(this.#committed ?? 0, signal)
      if (manifest === undefined) return rolledForward
      if (readOnly !== true && (await rollForward(this.#place.target, manifest, { signal }))) {
        rolledForward += 1
      }
      this.add(manifest)
    }
  }

  /** Adds the next manifest, whose files are in their places. */
  add(manifest: Manifest): void {
    this.#committed = manifest.to
    for (const { firstTimeMs, lastTimeMs } of manifest.files) {
      if (firstTimeMs === null || lastTimeMs === null) continue
      this.#openHours.add(hourOf(firstTimeMs))
      // A record that claims to be from the future does not make hours pass.
      const passedMs = Math.min(lastTimeMs, manifest.createdMs)
      if (this.#passedMs === null || passedMs > this.#passedMs) this.#passedMs = passedMs
    }
  }

  /** Forgets an hour that is over. */
  closeHour(hour: number): void {
    this.#openHours.delete(hour)
  }

  /**
   * Writes the checkpoint if it has changed. Two loaders may do this at once: the later one wins,
   * and both are right.
   */
  async writeCheckpoint(run: string, signal?: AbortSignal): Promise<void> {
    const text = this.#text()
    if (this.#committed === undefined || text === this.#written) return
    const { target, topic, partition } = this.#place
    const staged = stagedNote(topic, run, `checkpoint~${partition}`)
    await writeFile(target, staged, text, { signal })
    await target.replace(staged, checkpointPath(topic, partition), { signal })
    this.#written = text
  }

  async #read(from: number, signal: AbortSignal | undefined): Promise<Manifest | undefined> {
    const { target, topic, topicId, partition } = this.#place
    const path = manifestPath({ topic, partition, from })
    const text = await readFile(target, path, { signal })
    if (text === undefined) return undefined
    const manifest = parseManifest(text, path)
    if (manifest.topic !== topic || manifest.partition !== partition || manifest.from !== from) {
      const message = `the manifest ${path} is about ${manifest.topic}-${manifest.partition} from ${manifest.from}`
      throw new LoaderError('KFK_LOADER_DAMAGED', message, { details: { path } })
    }
    if (manifest.topicId !== topicId) throw otherTopic(this.#place)
    return manifest
  }

  #text(): string {
    const checkpoint: Checkpoint = {
      version: 1,
      topicId: this.#place.topicId,
      to: this.#committed ?? 0,
      passedMs: this.#passedMs,
      openHours: [...this.#openHours].sort((a, b) => a - b),
    }
    return `${JSON.stringify(checkpoint)}\n`
  }
}

/** First offsets of all manifests of a partition in order, by listing. */
export async function listManifests(
  { target, topic, partition }: Omit<ChainPlace, 'topicId'>,
  signal?: AbortSignal,
): Promise<number[]> {
  const entries = await target.list(manifestDir(topic, partition), { signal })
  return entries.flatMap(({ name }) => manifestFrom(name) ?? []).sort((a, b) => a - b)
}

async function readCheckpoint(
  place: ChainPlace,
  signal: AbortSignal | undefined,
): Promise<Checkpoint | undefined> {
  const { target, topic, topicId, partition } = place
  const text = await readFile(target, checkpointPath(topic, partition), { signal })
  const checkpoint = text === undefined ? undefined : parseCheckpoint(text)
  if (checkpoint !== undefined && checkpoint.topicId !== topicId) throw otherTopic(place)
  return checkpoint
}

/** A hint only: without it the chain is followed from its beginning. */
function parseCheckpoint(text: string): Checkpoint | undefined {
  let value: Partial<Checkpoint> | null
  try {
    value = JSON.parse(text) as Partial<Checkpoint> | null
  } catch {
    return undefined
  }
  const isWhole = (time: unknown): boolean => Number.isSafeInteger(time)
  const usable =
    value?.version === 1 &&
    isWhole(value.to) &&
    typeof value.topicId === 'string' &&
    (value.passedMs === null || isWhole(value.passedMs)) &&
    Array.isArray(value.openHours) &&
    value.openHours.every(isWhole)
  return usable ? (value as Checkpoint) : undefined
}

function otherTopic({ topic, target }: ChainPlace): LoaderError {
  return new LoaderError(
    'KFK_LOADER_OTHER_TOPIC',
    `${target.url} holds an earlier topic "${topic}" that was deleted since: its offsets mean other records. Load into another directory.`,
    { details: { topic } },
  )
}
