import type { Api } from './api.js'
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
  // The source consists of the names and numbers of schemas.
  // eslint-disable-next-line @typescript-eslint/no-implied-eval
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

/**
 * Compiles, or interprets once code generation turned out to be disallowed
 * (`--disallow-code-generation-from-strings`, CSP).
 */
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

type Direction = 'request' | 'response'

const codecs = new WeakMap<StructSchema, (MessageCodec | undefined)[]>()

/**
 * The codec of one direction and version of an API, built at first use.
 * KFK_PROTOCOL_UNSUPPORTED_VERSION outside of `api.versions`.
 */
export function messageCodec(api: Api, direction: Direction, version: number): MessageCodec {
  const codec = codecs.get(api[direction])?.[version]
  return codec ?? firstUse(api, direction, version)
}

function firstUse(api: Api, direction: Direction, version: number): MessageCodec {
  checkVersion(api, version)
  const schema = api[direction]
  const codec = buildMessage(schema, { version, flexible: version >= api.flexibleSince })
  const versions = codecs.get(schema) ?? []
  versions[version] = codec
  codecs.set(schema, versions)
  return codec
}

/** KFK_PROTOCOL_UNSUPPORTED_VERSION for a version outside of `api.versions`. */
export function checkVersion(api: Api, version: number): void {
  const [min, max] = api.versions
  if (Number.isInteger(version) && version >= min && version <= max) return
  throw new ProtocolError(
    'KFK_PROTOCOL_UNSUPPORTED_VERSION',
    `${api.name} has versions ${min} to ${max}, not ${version}`,
    { details: { apiKey: api.key, version, min, max } },
  )
}
