import fc from 'fast-check'
import { isArray, isStruct, structLayout } from '../src/layout.js'
import type { WireVersion } from '../src/layout.js'
import type { Schema, StructSchema } from '../src/schema.js'
import { INT64_MAX } from '../src/schema.js'

const safe = { min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER }

const scalars: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  int8: fc.integer({ min: -0x80, max: 0x7f }),
  int16: fc.integer({ min: -0x8000, max: 0x7fff }),
  int32: fc.integer({ min: -0x80000000, max: 0x7fffffff }),
  uint16: fc.integer({ min: 0, max: 0xffff }),
  offset: fc.oneof(fc.integer(safe), fc.constant(INT64_MAX), fc.integer({ min: -2, max: 9 })),
  timestamp: fc.integer(safe),
  int64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  float64: fc.double({ noNaN: true }),
  bool: fc.boolean(),
  string: fc.oneof(
    fc.string({ unit: 'binary', maxLength: 12 }),
    fc.string({ unit: 'grapheme', maxLength: 150 }),
    fc.constantFrom('__proto__', 'constructor', '', 'toString'),
  ),
  uuid: fc
    .uint8Array({ minLength: 16, maxLength: 16 })
    .map((bytes) => Buffer.from(bytes).toString('base64url')),
  bytes: fc.uint8Array({ maxLength: 40 }),
  records: fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.constantFrom(1023, 1024, 5000).map((length) => new Uint8Array(length).fill(length)),
  ),
}

/** Values of a message as `at` decodes them: fields that the version lacks are left out of the input. */
export function arbitraryMessage(
  schema: StructSchema,
  at: WireVersion,
): fc.Arbitrary<Record<string, unknown>> {
  const layout = structLayout(schema, at)
  const required: Record<string, fc.Arbitrary<unknown>> = {}
  for (const { name, schema: field, nullable } of [...layout.fields, ...layout.tagged]) {
    const value = arbitraryValue(field, at)
    required[name] = nullable ? fc.option(value, { nil: null, freq: 4 }) : value
  }
  return fc.record(required)
}

function arbitraryValue(schema: Schema, at: WireVersion): fc.Arbitrary<unknown> {
  if (isStruct(schema)) return arbitraryMessage(schema, at)
  if (isArray(schema)) return fc.array(arbitraryValue(schema.of, at), { maxLength: 3 })
  return scalars[schema.kind]!
}
