import { Buffer } from 'node:buffer'
import { Packr, RESERVE_START_SPACE, Unpackr } from 'msgpackr'
import { ShapeTree } from './shape-tree.js'
import { MAX_STRUCTURES, type Structure, type StructureSet } from './structure-set.js'
import { checkMsgpack } from './value-check.js'

/**
 * What a value with structures begins with: a byte that MessagePack never uses, and the id of the
 * set (four bytes, big-endian).
 */
export const STRUCTURED = 0xc1
const PREFIX_BYTES = 5

/** How often an object of a structure must have been seen before the structure is shared. */
const SHARE_AFTER = 16

/** The set that a value needs; undefined when it is plain MessagePack. */
export function setIdOf(bytes: Uint8Array): number | undefined {
  if (bytes[0] !== STRUCTURED) return undefined
  if (bytes.length < PREFIX_BYTES) throw new TypeError('the value is cut off')
  return ((bytes[1]! << 24) | (bytes[2]! << 16) | (bytes[3]! << 8) | bytes[4]!) >>> 0
}

const plain = new Unpackr({ useRecords: false, mapsAsObjects: true, copyBuffers: true })

/** Reads plain MessagePack. Throws a TypeError for what is none. */
export function readPlain(bytes: Uint8Array): unknown {
  checkMsgpack(bytes, 0, undefined)
  return plain.unpack(bytes)
}

/** Reads the values of one set. */
export class StructuredReader {
  readonly #unpackr: Unpackr
  readonly #keyCounts: readonly number[]

  constructor(set: StructureSet) {
    this.#keyCounts = set.structures.map((keys) => keys.length)
    this.#unpackr = new Unpackr({
      structures: copyOf(set.structures),
      mapsAsObjects: true,
      copyBuffers: true,
    })
  }

  /** Throws a TypeError for what is no value of this set. */
  read(bytes: Uint8Array): unknown {
    checkMsgpack(bytes, PREFIX_BYTES, this.#keyCounts)
    return this.#unpackr.unpack(bytes, { start: PREFIX_BYTES })
  }
}

/**
 * Writes values with the structures that are shared so far, everything else as plain maps; and
 * notes which structures would be worth sharing.
 */
export class StructuredWriter {
  readonly #shapes: ShapeTree
  #packr: Packr
  #set: StructureSet | undefined
  #threshold = SHARE_AFTER
  /** Objects written by their structure in the value at hand. */
  #structured = 0

  /**
   * @param room - structures to share at most; 0: plain MessagePack only
   */
  constructor(room: number = MAX_STRUCTURES) {
    this.#shapes = new ShapeTree(room)
    this.#packr = this.#packing([])
  }

  /** The structures in use. */
  get structures(): readonly Structure[] {
    return this.#set?.structures ?? []
  }

  /** Structures that occur often and are not shared. */
  get wanted(): readonly Structure[] {
    return this.#shapes.wanted
  }

  /** From now on values use this set, which must be where every reader finds it. */
  use(set: StructureSet): void {
    this.#set = set
    this.#shapes.share(set.structures)
    this.#packr = this.#packing(set.structures)
  }

  /** The bytes are valid until they are copied into a batch, and longer. */
  write(value: unknown): Uint8Array {
    this.#structured = 0
    const packed = this.#packr.pack(value, RESERVE_START_SPACE | PREFIX_BYTES)
    // Whoever uses no structure needs no set: any MessagePack library reads it.
    if (this.#structured === 0) return packed.subarray(PREFIX_BYTES)
    packed[0] = STRUCTURED
    packed.writeUInt32BE(this.#set!.id, 1)
    return packed
  }

  /** Wants all structures of this value at once. */
  learn(value: unknown): void {
    this.#threshold = 1
    try {
      this.write(value)
    } finally {
      this.#threshold = SHARE_AFTER
    }
  }

  #packing(structures: readonly Structure[]): Packr {
    return new Packr({
      structures: copyOf(structures),
      // More than 64 together would make the names of structures two bytes long.
      maxSharedStructures: MAX_STRUCTURES,
      maxOwnStructures: MAX_STRUCTURES,
      useRecords: (object: object) => this.#isShared(object),
      variableMapSize: true,
    })
  }

  #isShared(object: object): boolean {
    if (!this.#shapes.isShared(object, this.#threshold)) return false
    this.#structured += 1
    return true
  }
}

/** msgpackr keeps what belongs to it in these arrays. */
function copyOf(structures: readonly Structure[]): string[][] {
  return structures.map((keys) => [...keys])
}

/** A copy for who has to wait before it reads: received bytes go back to their pool. */
export function kept(bytes: Uint8Array): Uint8Array {
  return Buffer.from(bytes)
}
