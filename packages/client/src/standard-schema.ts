import { jsonText, jsonValue } from './serdes.js'
import type { Serde } from './serdes.js'

/**
 * Standard Schema v1 (standardschema.dev), the interface that zod, valibot, arktype and others
 * implement. Declared here because it is structural: no dependency is needed to accept all of them.
 */
export interface StandardSchemaV1<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (
      value: unknown,
    ) => StandardSchemaResult<Output> | Promise<StandardSchemaResult<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

export type StandardSchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardSchemaIssue[] }

export interface StandardSchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

export function isStandardSchema(candidate: unknown): candidate is StandardSchemaV1 {
  return (
    (typeof candidate === 'object' || typeof candidate === 'function') &&
    candidate !== null &&
    '~standard' in candidate
  )
}

/**
 * JSON checked by a schema in both directions. On the wire is the *input* of the schema: the
 * writer's value is checked and written as it was given, the reader's is parsed and transformed
 * (defaults, coercions), so that a transformation happens once and what it yields need not be JSON.
 */
export function schemaSerde<Input, Output>(
  schema: StandardSchemaV1<Input, Output>,
): Serde<Input, Output> {
  const { validate, vendor } = schema['~standard']
  return {
    name: vendor,
    serialize(data) {
      const result = validate(data)
      if (!(result instanceof Promise)) {
        outputOf(result)
        return jsonText(data)
      }
      return result.then((checked) => {
        outputOf(checked)
        return jsonText(data)
      })
    },
    deserialize(bytes) {
      const result = validate(jsonValue(bytes))
      return result instanceof Promise ? result.then(outputOf) : outputOf(result)
    },
  }
}

function outputOf<Output>(result: StandardSchemaResult<Output>): Output {
  if (result.issues === undefined) return result.value
  throw new TypeError(result.issues.map(describeIssue).join('; '))
}

function describeIssue(issue: StandardSchemaIssue): string {
  const path = (issue.path ?? []).map((part) => String(typeof part === 'object' ? part.key : part))
  return path.length === 0 ? issue.message : `${path.join('.')}: ${issue.message}`
}
