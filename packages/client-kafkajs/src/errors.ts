/** What kafkajs's error classes are made from. */
export interface ErrorSource {
  readonly message: string
  readonly stack?: string | undefined
  readonly helpUrl?: string
  readonly retriable?: boolean
  readonly type?: string
  readonly code?: number
}

export interface KafkaJSErrorMetadata {
  retriable?: boolean
  cause?: unknown
}

/** The base class of kafkajs's errors. */
export class KafkaJSError extends Error {
  override name = 'KafkaJSError'
  /** Whether trying again can help. */
  readonly retriable: boolean
  readonly helpUrl?: string
  override readonly cause?: Error

  constructor(e: ErrorSource | string, { retriable = true, cause }: KafkaJSErrorMetadata = {}) {
    super(typeof e === 'string' ? e : e.message)
    this.retriable = retriable
    if (cause !== undefined) this.cause = cause as Error
    if (typeof e !== 'string' && e.helpUrl !== undefined) this.helpUrl = e.helpUrl
  }
}

/** Trying again does not help. */
export class KafkaJSNonRetriableError extends KafkaJSError {
  override name = 'KafkaJSNonRetriableError'
  constructor(e: ErrorSource | string, { cause }: { cause?: unknown } = {}) {
    super(e, { retriable: false, cause })
  }
}

/** A broker answered with an error code. */
export class KafkaJSProtocolError extends KafkaJSError {
  override name = 'KafkaJSProtocolError'
  /** Kafka's error code. */
  readonly code: number
  /** kafkajs's name of it, such as `UNKNOWN_TOPIC_OR_PARTITION`. */
  readonly type: string

  constructor(e: ErrorSource | string, options: KafkaJSErrorMetadata = {}) {
    const source: ErrorSource = typeof e === 'string' ? { message: e } : e
    super(source, {
      retriable: options.retriable ?? source.retriable ?? false,
      cause: options.cause,
    })
    this.code = source.code ?? -1
    this.type = source.type ?? 'UNKNOWN'
  }
}

export class KafkaJSOffsetOutOfRange extends KafkaJSProtocolError {
  override name = 'KafkaJSOffsetOutOfRange'
  readonly topic: string
  readonly partition: number
  constructor(e: ErrorSource | string, { topic = '', partition = -1 } = {}) {
    super(e)
    this.topic = topic
    this.partition = partition
  }
}

export class KafkaJSMemberIdRequired extends KafkaJSProtocolError {
  override name = 'KafkaJSMemberIdRequired'
  readonly memberId: string
  constructor(e: ErrorSource | string, { memberId = '' } = {}) {
    super(e)
    this.memberId = memberId
  }
}

/** It was tried again as often as `retry` says; `cause` is the last error. */
export class KafkaJSNumberOfRetriesExceeded extends KafkaJSNonRetriableError {
  override name = 'KafkaJSNumberOfRetriesExceeded'
  readonly retryCount: number
  /** The last wait, in milliseconds. */
  readonly retryTime: number
  constructor(e: ErrorSource | string, { retryCount = 0, retryTime = 0 } = {}) {
    super(e, { cause: e })
    this.retryCount = retryCount
    this.retryTime = retryTime
    const stack = typeof e === 'string' ? e : e.stack
    this.stack = `KafkaJSNumberOfRetriesExceeded\n  Caused by: ${stack}`
  }
}

/** No connection to a broker. */
export class KafkaJSConnectionError extends KafkaJSError {
  override name = 'KafkaJSConnectionError'
  readonly broker: string
  readonly code: string | undefined
  constructor(
    e: ErrorSource | string,
    { broker = '', code, cause }: { broker?: string; code?: string; cause?: unknown } = {},
  ) {
    super(e, { cause })
    this.broker = broker
    this.code = code
  }
}

/** The connection ended while an answer was due. */
export class KafkaJSConnectionClosedError extends KafkaJSConnectionError {
  override name = 'KafkaJSConnectionClosedError'
}

/** No answer in time. */
export class KafkaJSRequestTimeoutError extends KafkaJSError {
  override name = 'KafkaJSRequestTimeoutError'
  readonly broker: string
  readonly correlationId: number
  readonly createdAt: number
  readonly sentAt: number
  readonly pendingDuration: number
  constructor(
    e: ErrorSource | string,
    {
      broker = '',
      correlationId = -1,
      createdAt = 0,
      sentAt = 0,
      pendingDuration = 0,
      cause,
    }: Partial<KafkaJSRequestTimeoutErrorMetadata> & { cause?: unknown } = {},
  ) {
    super(e, { cause })
    this.broker = broker
    this.correlationId = correlationId
    this.createdAt = createdAt
    this.sentAt = sentAt
    this.pendingDuration = pendingDuration
  }
}

export interface KafkaJSRequestTimeoutErrorMetadata {
  broker: string
  clientId: string
  correlationId: number
  createdAt: number
  sentAt: number
  pendingDuration: number
}

export class KafkaJSMetadataNotLoaded extends KafkaJSError {
  override name = 'KafkaJSMetadataNotLoaded'
}

