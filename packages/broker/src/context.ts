/**
 * What the parts of a broker know of each other: interfaces only, so that network, handlers,
 * partitions, groups and controller depend on this file and never on each other.
 */
import type { Log, LogSlice, ProducerEntry, ReadRequest } from '@kfk/log-store'
import type {
  Api,
  FrameMemory,
  RequestInput,
  RequestOf,
  ResponseInput,
  ResponseOf,
} from '@kfk/protocol'
import type { GroupRequests } from './group/group-api.js'
import type { Asked, Session, Sessions } from './partition/fetch-session.js'
import type { Clock } from './runtime/clock.js'
import type { Logger } from './runtime/logger.js'
import type {
  TransactionInput,
  TransactionMarker,
  TransactionRequests,
  Verification,
} from './transaction/transaction-api.js'

export type { Clock, TimerHandle } from './runtime/clock.js'
export type { Logger } from './runtime/logger.js'
export type { TransactionMarker, Verification } from './transaction/transaction-api.js'

/**
 * Serves one API. A handler translates between wire and broker; it owns no state. The table of
 * handlers is what ApiVersions advertises.
 */
export interface Handler<A extends Api = Api> {
  readonly api: A
  /** Advertised range, inclusive. */
  readonly versions: readonly [min: number, max: number]
  /**
   * A request of this API may start while earlier ones of APIs that are pipelined too still wait
   * for their answer (Produce). All others of a connection run one after another, as Kafka does it.
   */
  readonly pipelined?: boolean
  /**
   * Nothing of a request's bytes is used once it is answered, but for what logs were asked to
   * append: their memory is used again for other requests. Default false.
   */
  readonly lends?: boolean
  /**
   * Answers a request. A plain value costs no promise, nor does `answersLater`, after which the
   * handler calls `context.answer`; `undefined` means that no response is sent (Produce, acks 0).
   * Responses of one connection leave in request order whatever the order in which handlers finish.
   */
  handle(context: RequestContext, request: RequestOf<A>): Answer<A> | Promise<Answer<A>>
}

/** What a handler returns that will call `context.answer`. */
export const answersLater = Symbol('answersLater')

/** What a handler can say at once. */
export type Answer<A extends Api> = ResponseInput<A> | undefined | typeof answersLater

/** Fixes the type of one handler, and forgets it for the table. */
export function defineHandler<A extends Api>(handler: Handler<A>): Handler {
  return handler
}

/** Memory for parts of responses. What is not given back is garbage at its time. */
export interface AnswerMemory extends FrameMemory {
  /** A copy of the bytes, in such memory when they are many. */
  copyOf(bytes: Uint8Array): Uint8Array
}

/** The circumstances of one request. */
export interface RequestContext {
  readonly apiVersion: number
  readonly clientId: string | null
  readonly correlationId: number
  /** The peer's address, for reports. */
  readonly peer: string
  /** Aborted when the connection closes. */
  readonly signal: AbortSignal
  /**
   * Closes the connection, with a reason for the log: the only way to tell of an error where no
   * response is due.
   */
  disconnect(reason: string): void
  /** For large parts of the response. */
  readonly memory: AnswerMemory
  /** The response of a request whose handler has returned `answersLater`; once. */
  answer(response: ResponseInput<Api> | undefined): void
  readonly services: BrokerServices
}

/** Everything that a handler may use. */
export interface BrokerServices {
  readonly nodeId: number
  readonly clusterId: string
  readonly config: BrokerConfig
  readonly clock: Clock
  readonly logger: Logger
  readonly cluster: ClusterView
  readonly controller: ControllerGateway
  readonly partitions: PartitionRegistry
  readonly fetchSessions: FetchSessions
  readonly groups: GroupCoordinators
  readonly transactions: TransactionCoordinators
  readonly producerIds: ProducerIds
  readonly purgatory: Purgatory
  readonly storage: LogStorage
  /** What ApiVersions answers: derived from the handler table, ascending by key. */
  readonly advertised: readonly { apiKey: number; minVersion: number; maxVersion: number }[]
}

/**
 * Typed access to config values by their Kafka names. An unknown name is a programmer's error and
 * throws.
 */
