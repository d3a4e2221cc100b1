import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'

/** The keys of an object, in their order. */
export type Structure = readonly string[]

/**
 * The structures that a value may use, by number. Named by its content, so that it means the same
 * everywhere and for ever: who has a set cannot have another one under its name.
 */
export interface StructureSet {
  /** The first four bytes of {@link hash} as a number: what values carry. */
  readonly id: number
  /** SHA-256 of {@link text} in hexadecimal digits: the key of its record. */
  readonly hash: string
  /** A JSON array of arrays of keys: the value of its record. */
  readonly text: string
  readonly structures: readonly Structure[]
}

/** A structure is named by one byte, 0x40 to 0x5f. */
export const MAX_STRUCTURES = 32
/** Longer objects are rare, and their keys are data as a rule. */
const MAX_KEYS = 256
/** Of the text of a set. A reader takes no longer one from the log. */
const MAX_TEXT_BYTES = 64 * 1024

/** Makes a set; undefined when it would be too large to be read. */
export function structureSet(structures: readonly Structure[]): StructureSet | undefined {
  const text = JSON.stringify(structures)
  if (structures.length > MAX_STRUCTURES || !structures.every(isSharable)) return undefined
  if (Buffer.byteLength(text) > MAX_TEXT_BYTES) return undefined
  return namedSet(text, structures)
}

/**
 * The set in a record of the log; undefined for whatever is none: a tombstone, damage, something of
 * somebody else's. The hash proves that it is what its writer wrote.
 */
export function readStructureSet(
  key: Uint8Array | null,
  value: Uint8Array | null,
): StructureSet | undefined {
  if (key === null || value === null || value.length > MAX_TEXT_BYTES) return undefined
  const text = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8')
  const structures = parse(text)
  if (structures === undefined) return undefined
  const set = namedSet(text, structures)
  const hash = Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
  return set.hash === hash ? set : undefined
}

/** The id as people and error messages write it. */
export function idText(id: number): string {
  return id.toString(16).padStart(8, '0')
}

/** A structure that may be shared: not too long, no key that JavaScript would give a meaning. */
export function isSharable(keys: Structure): boolean {
  if (keys.length === 0 || keys.length > MAX_KEYS) return false
  return !keys.includes('__proto__') && new Set(keys).size === keys.length
}

/** Two structures are the same when their keys are, in the same order. */
export function structureKey(structure: Structure): string {
  return JSON.stringify(structure)
}

function namedSet(text: string, structures: readonly Structure[]): StructureSet {
  const hash = createHash('sha256').update(text).digest('hex')
  return { id: Number.parseInt(hash.slice(0, 8), 16), hash, text, structures }
}

function parse(text: string): Structure[] | undefined {
  let read: unknown
  try {
    read = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!Array.isArray(read) || read.length > MAX_STRUCTURES) return undefined
  return read.every(isStructure) ? read : undefined
}

function isStructure(candidate: unknown): candidate is Structure {
  if (!Array.isArray(candidate)) return false
  return candidate.every((key) => typeof key === 'string') && isSharable(candidate)
}
