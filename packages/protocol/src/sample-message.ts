import type { WireVersion } from './layout.js'
import { isArray, isStruct, structLayout } from './layout.js'
import type { Schema, StructSchema } from './schema.js'

/**
 * Messages that fill every field of a version with values that differ from each other and from the
 * defaults, the same ones for the same seed. For compliance tests and benchmarks.
 */
export function sampleMessage(
  schema: StructSchema,
  at: WireVersion,
  seed = 1,
): Record<string, unknown> {
  return new Sampler(at, seed).struct(schema)
}

class Sampler {
  readonly #at: WireVersion
  #next: number

  constructor(at: WireVersion, seed: number) {
    this.#at = at
    this.#next = seed
  }

  struct(schema: StructSchema): Record<string, unknown> {
    const { fields, tagged } = structLayout(schema, this.#at)
    const value: Record<string, unknown> = {}
    for (const field of [...fields, ...tagged]) {
      // Now and then a null, where the version has one.
      value[field.name] =
        field.nullable && this.#count() % 4 === 0 ? null : this.#value(field.schema)
    }
    return value
  }

  #value(schema: Schema): unknown {
    if (isStruct(schema)) return this.struct(schema)
    if (isArray(schema)) {
      return Array.from({ length: this.#count() % 3 }, () => this.#value(schema.of))
    }
    const count = this.#count()
    switch (schema.kind) {
      case 'bool':
        return count % 2 === 0
      case 'int8':
        return count % 0x80
      case 'string':
        return `text ${count} é`
      case 'uuid':
        return count.toString(36).padStart(21, 'k') + 'A'
      case 'bytes':
        return new Uint8Array(count % 50).fill(count)
      case 'records':
        // Around the size from which a codec may pass bytes by reference.
        return new Uint8Array(count % 2 === 0 ? 10 : 3000).fill(count)
      case 'int64':
        return BigInt(count) * 1_000_000_007n
      case 'offset':
      case 'timestamp':
        return count * 10_000_000_019
      case 'float64':
        return count / 8
      default:
        return count % 0x8000
    }
  }

  #count(): number {
    this.#next = (this.#next * 31 + 7) % 8191
    return this.#next
  }
}
