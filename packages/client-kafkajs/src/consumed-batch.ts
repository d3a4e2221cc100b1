import type { ConsumerRecord, RecordBatch } from '@kfk/consumer'
import type { Batch, KafkaMessage } from './consumer-api.js'
import type { IHeaders } from './producer-api.js'

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** What kafkajs's messages have besides what its types say. */
interface DecodedMessage {
  magicByte: number
  isControlRecord: boolean
}

/** A record as kafkajs's programs know it. */
export function kafkaMessage(record: ConsumerRecord): KafkaMessage & DecodedMessage {
  const { key, value } = record
  return {
    magicByte: 2,
    attributes: 0,
    timestamp: String(record.timestamp.getTime()),
    offset: String(record.offset),
    key: key === null ? null : view(key),
    value: value === null ? null : view(value),
    headers: messageHeaders(record.headers),
    isControlRecord: false,
  }
}

/** A header that is there several times becomes an array. */
function messageHeaders(headers: ConsumerRecord['headers']): IHeaders {
  const result: Record<string, Buffer | Buffer[] | null> = {}
  for (const { key, value } of headers) {
    const bytes = value === null ? null : view(value)
    const earlier = result[key]
    result[key] =
      earlier === undefined || earlier === null ? bytes : [earlier, bytes as Buffer].flat()
  }
  // kafkajs's types know no null, its messages do.
  return result as IHeaders
}

/** One batch in the hands of a handler. */
export class ConsumedBatch implements Batch {
  readonly topic: string
  readonly partition: number
  readonly highWatermark: string
  readonly messages: KafkaMessage[]
  /** Where reading goes on after it. */
  readonly nextOffset: number
  readonly signal: AbortSignal

  constructor(batch: RecordBatch) {
    this.topic = batch.topic
    this.partition = batch.partition
    this.highWatermark = String(batch.highWatermark)
    this.nextOffset = Number(batch.nextOffset)
    this.messages = batch.records.map(kafkaMessage)
    this.signal = batch.signal
  }

  isEmpty(): boolean {
    return this.messages.length === 0
  }

  firstOffset(): string | null {
    return this.messages[0]?.offset ?? null
  }

  lastOffset(): string {
    return String(this.nextOffset - 1)
  }

  offsetLag(): string {
    return String(Math.max(0, Number(this.highWatermark) - this.nextOffset))
  }

  offsetLagLow(): string {
    const first = this.firstOffset()
    return first === null
      ? '0'
      : String(Math.max(0, Number(this.highWatermark) - 1 - Number(first)))
  }
}
