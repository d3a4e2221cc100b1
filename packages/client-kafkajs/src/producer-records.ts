import { inspect } from 'node:util'
import type { ProducerHeaders, ProducerRecord as OurRecord } from '@kfk/producer'
import { KafkaJSNonRetriableError } from './errors.js'
import type { IHeaders, Message, TopicMessages } from './producer-api.js'

/**
 * Topics of a batch with all their messages, each topic once.
 * @throws KafkaJSNonRetriableError for what cannot be sent
 */
export function messagesByTopic(topicMessages: readonly TopicMessages[]): Map<string, Message[]> {
  const byTopic = new Map<string, Message[]>()
  for (const { topic, messages } of topicMessages) {
    if (typeof topic !== 'string' || topic === '') {
      throw new KafkaJSNonRetriableError('Invalid topic')
    }
    checkMessages(topic, messages)
    const earlier = byTopic.get(topic)
    byTopic.set(topic, earlier === undefined ? messages : [...earlier, ...messages])
  }
  return byTopic
}

function checkMessages(topic: string, messages: unknown): asserts messages is Message[] {
  if (!Array.isArray(messages)) {
    throw new KafkaJSNonRetriableError(
      `Invalid messages array [${inspect(messages)}] for topic "${topic}"`,
    )
  }
  for (const message of messages as readonly Partial<Message>[]) {
    if (message.value !== undefined) continue
    const text = JSON.stringify(message)
    throw new KafkaJSNonRetriableError(
      `Invalid message without value for topic "${topic}": ${text}`,
    )
  }
}

/** A message as our producer takes it. `now` is the time of messages that have none. */
export function ourRecord(message: Message, partition: number, now: number): OurRecord {
  const { key, value, headers, timestamp } = message
  const at = timestamp === undefined ? now : Number(timestamp)
  if (!Number.isSafeInteger(at)) {
    throw new KafkaJSNonRetriableError(`Invalid timestamp ${timestamp}: milliseconds since 1970`)
  }
  return headers === undefined
    ? { key: data(key), value: data(value), partition, timestamp: at }
    : { key: data(key), value: data(value), partition, timestamp: at, headers: ourHeaders(headers) }
}

type Data = string | Uint8Array

/** Numbers and other values are sent as their text. */
function data(value: unknown): Data | null {
  if (typeof value === 'string' || value instanceof Uint8Array) return value
  return value === null || value === undefined ? null : textOf(value)
}

function textOf(value: unknown): string {
  return String(value)
}

function ourHeaders(headers: IHeaders): ProducerHeaders {
  const list: { key: string; value: Data | null }[] = []
  for (const [key, value] of Object.entries(headers)) {
    for (const each of Array.isArray(value) ? value : [value]) list.push({ key, value: data(each) })
  }
  return list
}
