import { ProtocolError } from './errors.js'
import type { FieldLayout, WireVersion } from './layout.js'
import {
  defaultValue,
  fixedBytes,
  isArray,
  isDefault,
  isStruct,
  minimumBytes,
  structLayout,
} from './layout.js'
import type { ArraySchema, Schema, StructSchema } from './schema.js'
import { accessorNames } from './wire-accessors.js'
import type { WireReader } from './wire-reader.js'
import type { WireWriter } from './wire-writer.js'

/** How one version of a message is written and read. */
export interface MessageCodec {
  encode(writer: WireWriter, value: unknown): void
  decode(reader: WireReader): unknown
}

type Decode = (reader: WireReader) => unknown
type Encode = (writer: WireWriter, value: unknown) => void
type Values = Readonly<Record<string, unknown>>

/**
 * A codec made of one closure per field. Slower than the compiled one by a factor of two to four;
 * tests hold the compiled one against it, and it serves where code generation is disallowed.
 */
export function interpretMessage(schema: StructSchema, at: WireVersion): MessageCodec {
  return { encode: encodeStruct(schema, at, 'message'), decode: decodeStruct(schema, at) }
}

function decodeField(schema: Schema, at: WireVersion, nullable: boolean): Decode {
  if (isStruct(schema)) {
    const decode = decodeStruct(schema, at)
    return nullable ? (reader) => (reader.structIsPresent() ? decode(reader) : null) : decode
  }
  if (isArray(schema)) return decodeArray(schema, at, nullable)
  const { fixed, text, bytes } = accessorNames(schema.kind, at.flexible, nullable)
  if (fixed) {
    const size = fixedBytes[schema.kind]!
    return (reader) => reader[fixed](reader.take(size))
  }
  const name = text ?? bytes!
  return (reader) => reader[name]()
}

function decodeArray(schema: ArraySchema, at: WireVersion, nullable: boolean): Decode {
  const { count } = accessorNames('array', at.flexible, nullable)
  const minimum = minimumBytes(schema.of, at)
  const decodeElement = decodeField(schema.of, at, false)
  return (reader) => {
    const length = reader[count!](minimum)
    if (length < 0) return null
    const list: unknown[] = []
    for (let index = 0; index < length; index += 1) list.push(decodeElement(reader))
    return list
  }
}

function decodeStruct(schema: StructSchema, at: WireVersion): Decode {
  const layout = structLayout(schema, at)
  const fields = layout.fields.map(
    (field) => [field.name, decodeField(field.schema, at, field.nullable)] as const,
  )
  const tagged = new Map(
    layout.tagged.map(
      (field) => [field.tag, [field.name, decodeField(field.schema, at, field.nullable)]] as const,
    ),
  )
  const names = Object.keys(schema.fields)
  return (reader) => {
    const value: Record<string, unknown> = {}
    // First the defaults, which also settles the order of the properties.
    for (const name of names) value[name] = defaultValue(schema.fields[name]!)
    for (const [name, decode] of fields) value[name] = decode(reader)
    if (!at.flexible) return value
    let previous = -1
    for (let left = reader.tagCount(); left > 0; left -= 1) {
      previous = reader.tagAfter(previous)
      const outer = reader.enterTag()
      const known = tagged.get(previous)
      if (known) value[known[0]] = known[1](reader)
      else reader.skipTag()
      reader.leaveTag(outer)
    }
    return value
  }
}

function encodeField(field: FieldLayout, at: WireVersion, path: string): Encode {
  const { schema, nullable } = field
  if (isStruct(schema)) {
    const encode = encodeStruct(schema, at, path)
    if (!nullable) return encode
    return (writer, value) => {
      if (writer.structIsPresent(value)) encode(writer, value)
    }
  }
  if (isArray(schema)) return encodeArray(schema, at, { nullable, path })
  const { fixed, text, bytes } = accessorNames(schema.kind, at.flexible, nullable)
  if (fixed) {
    const size = fixedBytes[schema.kind]!
    // The accessor checks the type of the value, so any may be passed.
    return (writer, value) => writer[fixed](writer.reserve(size), value as never, path)
  }
  const name = text ?? bytes!
  return (writer, value) => writer[name](value as never, path)
}

function encodeArray(
  schema: ArraySchema,
  at: WireVersion,
  { nullable, path }: { nullable: boolean; path: string },
): Encode {
  const { count } = accessorNames('array', at.flexible, nullable)
  const encodeElement = encodeField({ name: path, schema: schema.of, nullable: false }, at, path)
  return (writer, value) => {
    const list = value as readonly unknown[]
    const length = writer[count!](list, path)
    for (let index = 0; index < length; index += 1) encodeElement(writer, list[index])
  }
}

function encodeStruct(schema: StructSchema, at: WireVersion, path: string): Encode {
  const layout = structLayout(schema, at)
  const withEncoder = <Field extends FieldLayout>(field: Field) => ({
    ...field,
    encode: encodeField(field, at, `${path}.${field.name}`),
  })
  const fields = layout.fields.map(withEncoder)
  const tagged = layout.tagged.map(withEncoder)
  return (writer, value) => {
    writer.object(value, path)
    const values = value as Values
    for (const field of layout.absent) {
      if (!field.schema.options.ignorable && !isDefault(field.schema, values[field.name])) {
        throw cannotCarry(`${path}.${field.name}`, at.version)
      }
    }
    for (const { name, schema: fieldSchema, encode } of fields) {
      encode(writer, valueOrDefault(fieldSchema, values[name]))
    }
    if (!at.flexible) return
    const present = tagged.filter((field) => !isDefault(field.schema, values[field.name]))
    writer.varint(present.length)
    for (const field of present) {
      const mark = writer.beginTag(field.tag)
      field.encode(writer, values[field.name])
      writer.endTag(mark)
    }
  }
}

function valueOrDefault(schema: Schema, value: unknown): unknown {
  return value === undefined && isOptional(schema) ? defaultValue(schema) : value
}

/** Whether a value to encode may leave the field out: the run-time side of `Encodable`. */
export function isOptional({ options }: Schema): boolean {
  return (
    options.default !== undefined ||
    options.since !== undefined ||
    options.until !== undefined ||
    options.tag !== undefined
  )
}

/** The error for a value that this version of the message cannot carry. */
export function cannotCarry(path: string, version: number): ProtocolError {
  return new ProtocolError(
    'KFK_PROTOCOL_UNSUPPORTED_VERSION',
    `${path} has a value that version ${version} cannot carry`,
    { details: { path, version } },
  )
}
