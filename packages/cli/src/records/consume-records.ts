import { createAdmin, createClient, type Client } from '@kfk/client'
import {
  createConsumer,
  type Consumer,
  type RecordBatch,
  type StartPosition,
  type TopicPartition,
} from '@kfk/consumer'
import { callTimeoutMs, clientOptions, type ConnectionOptions } from '../connection.js'
import type { CommandContext } from '../context.js'
import { failure } from '../errors.js'
import { EndWatch } from './end-watch.js'
import type { RecordPrinter } from './record-text.js'

export interface ConsumeTask {
  readonly connection: ConnectionOptions
  readonly topics: readonly string[]
  readonly group: string | undefined
  /** Undefined: all. */
  readonly partitions: readonly number[] | undefined
  readonly from: StartPosition
  readonly max: number | undefined
  readonly toEnd: boolean
  readonly print: RecordPrinter
}

/** Prints records until the task is done or the command is told to end, which is no error. */
export async function consumeRecords(task: ConsumeTask, context: CommandContext): Promise<void> {
  const client = createClient({
    ...clientOptions(task.connection, context),
    // Reading a topic must not make it.
    autoCreateTopics: false,
  })
  try {
    const places = await placesOf(client, task, context.signal)
    const ends = task.toEnd ? await EndWatch.at(client, places, context.signal) : undefined
    const consumer = createConsumer({
      client,
      from: task.from,
      ...(task.group !== undefined && { group: task.group }),
      ...(task.partitions === undefined ? { topics: task.topics } : { assignment: places }),
    })
    try {
      await print(consumer, { task, ends, context })
    } finally {
      await consumer.close()
    }
  } catch (error) {
    if (!context.signal.aborted || context.out.signal.aborted) throw error
  } finally {
    await client.close({ timeoutMs: 1000 })
  }
}

/** The partitions that are to be read. */
async function placesOf(
  client: Client,
  { topics, partitions }: ConsumeTask,
  signal: AbortSignal,
): Promise<TopicPartition[]> {
  const found = await createAdmin({ client }).describeTopics(topics, {
    signal,
    timeoutMs: callTimeoutMs,
  })
  return found.flatMap(({ name, partitions: existing }) => {
    const indexes = existing.map(({ index }) => index)
    const missing = partitions?.find((partition) => !indexes.includes(partition))
    if (missing !== undefined) {
      throw failure(`topic "${name}" has no partition ${missing}: it has ${indexes.length}`)
    }
    return (partitions ?? indexes).map((partition) => ({ topic: name, partition }))
  })
}

interface Printing {
  readonly task: ConsumeTask
  readonly ends: EndWatch | undefined
  readonly context: CommandContext
}

async function print(consumer: Consumer<string>, { task, ends, context }: Printing): Promise<void> {
  const { out, signal } = context
  const watch = ends?.watch(consumer)
  const ended = watch === undefined ? signal : AbortSignal.any([signal, watch.signal])
  let left = task.max ?? Infinity
  try {
    for await (const batch of consumer.batches({ signal: ended })) {
      const records = batch.records
        .slice(0, Math.min(left, batch.records.length))
        .filter(({ offset }) => ends === undefined || offset < ends.of(batch))
      if (records.length > 0) await out.write(Buffer.concat(records.map(task.print)))
      left -= records.length
      if (left === 0 || records.length < batch.records.length) {
        stopBehind(consumer, batch, records.length)
      }
      if (left === 0) return
    }
  } catch (error) {
    if (watch?.signal.aborted !== true || signal.aborted) throw error
  } finally {
    watch?.stop()
  }
}

/** What was printed is processed, what was not is not: a group that goes on later begins there. */
function stopBehind(consumer: Consumer<string>, batch: RecordBatch, printed: number): void {
  const place = { topic: batch.topic, partition: batch.partition }
  const next = batch.records[printed]?.offset ?? batch.nextOffset
  // Not ours any more: it belongs to another member, which reads it anyway.
  if (batch.signal.aborted) return
  consumer.seek(place, next)
  consumer.pause([place])
}
