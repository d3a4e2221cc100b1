import { errorCodes } from '@kfk/protocol'
import {
  allowedInstead,
  badValue,
  type ConfigDefinition,
  isLimited,
  splitList,
  unknownName,
} from './config-definition.js'
import { brokerConfigs } from './broker-configs.js'
import { groupConfigs } from './group-configs.js'
import { topicConfigs } from './topic-configs.js'

/** IncrementalAlterConfigs' operations. */
export const alterOperations = { set: 0, delete: 1, append: 2, subtract: 3 } as const

/** One wish of IncrementalAlterConfigs. */
export interface ConfigAlteration {
  readonly name: string
  readonly configOperation: number
  readonly value: string | null
}

/** One wish of AlterConfigs. */
export interface ConfigValue {
  readonly name: string
  readonly value: string | null
}

/** Why configs cannot be changed so, with Kafka's error code. */
export interface ConfigProblem {
  readonly errorCode: number
  readonly problem: string
}

/** A list of changes (null removes), or what is wrong with the request. */
export type ConfigChanges =
  | { readonly changes: Readonly<Record<string, string | null>>; readonly problem?: undefined }
  | ConfigProblem

/** What may be changed of one kind of resource. */
export interface Configurable {
  readonly kind: 'topic' | 'broker' | 'group'
  readonly definitions: ReadonlyMap<string, ConfigDefinition>
}

export const topicConfigurable: Configurable = { kind: 'topic', definitions: topicConfigs }
export const brokerConfigurable: Configurable = { kind: 'broker', definitions: brokerConfigs }
export const groupConfigurable: Configurable = { kind: 'group', definitions: groupConfigs }

/** Why a topic config cannot be set so; undefined when it can. */
export function topicConfigProblem(name: string, value: string | null): string | undefined {
  return valueProblem(topicConfigurable, name, value)?.problem
}

/**
 * Works out what an incremental alteration comes to. Appending to and subtracting from a list
 * starts from the value that is in force, as in Kafka.
 */
export function alterConfigValues(
  target: Configurable,
  alterations: readonly ConfigAlteration[],
  inForce: (name: string) => string | null,
): ConfigChanges {
  const changes = new Map<string, string | null>()
  for (const alteration of alterations) {
    const { name, configOperation } = alteration
    if (changes.has(name)) return duplicate
    if (configOperation === alterOperations.delete) {
      // A topic has no value of a config that there is not: nothing is left to do.
      if (target.kind === 'topic' && !target.definitions.has(name)) continue
      const problem = nameProblem(target, name)
      if (problem !== undefined) return problem
      changes.set(name, null)
      continue
    }
    const wanted = wantedValue(target, alteration, inForce)
    if (typeof wanted === 'object' && wanted !== null) return wanted
    const problem = valueProblem(target, name, wanted)
    if (problem !== undefined) return problem
    changes.set(name, wanted!.trim())
  }
  // Names are checked against the registry, so `__proto__` cannot come this far.
  return { changes: Object.fromEntries(changes) }
}

/** Works out what replacing all values by `values` comes to: what is not named is removed. */
export function replaceConfigValues(
  target: Configurable,
  values: readonly ConfigValue[],
  present: ReadonlyMap<string, string>,
): ConfigChanges {
  const changes = new Map<string, string | null>([...present.keys()].map((name) => [name, null]))
  const seen = new Set<string>()
  for (const { name, value } of values) {
    if (seen.has(name)) return duplicate
    seen.add(name)
    const problem = valueProblem(target, name, value)
    if (problem !== undefined) return problem
    changes.set(name, value!.trim())
  }
  return { changes: Object.fromEntries(changes) }
}

const duplicate: ConfigProblem = {
  errorCode: errorCodes.INVALID_REQUEST,
  problem: 'Error due to duplicate config keys',
}

/** The value that a set, append or subtract asks for. */
function wantedValue(
  target: Configurable,
  { name, configOperation, value }: ConfigAlteration,
  inForce: (name: string) => string | null,
): string | null | ConfigProblem {
  if (configOperation === alterOperations.set || value === null) return value
  const isKnown =
    configOperation === alterOperations.append || configOperation === alterOperations.subtract
  if (!isKnown) {
    return invalid(`Unknown config operation ${configOperation} for ${name}`)
  }
  const problem = nameProblem(target, name)
  if (problem !== undefined) return problem
  if (target.definitions.get(name)!.type !== 'list') {
    return refused(`Config ${name} is no list: it can only be set or deleted`)
  }
  return alteredList(splitList(inForce(name) ?? ''), splitList(value), configOperation)
}

function nameProblem({ kind, definitions }: Configurable, name: string): ConfigProblem | undefined {
  const definition = definitions.get(name)
  if (definition === undefined) return refused(unknownName(kind, name, definitions.keys()))
  return kind === 'broker' && definition.dynamic !== true
    ? invalid(`Cannot update ${name} dynamically: it is fixed when the broker starts`)
    : undefined
}

function valueProblem(
  target: Configurable,
  name: string,
  value: string | null,
): ConfigProblem | undefined {
  const problem = nameProblem(target, name)
  if (problem !== undefined) return problem
  if (value === null) return invalid(`Null value not supported for ${target.kind} config ${name}`)
  const definition = target.definitions.get(name)!
  const allowed = allowedInstead(definition, value.trim())
  if (allowed === undefined) return undefined
  const text = badValue(name, value, allowed)
  // Kafka has a code for bad values of topics and another for those of brokers.
  return target.kind === 'topic' || isLimited(definition) ? refused(text) : invalid(text)
}

function refused(problem: string): ConfigProblem {
  return { errorCode: errorCodes.INVALID_CONFIG, problem }
}

function invalid(problem: string): ConfigProblem {
  return { errorCode: errorCodes.INVALID_REQUEST, problem }
}

function alteredList(present: string[], items: string[], operation: number): string {
  const wanted =
    operation === alterOperations.append
      ? [...present, ...items.filter((item) => !present.includes(item))]
      : present.filter((item) => !items.includes(item))
  return wanted.join(',')
}
