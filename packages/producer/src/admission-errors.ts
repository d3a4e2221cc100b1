import { ClientError } from '@kfk/client'

/** `post` does not wait. */
export function bufferFull(): ClientError {
  return new ClientError(
    'KFK_CLIENT_BUFFER_FULL',
    'The buffer is full: `await producer.ready` before the next post, or use send, which waits.',
    { retriable: true },
  )
}

/** The record names a partition, or a partitioner chose one, that the topic does not have. */
export function noPartition(
  topic: string,
  partition: number | undefined,
  count: number,
): ClientError {
  return new ClientError(
    'KFK_CLIENT_INVALID_ARGUMENT',
    `Topic "${topic}" has no partition ${partition}; it has ${count} (0 to ${count - 1}).`,
    { details: { topic, partition, partitions: count } },
  )
}
