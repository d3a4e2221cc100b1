import { emitDecodeStruct } from './emit-decode.js'
import { emitEncodeStruct } from './emit-encode.js'
import { ProtocolError } from './errors.js'
import type { MessageCodec } from './interpret.js'
import { cannotCarry, interpretMessage } from './interpret.js'
import type { WireVersion } from './layout.js'
import { isDefault } from './layout.js'
import type { StructSchema } from './schema.js'
import { Source } from './source.js'

const EMPTY_BYTES = new Uint8Array(0)

/**
 * Compiles one version of a message to straight-line code: what the version decides is decided now,
 * not per message. About 0.1 ms, hence lazy. The source is made of schemas only, never of data.
 * Throws what `new Function` throws where code generation from strings is disallowed.
 */
export function compileMessage(schema: StructSchema, at: WireVersion): MessageCodec {
  const source = new Source()
  source.line('return { decode(r) {')
  const result = emitDecodeStruct(source, schema, at)
  source.line(`return ${result} },`)
  source.line('encode(w, message) {')
  emitEncodeStruct(source, schema, { at, value: 'message', path: 'message' })
  source.line('} }')
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- the source consists of schema names and numbers
  const build = new Function(
    'CONSTANTS',
    'EMPTY_BYTES',
    'isDefault',
    'cannotCarry',
    `'use strict'\n${source.toString()}`,
  ) as (...environment: unknown[]) => MessageCodec
  return build(source.constants, EMPTY_BYTES, isDefault, cannotCarry)
}

let mayCompile = true

/** Compiles, or interprets once code generation turned out to be disallowed (`--disallow-code-generation-from-strings`, CSP). */
export function buildMessage(schema: StructSchema, at: WireVersion): MessageCodec {
  if (mayCompile) {
    try {
      return compileMessage(schema, at)
    } catch (error) {
      if (!(error instanceof EvalError)) throw error
      mayCompile = false
    }
  }
  return interpretMessage(schema, at)
}

const codecs = new WeakMap<StructSchema, (MessageCodec | undefined)[]>()

/** The codec of one version of a message, built at first use. A schema belongs to one API. */
export function messageCodec(schema: StructSchema, at: WireVersion): MessageCodec {
  let versions = codecs.get(schema)
  if (versions === undefined) codecs.set(schema, (versions = []))
  return (versions[at.version] ??= buildMessage(schema, at))
}

/** KFK_PROTOCOL_UNSUPPORTED_VERSION for a version outside of `versions`. */
export function checkVersion(
  name: string,
  [min, max]: readonly [min: number, max: number],
  version: number,
): void {
  if (Number.isInteger(version) && version >= min && version <= max) return
  throw new ProtocolError(
    'KFK_PROTOCOL_UNSUPPORTED_VERSION',
    `${name} has versions ${min} to ${max}, not ${version}`,
    { details: { name, version, min, max } },
  )
}
