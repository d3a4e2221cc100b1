import type { RetryOptions } from './config.js'
import type { CompressionTypes } from './enums.js'
import type {
  ConnectEvent,
  DisconnectEvent,
  RemoveInstrumentationEventListener,
  RequestEvent,
  RequestQueueSizeEvent,
  RequestTimeoutEvent,
} from './instrumentation.js'
import type { Logger } from './logger.js'

/** An array is a header that is there several times. */
export interface IHeaders {
  [key: string]: Buffer | string | (Buffer | string)[] | undefined
}

export interface Message {
  key?: Buffer | string | null
  /** Null is a tombstone. */
  value: Buffer | string | null
  partition?: number
  headers?: IHeaders
  /** Milliseconds since 1970, as text. Default: now. */
  timestamp?: string
}

export interface PartitionMetadata {
  partitionErrorCode: number
  partitionId: number
  /** -1 while there is none. */
  leader: number
  replicas: number[]
  isr: number[]
  offlineReplicas?: number[]
}

export interface PartitionerArgs {
  topic: string
  partitionMetadata: PartitionMetadata[]
  message: Message
}

export type ICustomPartitioner = () => (args: PartitionerArgs) => number
export type DefaultPartitioner = ICustomPartitioner
export type LegacyPartitioner = ICustomPartitioner

export interface ProducerConfig {
  createPartitioner?: ICustomPartitioner
  retry?: RetryOptions
  /** Milliseconds. Default 300000. */
  metadataMaxAge?: number
  /** Default true. */
  allowAutoTopicCreation?: boolean
  idempotent?: boolean
  transactionalId?: string
  transactionTimeout?: number
  /** On the wire per connection. Default 5. */
  maxInFlightRequests?: number
}

export interface ProducerRecord {
  topic: string
  messages: Message[]
  /** -1 all in-sync replicas (default), 1 the leader, 0 nobody. */
  acks?: number
  /** Bound of one Produce request, in milliseconds. Default 30000. */
  timeout?: number
  compression?: CompressionTypes
}

/** What became of the messages of one partition. */
export interface RecordMetadata {
  topicName: string
  partition: number
  errorCode: number
  offset?: string
  timestamp?: string
  /** Of the first of them. */
  baseOffset?: string
  /** '-1' unless the topic has LogAppendTime. */
  logAppendTime?: string
  logStartOffset?: string
}

export interface TopicMessages {
  topic: string
  messages: Message[]
}

export interface ProducerBatch {
  acks?: number
  timeout?: number
  compression?: CompressionTypes
  topicMessages?: TopicMessages[]
}

export interface PartitionOffset {
  partition: number
  offset: string
}

export interface TopicOffsets {
  topic: string
  partitions: PartitionOffset[]
}

export interface Offsets {
  topics: TopicOffsets[]
}

export interface Sender {
  /** One result for each partition that was written to; none with `acks: 0`. */
  send(record: ProducerRecord): Promise<RecordMetadata[]>
  sendBatch(batch: ProducerBatch): Promise<RecordMetadata[]>
}

/** Names of a producer's events. */
export type ProducerEvents = {
  CONNECT: 'producer.connect'
  DISCONNECT: 'producer.disconnect'
  REQUEST: 'producer.network.request'
  REQUEST_TIMEOUT: 'producer.network.request_timeout'
  REQUEST_QUEUE_SIZE: 'producer.network.request_queue_size'
}

interface ProducerEventsByName {
  'producer.connect': ConnectEvent
  'producer.disconnect': DisconnectEvent
  'producer.network.request': RequestEvent
  'producer.network.request_timeout': RequestTimeoutEvent
  'producer.network.request_queue_size': RequestQueueSizeEvent
}

export interface Producer extends Sender {
  connect(): Promise<void>
  /** Waits for what is being sent. */
  disconnect(): Promise<void>
  isIdempotent(): boolean
  readonly events: ProducerEvents
  on<Name extends keyof ProducerEventsByName>(
    eventName: Name,
    listener: (event: ProducerEventsByName[Name]) => void,
  ): RemoveInstrumentationEventListener<Name>
  transaction(): Promise<Transaction>
  logger(): Logger
}

export interface Transaction extends Sender {
  sendOffsets(offsets: Offsets & { consumerGroupId: string }): Promise<void>
  commit(): Promise<void>
  abort(): Promise<void>
  isActive(): boolean
}
