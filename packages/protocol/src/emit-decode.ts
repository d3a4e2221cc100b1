import type { FieldLayout, WireVersion } from './layout.js'
import { fixedBytes, isArray, isStruct, minimumBytes, structLayout } from './layout.js'
import type { ArraySchema, Schema, StructSchema } from './schema.js'
import { ZERO_UUID } from './schema.js'
import type { Source } from './source.js'
import { accessorNames } from './wire-accessors.js'

/**
 * The source of a default as {@link defaultValue} makes it; lists and structs are new ones each
 * time.
 */
export function defaultSource(schema: Schema): string {
  const given = schema.options.default
  if (given === null) return 'null'
  if (isStruct(schema)) {
    const fields = Object.entries(schema.fields)
    return `{ ${fields.map(([name, field]) => `${name}: ${defaultSource(field)}`).join(', ')} }`
  }
  switch (schema.kind) {
    case 'array':
      return '[]'
    case 'bytes':
    case 'records':
      return 'EMPTY_BYTES'
    case 'int64':
      return `${(given ?? 0n) as bigint}n`
    case 'string':
      return JSON.stringify(given ?? '')
    case 'uuid':
      return JSON.stringify(given ?? ZERO_UUID)
    case 'bool':
      return JSON.stringify(given ?? false)
    default:
      return JSON.stringify(given ?? 0)
  }
}

/**
 * Emits statements that read a struct, and returns the expression of its value. Neighbouring
 * fixed-size fields are stepped over at once and read inside the object literal.
 */
export function emitDecodeStruct(source: Source, schema: StructSchema, at: WireVersion): string {
  const layout = structLayout(schema, at)
  const values = new Map<string, string>()
  let run: { base: string; index: number; bytes: number } | undefined
  const endRun = (): void => {
    if (run) source.replaceLine(run.index, `const ${run.base} = r.take(${run.bytes})`)
    run = undefined
  }
  for (const field of layout.fields) {
    const size = fixedBytes[field.schema.kind]
    if (size === undefined) {
      endRun()
      values.set(field.name, emitDecodeField(source, field, at))
      continue
    }
    run ??= { base: source.name('p'), index: source.line(''), bytes: 0 }
    const { fixed } = accessorNames(field.schema.kind, at.flexible, false)
    values.set(field.name, `r.${fixed!}(${run.base} + ${run.bytes})`)
    run.bytes += size
  }
  endRun()
  emitDecodeTags(source, { tagged: layout.tagged, values, at })
  const entries = Object.entries(schema.fields).map(
    ([name, field]) => `${name}: ${values.get(name) ?? defaultSource(field)}`,
  )
  return `{ ${entries.join(', ')} }`
}

function emitDecodeTags(
  source: Source,
  struct: {
    tagged: readonly (FieldLayout & { tag: number })[]
    values: Map<string, string>
    at: WireVersion
  },
): void {
  if (!struct.at.flexible) return
  if (struct.tagged.length === 0) {
    source.line('r.skipTags()')
    return
  }
  for (const field of struct.tagged) {
    const name = source.name('t')
    source.line(`let ${name} = ${defaultSource(field.schema)}`)
    struct.values.set(field.name, name)
  }
  const [left, tag, outer] = [source.name('left'), source.name('tag'), source.name('outer')]
  source.line(`for (let ${left} = r.tagCount(), ${tag} = -1; ${left} > 0; ${left} -= 1) {`)
  source.line(`${tag} = r.tagAfter(${tag})`)
  source.line(`const ${outer} = r.enterTag()`)
  source.line(`switch (${tag}) {`)
  for (const field of struct.tagged) {
    source.line(`case ${field.tag}: {`)
    const value = emitDecodeField(source, field, struct.at)
    source.line(`${struct.values.get(field.name)!} = ${value}`)
    source.line('break }')
  }
  source.line('default: r.skipTag() }')
  source.line(`r.leaveTag(${outer}) }`)
}

function emitDecodeField(source: Source, field: FieldLayout, at: WireVersion): string {
  const { schema, nullable } = field
  if (isStruct(schema)) {
    if (!nullable) return emitDecodeStruct(source, schema, at)
    const value = source.name('s')
    source.line(`let ${value} = null`)
    source.line('if (r.structIsPresent()) {')
    source.line(`${value} = ${emitDecodeStruct(source, schema, at)} }`)
    return value
  }
  if (isArray(schema)) return emitDecodeArray(source, { schema, nullable, at })
  const { fixed, text, bytes } = accessorNames(schema.kind, at.flexible, nullable)
  const value = source.name('v')
  source.line(
    fixed
      ? `const ${value} = r.${fixed}(r.take(${fixedBytes[schema.kind]!}))`
      : `const ${value} = r.${text ?? bytes!}()`,
  )
  return value
}

function emitDecodeArray(
  source: Source,
  { schema, nullable, at }: { schema: ArraySchema; nullable: boolean; at: WireVersion },
): string {
  const [list, length, index] = [source.name('a'), source.name('n'), source.name('i')]
  const { count } = accessorNames('array', at.flexible, nullable)
  source.line(`const ${length} = r.${count!}(${minimumBytes(schema.of, at)})`)
  source.line(
    nullable
      ? `const ${list} = ${length} < 0 ? null : new Array(${length})`
      : `const ${list} = new Array(${length})`,
  )
  source.line(`for (let ${index} = 0; ${index} < ${length}; ${index} += 1) {`)
  const element = emitDecodeField(source, { name: '', schema: schema.of, nullable: false }, at)
  source.line(`${list}[${index}] = ${element} }`)
  return list
}