export interface ConfigValues {
  string(name: string): string
  boolean(name: string): boolean
  /** int and double configs. */
  number(name: string): number
  /**
   * long configs; values beyond 2^53 - 1, such as Long.MAX_VALUE, read as Number.MAX_SAFE_INTEGER.
   */
  long(name: string): number
}

/** Broker configs out of the metadata log, by name. */
export interface DynamicConfigs {
  readonly own: ReadonlyMap<string, string>
  readonly cluster: ReadonlyMap<string, string>
}

/**
 * Config of this broker: explicit, dynamic, or default. Values may change while the broker runs: do
 * not keep them.
 */
export interface BrokerConfig extends ConfigValues {
  /**
   * By topic config names (`max.message.bytes`): the topic's own, else the broker's
   * (`message.max.bytes`), else Kafka's default.
   */
  topicConfig(topic: string): ConfigValues
  /** What was set when the broker started, by name. */
  readonly explicit: ReadonlyMap<string, string>
  /** What was set while brokers ran: of this one, and of all of them. The former wins. */
  readonly dynamic: DynamicConfigs
  /**
   * The value of a topic config where the topic has none of its own, in Kafka's text form; null:
   * unset.
   */
  topicDefault(name: string): string | null
}

/** A topic as the metadata log describes it. Immutable: a change makes a new image. */
export interface TopicImage {
  readonly name: string
  /** Never the zero id; a recreated topic has another one. */
  readonly id: string
  readonly internal: boolean
  readonly configs: ReadonlyMap<string, string>
  /** Ascending by index, dense from 0. */
  readonly partitions: readonly { readonly index: number; readonly replicas: readonly number[] }[]
}

/** What one step of the metadata log or of coordination changed. */
export interface ClusterChange {
  readonly added: readonly TopicImage[]
  /** Configs or partition count changed. */
  readonly changed: readonly TopicImage[]
  readonly removed: readonly TopicImage[]
  /** A broker came, went or changed its address or epoch. */
  readonly brokersChanged: boolean
  /** Configs of this broker changed. */
  readonly configsChanged?: boolean
}

/** A broker that is alive. */
export interface BrokerImage {
  readonly nodeId: number
  readonly host: string
  readonly port: number
  readonly rack: string | null
}

/** This broker's copy of the metadata log, and of who is alive. Reads never wait. */
export interface ClusterView {
  readonly clusterId: string
  /** A live broker that takes admin requests (PROTOCOL gotcha 13). */
  readonly controllerId: number
  /** Next offset of the metadata log to apply: all below is visible here. */
  readonly metadataOffset: number
  /** Who writes the metadata log, alive or not, and the epoch of that broker's present run. */
  readonly metadataLeader: { readonly leaderId: number; readonly leaderEpoch: number }
  brokers(): readonly BrokerImage[]
  topic(name: string): TopicImage | undefined
  topicById(id: string): TopicImage | undefined
  topics(): Iterable<TopicImage>
  /**
   * `leaderId` is -1 when the broker that leads is absent; undefined when there is no such
   * partition.
   */
  leaderOf(
    topic: string,
    partition: number,
  ): { readonly leaderId: number; readonly leaderEpoch: number } | undefined
  /**
   * Called after the view has changed, in order of registration, on the same turn. Returns the
   * unsubscriber.
   */
  onChange(listener: (change: ClusterChange) => void): () => void
}

/** The way to whoever may write the metadata log. */
export interface ControllerGateway {
  /**
   * Handled locally when this broker is the controller; returns once the local view has caught up.
   */
  forward<A extends Api>(
    api: A,
    request: RequestInput<A>,
    options: { signal: AbortSignal; timeoutMs: number },
  ): Promise<ResponseOf<A>>
  /**
   * Creates a topic on demand with the defaults (`__consumer_offsets` with its own partition
   * count). NONE also when it exists. Concurrent calls for one name share one creation. Never
   * throws: the error code tells.
   */
  ensureTopic(name: string, options?: { partitions?: number }): Promise<number>
}

/** Producer ids that no broker of the cluster has given out before. */
export interface ProducerIds {
  /** Rejects with BrokerError KFK_BROKER_UNAVAILABLE when no block can be had. */
  next(): Promise<bigint>
}

