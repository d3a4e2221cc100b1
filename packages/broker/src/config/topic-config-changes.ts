import { allowedInstead, badValue, splitList, unknownName } from './config-definition.js'
import { topicConfigs } from './topic-configs.js'

/** IncrementalAlterConfigs' operations. */
export const alterOperations = { set: 0, delete: 1, append: 2, subtract: 3 } as const

/** One wish of IncrementalAlterConfigs. */
export interface ConfigAlteration {
  readonly name: string
  readonly configOperation: number
  readonly value: string | null
}

/** A list of changes (null removes), or what is wrong with the request. */
export type ConfigChanges =
  | { readonly changes: Readonly<Record<string, string | null>>; readonly problem?: undefined }
  | { readonly problem: string }

/** Why a topic config cannot be set so; undefined when it can. */
export function topicConfigProblem(name: string, value: string | null): string | undefined {
  const definition = topicConfigs.get(name)
  if (definition === undefined) return unknownName('topic', name, topicConfigs.keys())
  if (value === null) return `Null value not supported for topic config ${name}`
  const allowed = allowedInstead(definition, value.trim())
  return allowed === undefined ? undefined : badValue(name, value, allowed)
}

/**
 * Works out what an incremental alteration comes to. Appending to and subtracting from a list
 * starts from the value that is in force, as in Kafka.
 */
export function alterTopicConfigs(
  alterations: readonly ConfigAlteration[],
  inForce: (name: string) => string | null,
): ConfigChanges {
  const changes = new Map<string, string | null>()
  for (const { name, configOperation, value } of alterations) {
    if (changes.has(name)) return { problem: `Duplicate config name: ${name}` }
    const definition = topicConfigs.get(name)
    if (definition === undefined)
      return { problem: unknownName('topic', name, topicConfigs.keys()) }
    if (configOperation === alterOperations.delete) {
      changes.set(name, null)
      continue
    }
    const isListOperation =
      configOperation === alterOperations.append || configOperation === alterOperations.subtract
    if (configOperation !== alterOperations.set && !isListOperation) {
      return { problem: `Unknown config operation ${configOperation} for ${name}` }
    }
    if (isListOperation && definition.type !== 'list') {
      return { problem: `Config ${name} is no list: it can only be set or deleted` }
    }
    const wanted =
      value === null || !isListOperation
        ? value
        : alteredList(splitList(inForce(name) ?? ''), splitList(value), configOperation)
    const problem = topicConfigProblem(name, wanted)
    if (problem !== undefined) return { problem }
    changes.set(name, wanted!.trim())
  }
  // Null-prototype semantics: names are checked against the registry, so `__proto__` cannot come
  // this far.
  return { changes: Object.fromEntries(changes) }
}

function alteredList(present: string[], items: string[], operation: number): string {
  const wanted =
    operation === alterOperations.append
      ? [...present, ...items.filter((item) => !present.includes(item))]
      : present.filter((item) => !items.includes(item))
  return wanted.join(',')
}
