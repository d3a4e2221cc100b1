import type { CompressionType } from '@kfk/protocol'
import type { ConfigValues } from '../context.js'
import type { TopicCompression } from './rewritten-batch.js'

/** What a topic's configs demand of appended batches, as Kafka names them. */
export interface AppendRules {
  readonly maxMessageBytes: number
  readonly segmentBytes: number
  /** Compaction needs keys. */
  readonly compacted: boolean
  readonly logAppendTime: boolean
  readonly timestampBeforeMaxMs: number
  readonly timestampAfterMaxMs: number
  /** Undefined: batches stay as the producer has compressed them. */
  readonly compression?: TopicCompression | undefined
}

/** Reads them out of a topic's configs. */
export function appendRules(config: ConfigValues): AppendRules {
  return {
    maxMessageBytes: config.number('max.message.bytes'),
    segmentBytes: config.number('segment.bytes'),
    compacted: config.string('cleanup.policy').includes('compact'),
    logAppendTime: config.string('message.timestamp.type') === 'LogAppendTime',
    timestampBeforeMaxMs: config.long('message.timestamp.before.max.ms'),
    timestampAfterMaxMs: config.long('message.timestamp.after.max.ms'),
    compression: topicCompression(config),
  }
}

function topicCompression(config: ConfigValues): TopicCompression | undefined {
  const type = config.string('compression.type')
  if (type === 'producer') return undefined
  if (type === 'uncompressed') return { type: 'none', level: undefined }
  const levelled = type === 'gzip' || type === 'zstd'
  const level = levelled ? config.number(`compression.${type}.level`) : -1
  // -1 is gzip's own default; with zstd it is a level.
  return {
    type: type as CompressionType,
    level: levelled && !(type === 'gzip' && level === -1) ? level : undefined,
  }
}

/** Why a batch is not taken. */
export interface Refusal {
  readonly errorCode: number
  readonly errorMessage: string
  /** The records at fault (KIP-467), by their index within the batch. */
  readonly recordErrors?: readonly RecordError[]
  /** Decided before the log was looked at: the answer does not tell where it starts. */
  readonly early?: boolean
}

/** One record at fault. */
export interface RecordError {
  readonly batchIndex: number
  readonly batchIndexErrorMessage: string
}
