import { buildMessage } from './compile.js'
import { ProtocolError } from './errors.js'
import type { MessageCodec } from './interpret.js'
import type { Encodable, Infer, StructSchema } from './schema.js'
import { WireReader } from './wire-reader.js'
import { WireWriter } from './wire-writer.js'

/** Data with an int16 version in front, as embedded in messages and stored in internal topics. */
export interface Versioned<S extends StructSchema = StructSchema> {
  readonly name: string
  readonly versions: readonly [min: number, max: number]
  /** First flexible version. Left out: none is. */
  readonly flexibleSince?: number
  readonly schema: S
}

const VERSION_BYTES = 2
const PREFIX_BYTES = 4
/** Partitions of one subscription or assignment, members of one group, and the like. */
const MAX_ELEMENTS = 1_000_000

const writer = new WireWriter()
const codecs = new WeakMap<StructSchema, Map<number, MessageCodec>>()

/** Encodes `value` with its version in front. The buffer is the caller's. */
export function encodeVersioned<S extends StructSchema>(
  type: Versioned<S>,
  version: number,
  value: Encodable<S>,
): Buffer {
  const codec = codecOf(type, version)
  writer.begin()
  writer.int16(version)
  codec.encode(writer, value)
  return Buffer.concat(writer.finish()).subarray(PREFIX_BYTES)
}

/**
 * Decodes what {@link encodeVersioned} wrote, in any version. Byte fields are views of `data`.
 * A version above the latest is KFK_PROTOCOL_UNSUPPORTED_VERSION, or read as the latest where later
 * versions are known to append only.
 */
export function decodeVersioned<S extends StructSchema>(
  type: Versioned<S>,
  data: Uint8Array,
  options: { newer?: 'refuse' | 'as-latest' } = {},
): Infer<S> {
  let version = peekVersion(data)
  if (options.newer === 'as-latest') version = Math.min(version, type.versions[1])
  const reader = new WireReader(data, VERSION_BYTES, MAX_ELEMENTS)
  return codecOf(type, version).decode(reader) as Infer<S>
}

/** The version in front of versioned data. */
export function peekVersion(data: Uint8Array): number {
  const reader = new WireReader(data, 0, 0)
  return reader.int16At(reader.take(VERSION_BYTES))
}

function codecOf(type: Versioned, version: number): MessageCodec {
  const [min, max] = type.versions
  if (!Number.isInteger(version) || version < min || version > max) {
    throw new ProtocolError(
      'KFK_PROTOCOL_UNSUPPORTED_VERSION',
      `${type.name} has versions ${min} to ${max}, not ${version}`,
      { details: { name: type.name, version, min, max } },
    )
  }
  let versions = codecs.get(type.schema)
  if (versions === undefined) codecs.set(type.schema, (versions = new Map<number, MessageCodec>()))
  let codec = versions.get(version)
  if (codec === undefined) {
    codec = buildMessage(type.schema, {
      version,
      flexible: version >= (type.flexibleSince ?? Infinity),
    })
    versions.set(version, codec)
  }
  return codec
}
