import type { ArraySchema, Kind, Schema, StructSchema } from './schema.js'
import { ZERO_UUID } from './schema.js'

/** A field as one version sees it. */
export interface FieldLayout {
  readonly name: string
  readonly schema: Schema
  /** Whether this version can carry `null`. */
  readonly nullable: boolean
}

/** A struct as one version sees it. Compiler, interpreter and plain messages all work from this. */
export interface StructLayout {
  /** Fields that are always on the wire, in wire order. */
  readonly fields: readonly FieldLayout[]
  /** Tagged fields by ascending tag. */
  readonly tagged: readonly (FieldLayout & { readonly tag: number })[]
  /** Fields that this version lacks. */
  readonly absent: readonly FieldLayout[]
}

/**
 * A version of an API, and whether it is flexible: lengths are compact, structs end with tagged
 * fields.
 */
export interface WireVersion {
  readonly version: number
  readonly flexible: boolean
}

/** Bytes of the kinds whose size does not depend on the value. */
export const fixedBytes: Readonly<Partial<Record<Kind, number>>> = {
  int8: 1,
  bool: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  offset: 8,
  timestamp: 8,
  int64: 8,
  float64: 8,
  uuid: 16,
}

export function isArray(schema: Schema): schema is ArraySchema {
  return schema.kind === 'array'
}

export function isStruct(schema: Schema): schema is StructSchema {
  return schema.kind === 'struct'
}

/** Sorts the fields of a struct into those that `at` carries, carries tagged, and lacks. */
export function structLayout(struct: StructSchema, at: WireVersion): StructLayout {
  const fields: FieldLayout[] = []
  const tagged: (FieldLayout & { tag: number })[] = []
  const absent: FieldLayout[] = []
  for (const [name, schema] of Object.entries(struct.fields)) {
    const {
      since = 0,
      until = Infinity,
      nullable = false,
      tag,
      taggedSince = since,
    } = schema.options
    const canBeNull = typeof nullable === 'number' ? at.version >= nullable : nullable
    const field = { name, schema, nullable: canBeNull }
    if (at.version < since || at.version > until) absent.push(field)
    else if (tag === undefined || at.version < taggedSince) fields.push(field)
    else if (at.flexible) tagged.push({ ...field, tag })
    else absent.push(field)
  }
  tagged.sort((left, right) => left.tag - right.tag)
  return { fields, tagged, absent }
}

/** The fewest bytes that a value of `schema` takes: what bounds the count of an array. */
export function minimumBytes(schema: Schema, at: WireVersion, nullable = false): number {
  const fixed = fixedBytes[schema.kind]
  if (fixed !== undefined) return fixed
  if (isStruct(schema)) {
    if (nullable) return 1
    let sum = at.flexible ? 1 : 0
    for (const field of structLayout(schema, at).fields) {
      sum += minimumBytes(field.schema, at, field.nullable)
    }
    return sum
  }
  if (at.flexible) return 1
  return schema.kind === 'string' ? 2 : 4
}

const EMPTY_BYTES = new Uint8Array(0)

/** The value of a field that is not on the wire; lists and structs are new ones. */
export function defaultValue(schema: Schema): unknown {
  const given = schema.options.default
  if (given === null) return null
  if (isStruct(schema)) {
    const value: Record<string, unknown> = {}
    for (const [name, field] of Object.entries(schema.fields)) value[name] = defaultValue(field)
    return value
  }
  if (schema.kind === 'array') return []
  if (given !== undefined) return given
  switch (schema.kind) {
    case 'string':
      return ''
    case 'uuid':
      return ZERO_UUID
    case 'bool':
      return false
    case 'int64':
      return 0n
    case 'bytes':
    case 'records':
      return EMPTY_BYTES
    default:
      return 0
  }
}

/** Whether leaving `value` out loses nothing, because the reader puts it in again. */
export function isDefault(schema: Schema, value: unknown): boolean {
  if (value === undefined) return true
  if (value === null || schema.options.default === null) return schema.options.default === value
  if (isStruct(schema)) {
    const fields = value as Readonly<Record<string, unknown>>
    return Object.entries(schema.fields).every(([name, field]) => isDefault(field, fields[name]))
  }
  if (schema.kind === 'array') return Array.isArray(value) && value.length === 0
  if (schema.kind === 'bytes' || schema.kind === 'records') {
    return value instanceof Uint8Array && value.length === 0
  }
  return value === defaultValue(schema)
}
