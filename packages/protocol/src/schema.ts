import { ProtocolError } from './errors.js'

/**
 * The schema language of the wire protocol. One object describes every version of a message: a
 * field says in which versions it exists, and a version decides only how the bytes look. Decoded
 * values have every field; a field that the version lacks holds its default.
 */
export type Kind =
  | 'int8'
  | 'int16'
  | 'int32'
  | 'uint16'
  | 'offset'
  | 'timestamp'
  | 'int64'
  | 'float64'
  | 'bool'
  | 'string'
  | 'uuid'
  | 'bytes'
  | 'records'
  | 'array'
  | 'struct'

/** Options of a field. Versions are those of the API the field belongs to. */
export interface FieldOptions<T = unknown> {
  /** First version with this field. Left out: the API's first version. */
  readonly since?: number
  /** Last version with this field. Left out: still there. */
  readonly until?: number
  /** `true`, or the first version in which `null` is allowed. */
  readonly nullable?: boolean | number
  /** Number of the tagged field (KIP-482) that carries it: optional on the wire. */
  readonly tag?: number
  /** First version in which the field is tagged. Left out: `since`. */
  readonly taggedSince?: number
  /** Value when the field is absent. Left out: 0, '', false, empty, or a struct of defaults. */
  readonly default?: T | null
  /** A value that the version cannot carry is dropped; without it, encoding such a value fails. */
  readonly ignorable?: boolean
}

/** A type of the wire. `Out`, `In` and `Optional` exist for the type checker only. */
export interface Schema<Out = unknown, In = unknown, Optional extends boolean = boolean> {
  readonly kind: Kind
  readonly options: FieldOptions
  readonly inferred?: { readonly out: Out; readonly in: In; readonly optional: Optional }
}

/** A schema of ordered, named fields. */
export interface StructSchema<
  Fields extends SchemaFields = SchemaFields,
  Null = never,
  Optional extends boolean = boolean,
> extends Schema<InferFields<Fields> | Null, EncodableFields<Fields> | Null, Optional> {
  readonly kind: 'struct'
  readonly fields: Fields
}

/** A schema of a counted list. */
export interface ArraySchema<
  Element extends Schema = Schema,
  Null = never,
  Optional extends boolean = boolean,
> extends Schema<Infer<Element>[] | Null, readonly Encodable<Element>[] | Null, Optional> {
  readonly kind: 'array'
  readonly of: Element
}

export type SchemaFields = Readonly<Record<string, Schema>>

/** The value that decoding gives: every field is present. */
export type Infer<S> = S extends { readonly inferred?: { readonly out: infer Out } } ? Out : never

/**
 * The value that encoding takes: a field with a default, a tag, a `since` or an `until` may be left
 * out.
 */
export type Encodable<S> = S extends { readonly inferred?: { readonly in: infer In } } ? In : never

type InferFields<Fields> = { -readonly [Name in keyof Fields]: Infer<Fields[Name]> }

type OptionalNames<Fields> = {
  [Name in keyof Fields]: Fields[Name] extends {
    readonly inferred?: { readonly optional: infer Optional }
  }
    ? true extends Optional
      ? Name
      : never
    : never
}[keyof Fields]

type EncodableFields<Fields> = {
  readonly [Name in Exclude<keyof Fields, OptionalNames<Fields>>]: Encodable<Fields[Name]>
} & { readonly [Name in OptionalNames<Fields>]?: Encodable<Fields[Name]> | undefined }

type NullOf<Options> = Options extends { readonly nullable: true | number } ? null : never

type OptionalOf<Options> = Options extends
  | { readonly default: unknown }
  | { readonly tag: number }
  | { readonly since: number }
  | { readonly until: number }
  ? true
  : false

type Scalar<T, Options> = Schema<T | NullOf<Options>, T | NullOf<Options>, OptionalOf<Options>>

// The phantom `inferred` is never set: only the declared return type carries it.
function scalar<T>(kind: Kind) {
  return <const Options extends FieldOptions<T> = object>(
    options?: Options,
  ): Scalar<T, Options> => ({ kind, options: options ?? {} })
}

/** Signed 8-bit integer. */
export const int8 = scalar<number>('int8')
/** Signed 16-bit integer. */
export const int16 = scalar<number>('int16')
/** Signed 32-bit integer. */
export const int32 = scalar<number>('int32')
/** Unsigned 16-bit integer. */
export const uint16 = scalar<number>('uint16')
/**
 * A position in a log: int64 on the wire, `number` here, exact to 2^53 - 1. Values beyond that are
 * no log's offsets; they decode to the nearest double, and {@link INT64_MAX} stands for 2^63 - 1.
 */
export const offset = scalar<number>('offset')
/** Milliseconds since 1970: int64 on the wire, `number` here, with the limits of {@link offset}. */
export const timestamp = scalar<number>('timestamp')
/** Signed 64-bit integer that is neither an offset nor a timestamp: a `bigint`. */
export const int64 = scalar<bigint>('int64')
/** IEEE 754 double. */
export const float64 = scalar<number>('float64')
/** One byte: 0 is false, anything else is true. */
export const bool = scalar<boolean>('bool')
/** UTF-8 text. */
export const string = scalar<string>('string')
/** 16 bytes, here as 22 characters of base64url. The default is {@link ZERO_UUID}. */
export const uuid = scalar<string>('uuid')
/** Bytes. A decoded value is a view of the frame: copy what outlives it. */
export const bytes = scalar<Uint8Array>('bytes')
/** Record batches, never decoded here. A decoded value is a view of the frame. */
export const records = scalar<Uint8Array>('records')

/** A list of `of`. Options other than those of the list itself belong to the list. */
export function array<
  Element extends Schema,
  const Options extends FieldOptions<readonly []> = object,
>(of: Element, options?: Options): ArraySchema<Element, NullOf<Options>, OptionalOf<Options>> {
  return { kind: 'array', of, options: options ?? {} }
}

/**
 * Named fields in wire order. Names must be plain identifiers that `Object.prototype` does not
 * have.
 */
export function struct<
  Fields extends SchemaFields,
  const Options extends FieldOptions<never> = object,
>(fields: Fields, options?: Options): StructSchema<Fields, NullOf<Options>, OptionalOf<Options>> {
  for (const name of Object.keys(fields)) {
    // Compiled codecs name these properties in source text.
    if (!/^[a-z][A-Za-z0-9]*$/.test(name) || name in Object.prototype) {
      throw new ProtocolError('KFK_PROTOCOL_INVALID_ARGUMENT', `impossible field name '${name}'`)
    }
  }
  return { kind: 'struct', fields, options: options ?? {} }
}

/** The UUID of 16 zero bytes: "no id". */
export const ZERO_UUID = 'AAAAAAAAAAAAAAAAAAAAAA'

/**
 * 2^63 - 1, Java's Long.MAX_VALUE, as an offset: exact on the wire although no double equals it.
 */
export const INT64_MAX = 2 ** 63