/**
 * The outcome of an append. `errorCode` 0: the batches are in the log, not necessarily committed
 * yet.
 */
export interface PartitionAppendResult {
  readonly errorCode: number
  readonly errorMessage?: string
  /** -1 on error. */
  readonly baseOffset: number
  /**
   * Last offset written (or, of a duplicate, of the original); -1 on error. Wait for `lastOffset +
   * 1` to be committed.
   */
  readonly lastOffset: number
  /** -1 unless the topic's timestamp type is LogAppendTime. */
  readonly logAppendTimeMs: number
  readonly logStartOffset: number
  /** The records at fault (KIP-467), by their index within the batch. */
  readonly recordErrors?: readonly {
    readonly batchIndex: number
    readonly batchIndexErrorMessage: string
  }[]
  /** The sequence had been appended before: the offsets are those of the original. */
  readonly duplicate?: boolean
}

/** Somebody who waits until a partition is committed up to an offset. */
export interface CommitWaiter {
  readonly offset: number
  committed(failure?: Error): void
}

/** One partition that this broker leads. */
export interface Partition {
  readonly topic: string
  readonly topicId: string
  readonly index: number
  /** Under which the purgatory is notified when the high watermark has advanced. */
  readonly key: string
  readonly log: Log
  /** It is not served here any more: the topic was deleted, or the broker stops. */
  readonly closed: boolean
  /** This leader's epoch: promised on disk before anything was served under it. */
  readonly leaderEpoch: number
  readonly logStartOffset: number
  readonly logEndOffset: number
  /** All below is committed: visible to consumers, and never lost. */
  readonly highWatermark: number
  readonly lastStableOffset: number
  /**
   * Bytes committed since the partition was opened, about: tells a waiting fetch how much has come.
   */
  readonly committedBytes: number
  /**
   * Appends whole batches, synchronously. Bytes from a client are validated as Kafka does (exactly
   * one batch); those from a coordinator or the controller are trusted. The bytes belong to the log
   * until they are written: the caller must not touch them again. Never throws.
   */
  append(
    batches: Uint8Array,
    options: {
      readonly origin: 'client' | 'coordinator' | 'controller'
      /** Of a transactional batch whose transaction is not open here yet. */
      readonly verified?: Verification | undefined
    },
  ): PartitionAppendResult
  /** Whether the producer has a transaction open here, under this very epoch. */
  hasOpenTransaction(producerId: bigint, producerEpoch: number): boolean
  /**
   * Begins to find out whether the partition is a part of the producer's transaction: what is
   * handed out is good for one append, unless a transaction of that producer ends before (KIP-890).
   */
  beginVerification(producerId: bigint): Verification
  /** It has come to nothing. */
  dropVerification(producerId: bigint, verification: Verification): void
  /**
   * Appends the marker that ends a transaction, as `append` does. INVALID_PRODUCER_EPOCH,
   * TRANSACTION_COORDINATOR_FENCED when it comes too late.
   */
  endTransaction(marker: TransactionMarker): PartitionAppendResult
  /** What the log says of one producer, and of all. */
  producer(producerId: bigint): ProducerEntry | undefined
  producerEntries(): Iterable<ProducerEntry>
  /**
   * Resolves when the high watermark has reached `offset`; rejects when the log fails or the signal
   * aborts.
   */
  whenCommitted(offset: number, signal?: AbortSignal): Promise<void>
  /**
   * The same without a promise or closure: tells the waiter once, with the reason when its offset
   * will never be committed; at once when it is committed already.
   */
  onceCommitted(waiter: CommitWaiter): void
  /**
   * Called after each advance of the high watermark; no promise per append. Returns the
   * unsubscriber.
   */
  onHighWatermark(listener: (highWatermark: number) => void): () => void
  /**
   * Whole batches from `request.from`, at once when they are in memory or the page cache. Bounded
   * by the high watermark unless `maxOffset` is given. Throws or rejects with StoreError
   * (KFK_STORE_OFFSET_OUT_OF_RANGE).
   */
  read(request: ReadRequest): LogSlice | Promise<LogSlice>
}

