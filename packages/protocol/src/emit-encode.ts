import { defaultSource } from './emit-decode.js'
import { isOptional } from './interpret.js'
import type { FieldLayout, WireVersion } from './layout.js'
import { fixedBytes, isArray, isStruct, structLayout } from './layout.js'
import type { Schema, StructSchema } from './schema.js'
import type { Source } from './source.js'
import { accessorNames } from './wire-accessors.js'

/** Where in a message the emitted statements stand. */
interface Place {
  readonly at: WireVersion
  /** Expression of the value to write. */
  readonly value: string
  /** Names of the fields that lead here, for error messages. */
  readonly path: string
}

/** Emits statements that write the struct `place.value`. */
export function emitEncodeStruct(source: Source, schema: StructSchema, place: Place): void {
  const { at, value, path } = place
  const layout = structLayout(schema, at)
  source.line(`w.object(${value}, ${JSON.stringify(path)})`)
  for (const field of layout.absent) {
    if (field.schema.options.ignorable) continue
    const lost = JSON.stringify(`${path}.${field.name}`)
    source.line(`if (${notDefault(source, field.schema, `${value}.${field.name}`)})`)
    source.line(`throw cannotCarry(${lost}, ${at.version})`)
  }
  let run: FieldLayout[] = []
  for (const field of layout.fields) {
    if (fixedBytes[field.schema.kind] !== undefined) {
      run.push(field)
      continue
    }
    emitFixedRun(source, run, place)
    run = []
    emitEncodeField(source, field, {
      at,
      value: emitRead(source, field, value),
      path: `${path}.${field.name}`,
    })
  }
  emitFixedRun(source, run, place)
  if (at.flexible) emitEncodeTags(source, layout.tagged, place)
}

/** Reads a field of the value into a local, with its default when it may be left out. */
function emitRead(source: Source, field: FieldLayout, value: string): string {
  const name = source.name('v')
  source.line(`let ${name} = ${value}.${field.name}`)
  if (isOptional(field.schema)) {
    source.line(`if (${name} === undefined) ${name} = ${defaultSource(field.schema)}`)
  }
  return name
}

/** Neighbouring fixed-size fields share one bounds check. */
function emitFixedRun(source: Source, run: readonly FieldLayout[], place: Place): void {
  if (run.length === 0) return
  const values = run.map((field) => emitRead(source, field, place.value))
  const base = source.name('p')
  const index = source.line('')
  let bytes = 0
  for (const [position, field] of run.entries()) {
    const { fixed } = accessorNames(field.schema.kind, place.at.flexible, false)
    const path = JSON.stringify(`${place.path}.${field.name}`)
    source.line(`w.${fixed!}(${base} + ${bytes}, ${values[position]!}, ${path})`)
    bytes += fixedBytes[field.schema.kind]!
  }
  source.replaceLine(index, `const ${base} = w.reserve(${bytes})`)
}

function emitEncodeField(source: Source, field: FieldLayout, place: Place): void {
  const { schema, nullable } = field
  const { at, value } = place
  const path = JSON.stringify(place.path)
  if (isStruct(schema)) {
    source.line(nullable ? `if (w.structIsPresent(${value})) {` : '{')
    emitEncodeStruct(source, schema, place)
    source.line('}')
    return
  }
  const { fixed, text, bytes, count } = accessorNames(schema.kind, at.flexible, nullable)
  if (isArray(schema)) {
    const [length, index, element] = [source.name('n'), source.name('i'), source.name('e')]
    source.line(`const ${length} = w.${count!}(${value}, ${path})`)
    source.line(`for (let ${index} = 0; ${index} < ${length}; ${index} += 1) {`)
    source.line(`const ${element} = ${value}[${index}]`)
    const of = { name: '', schema: schema.of, nullable: false }
    emitEncodeField(source, of, { ...place, value: element })
    source.line('}')
  } else if (fixed) {
    source.line(`w.${fixed}(w.reserve(${fixedBytes[schema.kind]!}), ${value}, ${path})`)
  } else {
    source.line(`w.${text ?? bytes!}(${value}, ${path})`)
  }
}

function emitEncodeTags(
  source: Source,
  tagged: readonly (FieldLayout & { tag: number })[],
  place: Place,
): void {
  const present = tagged.map((field) => {
    const name = source.name('has')
    const value = `${place.value}.${field.name}`
    source.line(`const ${name} = ${notDefault(source, field.schema, value)}`)
    return name
  })
  source.line(`w.varint(${['0', ...present.map((name) => `(${name} ? 1 : 0)`)].join(' + ')})`)
  for (const [index, field] of tagged.entries()) {
    source.line(`if (${present[index]!}) {`)
    const mark = source.name('m')
    source.line(`const ${mark} = w.beginTag(${field.tag})`)
    emitEncodeField(source, field, {
      at: place.at,
      value: `${place.value}.${field.name}`,
      path: `${place.path}.${field.name}`,
    })
    source.line(`w.endTag(${mark}) }`)
  }
}

/** An expression for `!isDefault(schema, value)`; what is mostly absent costs one comparison. */
function notDefault(source: Source, schema: Schema, value: string): string {
  return `${value} !== undefined && !isDefault(${source.constant(schema)}, ${value})`
}
