import { invalidArgument } from './errors.js'
import { bytes } from './serdes.js'
import type { Serde } from './serdes.js'
import { isStandardSchema, schemaSerde } from './standard-schema.js'
import type { StandardSchemaV1 } from './standard-schema.js'

/** How a key or value is declared: a serde, or any Standard Schema v1, which means checked JSON. */
export type DataFormat = Serde<never, unknown> | StandardSchemaV1

/** What a writer passes for this format. */
export type InputOf<F> =
  F extends StandardSchemaV1<infer In, unknown>
    ? In
    : F extends Serde<infer In, infer _Out>
      ? In
      : never

/** What a reader gets for this format. */
export type OutputOf<F> =
  F extends StandardSchemaV1<infer _In, infer Out>
    ? Out
    : F extends Serde<infer _In, infer Out>
      ? Out
      : never

/**
 * A topic with the types of its keys and values, shared by producer and consumer.
 * `KeyIn`/`ValueIn` are what is sent, `KeyOut`/`ValueOut` what is received.
 */
export interface TopicDefinition<
  KeyIn = unknown,
  ValueIn = unknown,
  KeyOut = KeyIn,
  ValueOut = ValueIn,
> {
  readonly name: string
  readonly key: Serde<KeyIn, KeyOut>
  readonly value: Serde<ValueIn, ValueOut>
  /**
   * Partitions to create the topic with (admin.createTopics accepts a definition); undefined: the
   * broker's default.
   */
  readonly partitions: number | undefined
}

export interface TopicOptions<K extends DataFormat, V extends DataFormat> {
  /** Default: `bytes()`. */
  readonly key?: K
  readonly value: V
  readonly partitions?: number
}

/** Kafka's rule (org.apache.kafka.common.internals.Topic). */
const topicNamePattern = /^[a-zA-Z0-9._-]{1,249}$/

/**
 * Declares a topic and its types. Nothing is created and nothing is contacted.
 * @throws ClientError KFK_CLIENT_INVALID_ARGUMENT for a name that no Kafka broker accepts, or no
 *   usable format
 */
export function defineTopic<V extends DataFormat, K extends DataFormat = Serde<Uint8Array>>(
  name: string,
  options: TopicOptions<K, V>,
): TopicDefinition<InputOf<K>, InputOf<V>, OutputOf<K>, OutputOf<V>> {
  checkTopicName(name)
  const { partitions } = options
  if (partitions !== undefined && (!Number.isInteger(partitions) || partitions < 1)) {
    throw invalidArgument(`Topic "${name}" needs a positive number of partitions.`)
  }
  return {
    name,
    key: serdeOf(options.key ?? bytes(), name, 'key') as Serde<InputOf<K>, OutputOf<K>>,
    value: serdeOf(options.value, name, 'value') as Serde<InputOf<V>, OutputOf<V>>,
    partitions,
  }
}

/** @throws ClientError KFK_CLIENT_INVALID_ARGUMENT */
export function checkTopicName(name: string): void {
  if (typeof name !== 'string' || !topicNamePattern.test(name) || name === '.' || name === '..') {
    throw invalidArgument(
      `${JSON.stringify(name)} is not a topic name: 1 to 249 of the characters a-z, A-Z, 0-9, ".", "_", "-", not "." or "..".`,
    )
  }
}

function serdeOf(format: unknown, topic: string, part: string): Serde<never, unknown> {
  if (isStandardSchema(format)) return schemaSerde(format)
  const serde = format as Partial<Serde<never, unknown>> | undefined | null
  if (typeof serde?.serialize === 'function' && typeof serde.deserialize === 'function') {
    return serde as Serde<never, unknown>
  }
  throw invalidArgument(
    `The ${part} of topic "${topic}" needs a serde (string(), json(), bytes()) or a Standard Schema.`,
  )
}
