import type { BrokerConfig, ConfigValues, DynamicConfigs } from '../context.js'
import { BrokerError } from '../errors.js'
import { brokerConfigs, topicConfigSynonyms } from './broker-configs.js'
import {
  allowedInstead,
  badValue,
  type ConfigDefinition,
  LONG_MAX,
  toNumber,
  unknownName,
} from './config-definition.js'
import { topicConfigs } from './topic-configs.js'

/** Where the configs of topics are to be found: the metadata image, in a broker. */
export type TopicOverrides = (topic: string) => ReadonlyMap<string, string> | undefined

/**
 * The config of one broker. What was set while it ran counts before what was set when it started,
 * and that before defaults. Topic configs come from the metadata log at each reading, so that a
 * change counts at once.
 */
export class StaticBrokerConfig implements BrokerConfig {
  /** Explicit values by name. */
  readonly explicit: ReadonlyMap<string, string>
  #dynamic: DynamicConfigs = { own: noOverrides, cluster: noOverrides }
  #values!: ConfigValues
  #topicDefaults!: ReadonlyMap<string, string>
  /** Overrides are immutable maps, so what was read of them stays true until defaults change. */
  #topicValues!: WeakMap<ReadonlyMap<string, string>, ConfigValues>
  #overrides: TopicOverrides = () => undefined

  private constructor(explicit: ReadonlyMap<string, string>) {
    this.explicit = explicit
    this.#settle()
  }

  /**
   * Takes explicit values by Kafka's names.
   *
   * @throws {BrokerError} KFK_BROKER_INVALID_CONFIG naming the config, the value and what is
   *   allowed, or the nearest name that is known.
   */
  static parse(
    values: Readonly<Record<string, string>> = {},
    options: { durability?: 'disk' | 'os' } = {},
  ): StaticBrokerConfig {
    const explicit = new Map<string, string>()
    for (const [name, value] of Object.entries(values)) {
      const definition = brokerConfigs.get(name)
      if (definition === undefined) {
        throw invalidConfig(unknownName('broker', name, brokerConfigs.keys()), { name })
      }
      const text = value.trim()
      const allowed = allowedInstead(definition, text)
      if (allowed !== undefined)
        throw invalidConfig(badValue(name, value, allowed), { name, value })
      explicit.set(name, text)
    }
    applyDurability(explicit, options.durability)
    return new StaticBrokerConfig(explicit)
  }

  string(name: string): string {
    return this.#values.string(name)
  }

  boolean(name: string): boolean {
    return this.#values.boolean(name)
  }

  number(name: string): number {
    return this.#values.number(name)
  }

  long(name: string): number {
    return this.#values.long(name)
  }

  topicConfig(topic: string): ConfigValues {
    return this.topicConfigWith(this.#overrides(topic))
  }

  /** As `topicConfig`, for configs that are not in the metadata log (yet). */
  topicConfigWith(overrides: ReadonlyMap<string, string> = noOverrides): ConfigValues {
    let values = this.#topicValues.get(overrides)
    if (values === undefined) {
      values = new DefinedValues(
        topicConfigs,
        (name) => overrides.get(name) ?? this.#topicDefaults.get(name),
      )
      this.#topicValues.set(overrides, values)
    }
    return values
  }

  get dynamic(): DynamicConfigs {
    return this.#dynamic
  }

  /** Replaces what was set while brokers ran. */
  useDynamic(dynamic: DynamicConfigs): void {
    this.#dynamic = dynamic
    this.#settle()
  }

  /** Says where topic configs are, once the metadata log has been read. */
  useTopicOverrides(overrides: TopicOverrides): void {
    this.#overrides = overrides
  }

  /** The value of a topic config on this broker where the topic has none of its own. */
  topicDefault(name: string): string | null {
    return this.#topicDefaults.get(name) ?? null
  }

  /** Works out anew what is in force. */
  #settle(): void {
    this.#values = new DefinedValues(brokerConfigs, (name) => this.#set(name))
    const topicDefaults = new Map<string, string>()
    for (const { name, default: fallback } of topicConfigs.values()) {
      const value = this.#topicDefaultSet(name) ?? fallback
      if (value !== null) topicDefaults.set(name, value)
    }
    this.#topicDefaults = topicDefaults
    this.#topicValues = new WeakMap()
  }

  #set(name: string): string | undefined {
    const { own, cluster } = this.#dynamic
    return own.get(name) ?? cluster.get(name) ?? this.explicit.get(name)
  }

  #topicDefaultSet(topicConfig: string): string | undefined {
    for (const { name, factor } of topicConfigSynonyms.get(topicConfig) ?? []) {
      const value = this.#set(name)
      if (value !== undefined) return inTopicUnit(value, factor)
    }
    return undefined
  }
}

const noOverrides: ReadonlyMap<string, string> = new Map()

/**
 * A broker config's value in the unit of the topic config. Negative values mean "no limit" in every
 * unit.
 */
export function inTopicUnit(value: string, factor = 1): string {
  return factor === 1 || value.startsWith('-') ? value : String(BigInt(value) * BigInt(factor))
}

class DefinedValues implements ConfigValues {
  readonly #definitions: ReadonlyMap<string, ConfigDefinition>
  readonly #explicit: (name: string) => string | undefined
  /** Appends read numbers for each batch. */
  readonly #numbers = new Map<string, number>()

  constructor(
    definitions: ReadonlyMap<string, ConfigDefinition>,
    explicit: (name: string) => string | undefined,
  ) {
    this.#definitions = definitions
    this.#explicit = explicit
  }

  string(name: string): string {
    return this.#text(name, ['string', 'list', 'class'])
  }

  boolean(name: string): boolean {
    return this.#text(name, ['boolean']) === 'true'
  }

  number(name: string): number {
    return this.#number(name, ['int', 'short', 'double'])
  }

  long(name: string): number {
    return this.#number(name, ['long', 'int'])
  }

  #number(name: string, types: readonly string[]): number {
    let number = this.#numbers.get(name)
    if (number === undefined) {
      number = toNumber(this.#text(name, types))
      this.#numbers.set(name, number)
    }
    return number
  }

  #text(name: string, types: readonly string[]): string {
    const definition = this.#definitions.get(name)
    if (definition === undefined || !types.includes(definition.type)) {
      throw new TypeError(`no config ${name} of type ${types.join(' or ')}`)
    }
    return this.#explicit(name) ?? definition.default ?? ''
  }
}

function applyDurability(explicit: Map<string, string>, durability: 'disk' | 'os' | undefined) {
  if (durability === undefined) return
  const name = 'log.flush.interval.messages'
  const wanted = durability === 'os' ? LONG_MAX : '1'
  const set = explicit.get(name)
  if (set !== undefined && set !== wanted) {
    throw invalidConfig(
      `durability '${durability}' contradicts ${name}=${set}: give one of the two`,
      {
        name,
        value: set,
      },
    )
  }
  // The default says "disk" already: an explicit value would only change the source that
  // DescribeConfigs shows.
  if (durability === 'os') explicit.set(name, wanted)
}

function invalidConfig(message: string, details: Record<string, unknown>): BrokerError {
  return new BrokerError('KFK_BROKER_INVALID_CONFIG', message, { details })
}
