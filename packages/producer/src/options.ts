import { ClientError } from '@kfk/client'
import type { Client, ClientOptions } from '@kfk/client'
import type { CompressionType } from '@kfk/protocol'
import type { Partitioner } from './partitioner.js'

/** What a producer does besides connecting. */
export interface ProducerSettings {
  /**
   * Who must have a record before it counts as delivered (`acks`): 'all' in-sync replicas
   * (default), 1 the leader only, 0 nobody: then nothing is known, and records are lost silently
   * when a connection breaks.
   */
  readonly acks?: 0 | 1 | 'all'
  /**
   * No doubles and no reordering over retries (`enable.idempotence`). Default true with acks 'all',
   * and then required to be so; false otherwise.
   */
  readonly idempotent?: boolean
  /** `compression.type`. Default 'none'. */
  readonly compression?: CompressionType
  /**
   * Milliseconds that an open batch waits for more records (`linger.ms`). Default 0: it leaves as
   * soon as its leader has a free request, so batches grow only while the cluster is busy.
   */
  readonly lingerMs?: number
  /** Size of a full batch, before compression (`batch.size`). Default 131072. */
  readonly batchBytes?: number
  /** Memory of records that are not yet delivered (`buffer.memory`). Default 64 MiB. */
  readonly bufferBytes?: number
  /** Largest request, and so largest record (`max.request.size`). Default 1048576. */
  readonly maxRequestBytes?: number
  /** Bound of one Produce request, in milliseconds (`request.timeout.ms`). Default 30000. */
  readonly requestTimeoutMs?: number
  /**
   * Bound of a record from `send` to its outcome, retries included (`delivery.timeout.ms`). Default
   * 120000.
   */
  readonly deliveryTimeoutMs?: number
  /**
   * Bound of waiting for a topic's metadata or for room in the buffer (`max.block.ms`). Default
   * 60000.
   */
  readonly maxBlockMs?: number
  /** Default: murmur2 of the key as in Java, sticky for keyless records. */
  readonly partitioner?: Partitioner
  /** Records of `post` that could not be delivered. Default: a warning to the client's logger. */
  readonly onPostFailure?: (error: unknown, records: PostFailure) => void
}

/** Records of `post` that were given up. */
export interface PostFailure {
  readonly topic: string
  /** Undefined when they had not been given a partition. */
  readonly partition: number | undefined
  /** At most so many, when they shared a batch that was too large with records that were sent. */
  readonly count: number
}

/** Settings, and connections of its own or those of a shared client. */
export type ProducerOptions = ProducerSettings & (ClientOptions | { readonly client: Client })

export interface ResolvedSettings {
  readonly acks: number
  readonly idempotent: boolean
  readonly compression: CompressionType
  readonly lingerMs: number
  readonly batchBytes: number
  readonly bufferBytes: number
  readonly maxRequestBytes: number
  readonly requestTimeoutMs: number
  readonly deliveryTimeoutMs: number
  readonly maxBlockMs: number
}

const wireAcks = { 0: 0, 1: 1, all: -1 } as const

/** @throws ClientError KFK_CLIENT_INVALID_ARGUMENT */
export function resolveSettings(options: ProducerSettings): ResolvedSettings {
  const acks = wireAcks[options.acks ?? 'all'] as number | undefined
  if (acks === undefined) throw invalid("`acks` must be 0, 1 or 'all'.")
  const idempotent = options.idempotent ?? acks === -1
  if (idempotent && acks !== -1) {
    throw invalid(
      "An idempotent producer needs acks: 'all'; with other acks set idempotent: false.",
    )
  }
  const bufferBytes = positive('bufferBytes', options.bufferBytes ?? 64 * 1024 * 1024)
  const maxRequestBytes = positive('maxRequestBytes', options.maxRequestBytes ?? 1024 * 1024)
  // 64 to 256 KB: beyond that throughput is flat and latency grows.
  const batchBytes = positive('batchBytes', options.batchBytes ?? 128 * 1024)
  const lingerMs = options.lingerMs ?? 0
  if (!(lingerMs >= 0)) throw invalid(`lingerMs must not be negative, but is ${lingerMs}.`)
  return {
    acks,
    idempotent,
    compression: options.compression ?? 'none',
    lingerMs,
    batchBytes: Math.min(batchBytes, maxRequestBytes),
    bufferBytes,
    maxRequestBytes,
    requestTimeoutMs: positive('requestTimeoutMs', options.requestTimeoutMs ?? 30_000),
    deliveryTimeoutMs: positive('deliveryTimeoutMs', options.deliveryTimeoutMs ?? 120_000),
    maxBlockMs: positive('maxBlockMs', options.maxBlockMs ?? 60_000),
  }
}

function positive(name: string, value: number): number {
  if (Number.isFinite(value) && value > 0) return value
  throw invalid(`${name} must be a positive number, not ${value}.`)
}

function invalid(message: string): ClientError {
  return new ClientError('KFK_CLIENT_INVALID_ARGUMENT', message)
}
