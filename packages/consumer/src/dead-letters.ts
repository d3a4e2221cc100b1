import type { ClientError } from '@kfk/client'
import type { RecordHeader } from '@kfk/protocol'
import type { ConsumerRecord } from './consumer-record.js'

/**
 * Where records go that their serde refuses: key, value, headers and time as they are, with headers
 * that say where they come from and why (`kfk.dead-letter.topic`, `.partition`, `.offset`, `.part`,
 * `.reason`). Those of one partition are sent in its order, each once it has to be: a record counts
 * as processed when the producer has sent it, so none is lost, and after a crash some come twice.
 * When it cannot be sent, the loop throws as with 'throw'.
 */
export interface DeadLetters {
  /** The topic that gets them. */
  readonly deadLetter: string
  /** Such as one of `createProducer`, which remains the application's to close. */
  readonly producer: {
    send(
      topic: string,
      record: {
        readonly key: Uint8Array | null
        readonly value: Uint8Array | null
        /** Milliseconds since 1970. */
        readonly timestamp: number
        readonly headers: readonly RecordHeader[]
      },
    ): Promise<unknown>
  }
}

/** Resolves when the record is in the topic for dead letters. */
export async function sendDeadLetter(
  { deadLetter, producer }: DeadLetters,
  record: ConsumerRecord,
  error: ClientError,
): Promise<void> {
  const { topic, partition, offset, key, value, timestamp, headers } = record
  const { part } = error.details as { readonly part: string }
  const reason = error.cause instanceof Error ? error.cause.message : String(error.cause)
  const origin = { topic, partition, offset, part, reason }
  const added = Object.entries(origin).map(([name, one]) => ({
    key: `kfk.dead-letter.${name}`,
    value: Buffer.from(String(one)),
  }))
  await producer.send(deadLetter, {
    ...{ key, value, timestamp: timestamp.getTime(), headers: [...headers, ...added] },
  })
}
