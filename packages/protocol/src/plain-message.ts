import { ProtocolError } from './errors.js'
import { cannotCarry, isOptional } from './interpret.js'
import type { WireVersion } from './layout.js'
import { defaultValue, isArray, isDefault, isStruct, structLayout } from './layout.js'
import type { Kind, Schema, StructSchema } from './schema.js'

/**
 * Messages as plain objects for self-describing formats: `toPlain` leaves what one version carries,
 * under the same rules as the binary codec, and `fromPlain` turns what a peer sent, which may be
 * anything, into a message.
 */
type Values = Readonly<Record<string, unknown>>

export function toPlain(
  schema: StructSchema,
  at: WireVersion,
  value: unknown,
  path = 'message',
): Values {
  if (typeof value !== 'object' || value === null) throw invalid(path)
  const values = value as Values
  const layout = structLayout(schema, at)
  for (const { name, schema: field } of layout.absent) {
    if (!field.options.ignorable && !isDefault(field, values[name])) {
      throw cannotCarry(`${path}.${name}`, at.version)
    }
  }
  const plain: Record<string, unknown> = {}
  for (const { name, schema: field, nullable } of layout.fields) {
    const given = values[name]
    const fieldValue = given === undefined && isOptional(field) ? defaultValue(field) : given
    plain[name] = plainField(field, at, { value: fieldValue, nullable, path: `${path}.${name}` })
  }
  for (const { name, schema: field, nullable } of layout.tagged) {
    if (isDefault(field, values[name])) continue
    plain[name] = plainField(field, at, { value: values[name], nullable, path: `${path}.${name}` })
  }
  return plain
}

interface Place {
  readonly value: unknown
  readonly nullable: boolean
  readonly path: string
}

function plainField(schema: Schema, at: WireVersion, { value, nullable, path }: Place): unknown {
  if (value === null && nullable) return null
  if (isStruct(schema)) return toPlain(schema, at, value, path)
  if (isArray(schema)) {
    if (!Array.isArray(value)) throw invalid(path)
    return value.map((element: unknown) =>
      plainField(schema.of, at, { value: element, nullable: false, path }),
    )
  }
  if (!fits[schema.kind](value)) throw invalid(path)
  return value
}

/** KFK_PROTOCOL_MALFORMED when `plain` is not what {@link toPlain} gives for this version. */
export function fromPlain(
  schema: StructSchema,
  at: WireVersion,
  plain: unknown,
  path = 'message',
): Record<string, unknown> {
  if (typeof plain !== 'object' || plain === null || Array.isArray(plain)) throw malformed(path)
  const layout = structLayout(schema, at)
  const value: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(schema.fields)) value[name] = defaultValue(field)
  for (const { name, schema: field, nullable } of [...layout.fields, ...layout.tagged]) {
    if (Object.hasOwn(plain, name)) {
      const fieldValue = (plain as Values)[name]
      value[name] = messageField(field, at, {
        value: fieldValue,
        nullable,
        path: `${path}.${name}`,
      })
    } else if (layout.fields.some((present) => present.name === name)) {
      throw malformed(`${path}.${name}`)
    }
  }
  return value
}

function messageField(schema: Schema, at: WireVersion, { value, nullable, path }: Place): unknown {
  if (value === null && nullable) return null
  if (isStruct(schema)) return fromPlain(schema, at, value, path)
  if (isArray(schema)) {
    if (!Array.isArray(value)) throw malformed(path)
    return value.map((element: unknown) =>
      messageField(schema.of, at, { value: element, nullable: false, path }),
    )
  }
  const converted = convert(schema.kind, value)
  if (!fits[schema.kind](converted)) throw malformed(path)
  return converted
}

/** Peers may write a 64-bit integer as an integer or as a double, whichever is shorter. */
function convert(kind: Kind, value: unknown): unknown {
  if (typeof value === 'bigint' && kind !== 'int64') return Number(value)
  if (typeof value === 'number' && kind === 'int64' && Number.isInteger(value)) return BigInt(value)
  return value
}

const integer = (min: number, max: number) => (value: unknown) =>
  typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max

const isBytes = (value: unknown): boolean => value instanceof Uint8Array

const fits: Readonly<Record<Kind, (value: unknown) => boolean>> = {
  int8: integer(-0x80, 0x7f),
  int16: integer(-0x8000, 0x7fff),
  int32: integer(-0x80000000, 0x7fffffff),
  uint16: integer(0, 0xffff),
  offset: integer(-(2 ** 63), 2 ** 63),
  timestamp: integer(-(2 ** 63), 2 ** 63),
  int64: (value) => typeof value === 'bigint' && BigInt.asIntN(64, value) === value,
  float64: (value) => typeof value === 'number',
  bool: (value) => typeof value === 'boolean',
  string: (value) => typeof value === 'string' && Buffer.byteLength(value) <= 0x7fff,
  uuid: (value) => typeof value === 'string' && /^[\w-]{22}$/.test(value),
  bytes: isBytes,
  records: isBytes,
  array: Array.isArray,
  struct: (value) => typeof value === 'object',
}

function invalid(path: string): ProtocolError {
  return new ProtocolError('KFK_PROTOCOL_INVALID_ARGUMENT', `${path} cannot carry this value`, {
    details: { path },
  })
}

function malformed(path: string): ProtocolError {
  return new ProtocolError('KFK_PROTOCOL_MALFORMED', `${path} is missing or of another type`, {
    details: { path },
  })
}
