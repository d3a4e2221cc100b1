import fc from 'fast-check'
import { apis } from '../src/api-keys.js'
import type { Api } from '../src/api.js'
import { compileMessage } from '../src/compile.js'
import { interpretMessage } from '../src/interpret.js'
import { defaultValue } from '../src/layout.js'
import type { StructSchema } from '../src/schema.js'
import { WireReader } from '../src/wire-reader.js'
import { WireWriter } from '../src/wire-writer.js'
import { arbitraryMessage } from './arbitrary-message.js'

/** Views of different buffers compare equal by content only when they are of the same class. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return { bytes: Buffer.from(value).toString('hex') }
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, plain(field)]))
  }
  return value
}

/** What decoding gives for a value that was encoded: the fields it left out hold their defaults. */
function completed(schema: StructSchema, value: Record<string, unknown>): unknown {
  const result: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(schema.fields)) {
    const given = value[name]
    if (given === undefined) result[name] = defaultValue(field)
    else if (
      Array.isArray(given) &&
      'of' in field &&
      (field.of as StructSchema).kind === 'struct'
    ) {
      result[name] = given.map((element) => completed(field.of as StructSchema, element))
    } else if (field.kind === 'struct' && given !== null) {
      result[name] = completed(field as StructSchema, given as Record<string, unknown>)
    } else result[name] = given
  }
  return result
}

const writer = new WireWriter()

const cases = Object.values<Api>(apis).flatMap((api) =>
  (['request', 'response'] as const).flatMap((direction) =>
    Array.from({ length: api.versions[1] - api.versions[0] + 1 }, (_, index) => {
      const version = api.versions[0] + index
      const at = { version, flexible: version >= api.flexibleSince }
      return { name: `${api.name} ${direction} ${version}`, schema: api[direction], at }
    }),
  ),
)

test.each(cases)('$name: compiled and interpreted codec agree on bytes and values', (message) => {
  const { schema, at } = message
  const compiled = compileMessage(schema, at)
  const interpreted = interpretMessage(schema, at)
  fc.assert(
    fc.property(arbitraryMessage(schema, at), (value) => {
      const frames = [compiled, interpreted].map((codec) => {
        writer.begin()
        codec.encode(writer, value)
        return Buffer.concat(writer.finish())
      })
      expect(frames[0]!.equals(frames[1]!)).toBe(true)
      expect(frames[0]!.readInt32BE(0)).toBe(frames[0]!.length - 4)
      const expected = plain(completed(schema, value))
      for (const codec of [compiled, interpreted]) {
        const reader = new WireReader(frames[0]!, 4, 1000)
        expect(plain(codec.decode(reader))).toEqual(expected)
        expect(reader.position).toBe(frames[0]!.length)
      }
    }),
    { numRuns: 25, seed: 1 },
  )
})