export class KafkaJSTopicMetadataNotLoaded extends KafkaJSMetadataNotLoaded {
  override name = 'KafkaJSTopicMetadataNotLoaded'
  readonly topic: string
  constructor(e: ErrorSource | string, { topic = '' } = {}) {
    super(e)
    this.topic = topic
  }
}

export class KafkaJSStaleTopicMetadataAssignment extends KafkaJSError {
  override name = 'KafkaJSStaleTopicMetadataAssignment'
  readonly topic: string
  readonly unknownPartitions: number
  constructor(e: ErrorSource | string, { topic = '', unknownPartitions = 0 } = {}) {
    super(e)
    this.topic = topic
    this.unknownPartitions = unknownPartitions
  }
}

/** The broker speaks no version of a request that this client speaks. */
export class KafkaJSServerDoesNotSupportApiKey extends KafkaJSNonRetriableError {
  override name = 'KafkaJSServerDoesNotSupportApiKey'
  readonly apiKey: number
  readonly apiName: string
  constructor(
    e: ErrorSource | string,
    {
      apiKey = -1,
      apiName = '',
      cause,
    }: { apiKey?: number; apiName?: string; cause?: unknown } = {},
  ) {
    super(e, { cause })
    this.apiKey = apiKey
    this.apiName = apiName
  }
}

export class KafkaJSBrokerNotFound extends KafkaJSError {
  override name = 'KafkaJSBrokerNotFound'
}

export class KafkaJSPartialMessageError extends KafkaJSNonRetriableError {
  override name = 'KafkaJSPartialMessageError'
}

export class KafkaJSSASLAuthenticationError extends KafkaJSNonRetriableError {
  override name = 'KafkaJSSASLAuthenticationError'
}

export class KafkaJSGroupCoordinatorNotFound extends KafkaJSNonRetriableError {
  override name = 'KafkaJSGroupCoordinatorNotFound'
}

/** Something that this package does not have. */
export class KafkaJSNotImplemented extends KafkaJSNonRetriableError {
  override name = 'KafkaJSNotImplemented'
}

export class KafkaJSTimeout extends KafkaJSNonRetriableError {
  override name = 'KafkaJSTimeout'
}

export class KafkaJSLockTimeout extends KafkaJSTimeout {
  override name = 'KafkaJSLockTimeout'
}

export class KafkaJSUnsupportedMagicByteInMessageSet extends KafkaJSNonRetriableError {
  override name = 'KafkaJSUnsupportedMagicByteInMessageSet'
}

export interface KafkaJSDeleteGroupsErrorGroups {
  groupId: string
  errorCode: number
  error: KafkaJSError
}

/** Groups that are not deleted; others may be. */
export class KafkaJSDeleteGroupsError extends KafkaJSError {
  override name = 'KafkaJSDeleteGroupsError'
  readonly groups: KafkaJSDeleteGroupsErrorGroups[]
  constructor(e: ErrorSource | string, groups: KafkaJSDeleteGroupsErrorGroups[] = []) {
    super(e)
    this.groups = groups
  }
}

export interface KafkaJSDeleteTopicRecordsErrorPartition {
  partition: number
  offset: string
  error: KafkaJSError
}

export interface KafkaJSDeleteTopicRecordsErrorTopic {
  topic: string
  partitions: KafkaJSDeleteTopicRecordsErrorPartition[]
}

/** Partitions whose records are not deleted; those of others may be. */
export class KafkaJSDeleteTopicRecordsError extends KafkaJSError {
  override name = 'KafkaJSDeleteTopicRecordsError'
  readonly partitions: KafkaJSDeleteTopicRecordsErrorPartition[]
  constructor({ partitions }: KafkaJSDeleteTopicRecordsErrorTopic) {
    const retriable = partitions.every(({ error }) => error.retriable)
    super('Error while deleting records', { retriable })
    this.partitions = partitions
  }
}

export class KafkaJSInvariantViolation extends KafkaJSNonRetriableError {
  override name = 'KafkaJSInvariantViolation'
}

export class KafkaJSInvalidVarIntError extends KafkaJSNonRetriableError {}

export class KafkaJSInvalidLongError extends KafkaJSNonRetriableError {}

export class KafkaJSCreateTopicError extends KafkaJSProtocolError {
  override name = 'KafkaJSCreateTopicError'
  readonly topic: string
  constructor(e: ErrorSource | string, topicName: string) {
    super(e)
    this.topic = topicName
  }
}

export class KafkaJSAlterPartitionReassignmentsError extends KafkaJSProtocolError {
  override name = 'KafkaJSAlterPartitionReassignmentsError'
  readonly topic: string | undefined
  readonly partition: number | undefined
  constructor(e: ErrorSource | string, topicName?: string, partition?: number) {
    super(e)
    this.topic = topicName
    this.partition = partition
  }
}

/** Several errors at once. */
export class KafkaJSAggregateError extends Error {
  override name = 'KafkaJSAggregateError'
  readonly errors: (Error | string)[]
  constructor(message: Error | string, errors: (Error | string)[]) {
    super(typeof message === 'string' ? message : message.message)
    this.errors = errors
  }
}

export class KafkaJSFetcherRebalanceError extends Error {}

export class KafkaJSNoBrokerAvailableError extends KafkaJSError {
  override name = 'KafkaJSNoBrokerAvailableError'
  constructor() {
    super('No broker available')
  }
}
