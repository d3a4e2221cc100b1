import type { Kind } from './schema.js'

/** Fixed-size primitives: reader and writer have a method `<kind>At`. */
type FixedAccessor =
  | 'int8At'
  | 'int16At'
  | 'int32At'
  | 'uint16At'
  | 'offsetAt'
  | 'timestampAt'
  | 'int64At'
  | 'float64At'
  | 'boolAt'
  | 'uuidAt'
type TextAccessor = 'string' | 'nullableString' | 'compactString' | 'compactNullableString'
type BytesAccessor =
  'byteArray' | 'nullableByteArray' | 'compactByteArray' | 'compactNullableByteArray'
type CountAccessor = 'count' | 'nullableCount' | 'compactCount' | 'compactNullableCount'

/** The method of `WireReader` and `WireWriter` for a kind; exactly one is set. */
export interface AccessorNames {
  readonly fixed?: FixedAccessor
  readonly text?: TextAccessor
  readonly bytes?: BytesAccessor
  readonly count?: CountAccessor
}

/** Which method reads or writes a kind; structs have none. */
export function accessorNames(kind: Kind, flexible: boolean, nullable: boolean): AccessorNames {
  switch (kind) {
    case 'string':
      return {
        text: flexible
          ? nullable
            ? 'compactNullableString'
            : 'compactString'
          : nullable
            ? 'nullableString'
            : 'string',
      }
    case 'bytes':
    case 'records':
      return {
        bytes: flexible
          ? nullable
            ? 'compactNullableByteArray'
            : 'compactByteArray'
          : nullable
            ? 'nullableByteArray'
            : 'byteArray',
      }
    case 'array':
      return {
        count: flexible
          ? nullable
            ? 'compactNullableCount'
            : 'compactCount'
          : nullable
            ? 'nullableCount'
            : 'count',
      }
    case 'struct':
      return {}
    default:
      return { fixed: `${kind}At` }
  }
}
