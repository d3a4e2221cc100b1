import { ClientError, invalidArgument } from '../errors.js'
import type { Serde } from '../serdes.js'
import type { SharedStructures, StructuresRegistry } from './shared-structures.js'
import { idText, MAX_STRUCTURES, type StructureSet } from './structure-set.js'
import {
  kept,
  readPlain,
  setIdOf,
  StructuredReader,
  StructuredWriter,
} from './structured-values.js'

export interface MsgpackOptions {
  /**
   * Where the keys of objects are kept, so that records need not repeat them. Without it values are
   * plain MessagePack, and only such can be read.
   */
  readonly structures?: SharedStructures
}

export interface MsgpackSerde<T> extends Serde<T> {
  /**
   * Shares the structures of this value now, instead of after some records have used them. Resolves
   * when they are in the log: from then on such values are written short. Rejects when that cannot
   * be done; values are written as plain MessagePack then, as before.
   */
  share(sample: T): Promise<void>
}

/** After structures could not be shared, the next try is this much later, ms. */
const RETRY_MS = 30_000
/** Readers hold code that was made for them; there are as many as sets in use. */
const MAX_READERS = 256

/**
 * MessagePack. With shared `structures` the keys of objects are in the log once and not in each
 * record: about half of JSON's bytes, read three times as fast.
 *
 * What comes back is what was written: objects, arrays, text, numbers, booleans, null, undefined,
 * bigint of 64 bits, Date, Uint8Array. A Map comes back as an object, a Set as an array; functions
 * as undefined. Integers of 64 bits, as other writers have them, come as bigint. Keys keep their
 * order. `T` is a promise of the writer.
 *
 * Writing never waits: a structure that is not shared yet is written as a plain map.
 */
export function msgpack<T = unknown>(options: MsgpackOptions = {}): MsgpackSerde<T> {
  const { structures } = options
  const registry = structures as StructuresRegistry | undefined
  // Not by its class, of which a program may hold both the ESM and the CommonJS copy.
  if (registry !== undefined && typeof registry.find !== 'function') {
    throw invalidArgument('`structures` must be what `sharedStructures()` returns.')
  }
  return new MsgpackCodec<T>(registry)
}

class MsgpackCodec<T> implements MsgpackSerde<T> {
  readonly name = 'msgpack'
  readonly #registry: StructuresRegistry | undefined
  readonly #writer: StructuredWriter
  readonly #readers = new Map<number, StructuredReader>()
  #sharing: Promise<void> | undefined
  #notBefore = -Infinity

  constructor(registry: StructuresRegistry | undefined) {
    this.#registry = registry
    this.#writer = new StructuredWriter(registry === undefined ? 0 : MAX_STRUCTURES)
  }

  serialize(data: T): Uint8Array {
    const bytes = this.#writer.write(data)
    if (this.#writer.wanted.length > 0) this.#shareSoon()
    return bytes
  }

  deserialize(bytes: Uint8Array): T | Promise<T> {
    const id = setIdOf(bytes)
    if (id === undefined) return readPlain(bytes) as T
    const reader = this.#readers.get(id)
    return (reader === undefined ? this.#firstOf(id, bytes) : reader.read(bytes)) as T | Promise<T>
  }

  async share(sample: T): Promise<void> {
    if (this.#registry === undefined) throw invalidArgument('There is nowhere to share structures.')
    while (this.#sharing !== undefined) await this.#sharing.catch(() => undefined)
    this.#writer.learn(sample)
    if (this.#writer.wanted.length > 0) await this.#share(this.#registry)
  }

  #firstOf(id: number, bytes: Uint8Array): unknown {
    if (this.#registry === undefined) {
      throw new ClientError(
        'KFK_CLIENT_INVALID_DATA',
        `it was written with shared structures (${idText(id)}): read it with \`msgpack({ structures: sharedStructures(...) })\``,
      )
    }
    const known = this.#registry.get(id)
    if (known !== undefined) return this.#reader(id, known).read(bytes)
    const copy = kept(bytes)
    return this.#registry.find(id).then((set) => this.#reader(id, set).read(copy))
  }

  #reader(id: number, set: StructureSet): StructuredReader {
    if (this.#readers.size >= MAX_READERS) this.#readers.clear()
    const reader = new StructuredReader(set)
    this.#readers.set(id, reader)
    return reader
  }

  /** Nobody waits for it: what fails is tried again later. */
  #shareSoon(): void {
    const registry = this.#registry
    if (registry === undefined || this.#sharing !== undefined) return
    if (registry.now() < this.#notBefore) return
    this.#share(registry).catch((error: unknown) => registry.warn(error))
  }

  #share(registry: StructuresRegistry): Promise<void> {
    const { structures, wanted } = this.#writer
    const sharing = registry
      .share([...structures, ...wanted])
      .then((set) => {
        if (set === undefined) throw tooMany()
        this.#writer.use(set)
      })
      .catch((error: unknown) => {
        this.#notBefore = registry.now() + RETRY_MS
        throw error
      })
      .finally(() => (this.#sharing = undefined))
    this.#sharing = sharing
    return sharing
  }
}

function tooMany(): ClientError {
  return new ClientError(
    'KFK_CLIENT_BUFFER_FULL',
    'The structures cannot be shared: they are too large, or there are too many sets.',
  )
}