/** What a fetch asks of one partition. */
export type AskedPartition = Asked<Partition>
/** The partitions that a client reads from fetch to fetch. */
export type FetchSession = Session<Partition>
/** The fetch sessions of this broker. */
export type FetchSessions = Sessions<Partition>

/** The partitions that this broker hosts. Logs open at first use. */
export interface PartitionRegistry {
  /**
   * A partition that is open already, else an error code: UNKNOWN_TOPIC_OR_PARTITION,
   * NOT_LEADER_OR_FOLLOWER, KAFKA_STORAGE_ERROR; `undefined` when it is ours but not open yet: call
   * `open`.
   */
  local(topic: string, index: number): Partition | number | undefined
  localById(topicId: string, index: number): Partition | number | undefined
  /** As `local`, and opens the log when needed. Never rejects. */
  open(topic: string, index: number): Promise<Partition | number>
  /** Open partitions. */
  hosted(): Iterable<Partition>
  /** Deletes the logs of removed topics (by id) and applies changed configs. */
  apply(change: ClusterChange): Promise<void>
  /**
   * A log that no topic describes: the metadata log, `('__kfk_metadata', 0)`. Always flushed at
   * each append.
   */
  openInternal(name: string, index: number): Promise<Partition>
}

/** The data directory as administrators see it. */
export interface LogStorage {
  /** Absolute. */
  readonly path: string
  /** Whether the directory has stopped taking writes after a failure. */
  readonly failed: boolean
  /** The size of the partitions on disk, opened or not, in bytes. */
  sizes(): Promise<{ topic: string; index: number; sizeBytes: number }[]>
  /** Of the volume; -1 when the file system cannot tell. */
  space(): Promise<{ totalBytes: number; usableBytes: number }>
}

/** Requests that wait for something: no timer and no promise chain each. */
export interface Purgatory {
  /**
   * Registers an operation under its keys. `tryComplete` is called when one of them is notified,
   * and returns true once it is done; `expire` is called instead after `timeoutMs`. Exactly one of
   * the two ends the operation.
   */
  watch(operation: {
    readonly keys: readonly string[]
    readonly timeoutMs: number
    tryComplete(): boolean
    expire(): void
  }): { cancel(): void }
  /** Tries the operations that wait for `key`. */
  notify(key: string): void
}

/** Group coordination of this broker. */
export interface GroupCoordinators extends GroupRequests {
  /** Loads nothing by itself: partitions of `__consumer_offsets` load at first use. */
  start(): Promise<void>
  /** Answers every waiting member with an error and flushes what is pending. */
  stop(): Promise<void>
  /**
   * Writes the marker that ends a transaction into a partition of `__consumer_offsets`, and lets
   * its offsets count, or forgets them. NONE once that is committed.
   */
  endTransaction(index: number, marker: TransactionMarker): Promise<number>
  /** A partition of `__consumer_offsets` opened here: load its groups. */
  onPartitionHosted(partition: Partition): void
}

export interface AdmissionInput extends TransactionInput {
  /** Those to be written to, all led here; asked for when it is the producer's turn. */
  readonly partitions: () => readonly Partition[] | Promise<readonly Partition[]>
  /** Partitions become a part of the transaction by being written to (KIP-890). */
  readonly adds: boolean
  /** The client knows TRANSACTION_ABORTABLE; others get INVALID_TXN_STATE. */
  readonly knowsAbortable: boolean
}

/** What came of asking. */
export interface AdmissionVerdict {
  /** Why a partition may not be written to; NONE: it may. */
  errorCode(partition: Partition): number
  /** What the append has to show; undefined: nothing. */
  verification(partition: Partition): Verification | undefined
}

/** Transaction coordination of this broker, and what transactions mean for its partitions. */
export interface TransactionCoordinators extends TransactionRequests {
  /**
   * Runs `append` once the partitions, which are led here, are a part of the producer's
   * transaction: at once when they are, else after its coordinator was asked, here or elsewhere, or
   * with why not. Those of one producer run in the order of the calls (KIP-890).
   */
  admit(
    input: AdmissionInput,
    append: (verdict: AdmissionVerdict) => void,
  ): Promise<void> | undefined
}
