import { ClientError, invalidData } from '@kfk/client'
import type { SerializedData, TopicDefinition } from '@kfk/client'
import type { RecordHeader } from '@kfk/protocol'

/** Header values: text is written as UTF-8. An array keeps order and repeated names. */
export type ProducerHeaders =
  | Readonly<Record<string, SerializedData | null>>
  | readonly { readonly key: string; readonly value: SerializedData | null }[]

/** A record to be sent. */
export interface ProducerRecord<Key = SerializedData, Value = SerializedData> {
  /** Records of one key go to one partition, in order. Left out or null: keyless. */
  readonly key?: Key | null
  /** Null is a tombstone: on a compacted topic it deletes the key. */
  readonly value: Value | null
  /** Default: chosen by the partitioner. */
  readonly partition?: number
  /** Milliseconds since 1970. Default: now. */
  readonly timestamp?: number
  readonly headers?: ProducerHeaders
}

/**
 * Where a batch of records ended up: one object for all who sent records that went into it, which
 * are those of one partition that came close together.
 */
export interface BatchMetadata {
  readonly topic: string
  readonly partition: number
  /**
   * Of its first record. -1n with acks=0, and when a repeated batch is so old that the broker only
   * knows that it has it.
   */
  readonly baseOffset: bigint
  readonly recordCount: number
  /**
   * The broker's time, in milliseconds since 1970, when the topic has LogAppendTime; undefined when
   * each record keeps its own.
   */
  readonly timestamp: number | undefined
}

/** Where a record ended up. */
export interface RecordMetadata {
  readonly partition: number
  /**
   * -1n with acks=0, and when a repeated batch is so old that the broker only knows that it has it.
   */
  readonly offset: bigint
  /**
   * The record's timestamp: the broker's time when the topic has LogAppendTime. Milliseconds since
   * 1970.
   */
  readonly timestamp: number
}

/** A record with its bytes. */
export interface SerializedRecord {
  readonly key: SerializedData | null
  readonly value: SerializedData | null
  readonly headers: readonly RecordHeader[] | undefined
  readonly timestamp: number
  readonly partition: number | undefined
}

/** A serialised record that is filled anew for each record that nobody has to keep. */
export type RecordScratch = { -readonly [Part in keyof SerializedRecord]: SerializedRecord[Part] }

export function emptyRecord(): RecordScratch {
  return { key: null, value: null, headers: undefined, timestamp: 0, partition: undefined }
}

/** A record of any topic. */
export type AnyRecord = ProducerRecord<unknown, unknown>
/** A definition or a name. */
export type AnyTopic = TopicDefinition | string

export function nameOf(topic: AnyTopic): string {
  return typeof topic === 'string' ? topic : topic.name
}

/**
 * The bytes of a record, in `target`; a promise, of another object, only if a serde returns one.
 * Throws or rejects with KFK_CLIENT_INVALID_DATA or _INVALID_ARGUMENT.
 */
export function serializeRecord(
  topic: AnyTopic,
  record: AnyRecord,
  timestamp: number,
  target: RecordScratch,
): SerializedRecord | Promise<SerializedRecord> {
  const { partition } = record
  const headers = record.headers === undefined ? undefined : serializeHeaders(record.headers)
  if (!Number.isSafeInteger(timestamp)) throw impossibleTimestamp(timestamp)
  if (typeof topic === 'string') {
    target.key = plainPart(topic, 'key', record.key ?? null)
    target.value = plainPart(topic, 'value', record.value)
  } else {
    const key = serializePart(topic, 'key', record.key)
    const value = serializePart(topic, 'value', record.value)
    if (key instanceof Promise || value instanceof Promise) {
      return Promise.all([key, value]).then(([keyData, valueData]) => {
        return { key: keyData, value: valueData, headers, timestamp, partition }
      })
    }
    target.key = key
    target.value = value
  }
  target.headers = headers
  target.timestamp = timestamp
  target.partition = partition
  return target
}

/** One part of a record of a topic without serdes. Throws KFK_CLIENT_INVALID_DATA. */
function plainPart(topic: string, part: 'key' | 'value', data: unknown): SerializedData | null {
  if (data === null || typeof data === 'string' || data instanceof Uint8Array) return data
  const hint = `expected a string, bytes or null, got ${typeof data}; for other types use defineTopic`
  throw invalidData(new TypeError(hint), { topic, part })
}

/** Bytes of one part; a promise only if its serde returns one. Throws KFK_CLIENT_INVALID_DATA. */
function serializePart(
  topic: TopicDefinition,
  part: 'key' | 'value',
  data: unknown,
): SerializedData | null | Promise<SerializedData | null> {
  if (data === null || (data === undefined && part === 'key')) return null
  try {
    const serialized = topic[part].serialize(data)
    if (!(serialized instanceof Promise)) return serialized
    return serialized.catch((cause: unknown) => {
      throw invalidData(cause, { topic: topic.name, part })
    })
  } catch (cause) {
    throw invalidData(cause, { topic: topic.name, part })
  }
}

function serializeHeaders(headers: ProducerHeaders): readonly RecordHeader[] {
  const list = isList(headers)
    ? headers
    : Object.entries(headers).map(([key, value]) => ({ key, value }))
  return list.map(({ key, value }) => ({
    key,
    value: typeof value === 'string' ? Buffer.from(value, 'utf8') : value,
  }))
}

function isList(
  headers: ProducerHeaders,
): headers is readonly { readonly key: string; readonly value: SerializedData | null }[] {
  return Array.isArray(headers)
}

/** Lengths and varints of a record at most, its headers aside. */
export const recordOverheadBytes = 36
const headerOverheadBytes = 10

/** Upper bound of a record's bytes in a batch for ASCII text; close enough to bound memory by. */
export function estimateBytes(record: SerializedRecord): number {
  const { key: recordKey, value: recordValue, headers } = record
  let bytes = recordOverheadBytes
  if (recordKey !== null) bytes += recordKey.length
  if (recordValue !== null) bytes += recordValue.length
  if (headers !== undefined) {
    for (const { key, value } of headers) {
      bytes += headerOverheadBytes + key.length + (value?.length ?? 0)
    }
  }
  return bytes
}

function impossibleTimestamp(timestamp: number): ClientError {
  return new ClientError(
    'KFK_CLIENT_INVALID_ARGUMENT',
    `A timestamp is a whole number of milliseconds since 1970, not ${timestamp}.`,
  )
}
