import type { Client, ClientOptions, DataFormat, OutputOf, TopicDefinition } from '@kfk/client'
import { checkTopicName, ClientError } from '@kfk/client'
import type { Assignor } from './assignors.js'
import { cooperativeStickyAssignor } from './assignors.js'
import type { ConsumerRecord } from './consumer-record.js'
import type { DeadLetters } from './dead-letters.js'
import { partitionKey, type TopicPartition } from './topic-partition.js'

/**
 * A topic to read: its name (keys and values as bytes), or a definition (keys and values typed).
 */
export type Subscription = string | TopicDefinition<never, never, unknown, unknown>

/** The record type of a subscription. Keys and values are null where the record has none. */
export type RecordOf<T> =
  T extends TopicDefinition<infer _KeyIn, infer _ValueIn, infer Key, infer Value>
    ? ConsumerRecord<Key | null, Value | null>
    : ConsumerRecord

/** Re-exported for declarations that mention formats. */
export type { DataFormat, OutputOf }

/**
 * Where to begin in a partition without a committed offset (`auto.offset.reset`): its first record,
 * its end, the first record at or after a time, or nowhere (`committed`: an error says that there
 * is no committed offset).
 */
export type StartPosition =
  'earliest' | 'latest' | 'committed' | { readonly timestamp: Date | number }

/**
 * What is read of transactions (`isolation.level`, KIP-98): everything, or the records of those
 * that were committed, up to the first one that is still open. Other records are always read.
 */
export type Isolation = 'read_uncommitted' | 'read_committed'

/** As they are sent. */
export const isolationLevels: Readonly<Record<Isolation, number>> = {
  read_uncommitted: 0,
  read_committed: 1,
}

/**
 * Called around changes of what this consumer owns, one call after the other. A returned promise is
 * waited for; what is thrown ends every loop of the consumer. `commit`, `seek`, `pause` and
 * `position` may be called from inside.
 */
export interface RebalanceListener {
  /**
   * New partitions (perhaps none), of which nothing is read yet: the place to `seek`. Where they
   * start is known, unless their leader has been away for five seconds.
   */
  assigned?(partitions: readonly TopicPartition[]): void | Promise<void>
  /** Given up in good order: handlers have ended and processed offsets are committed. */
  revoked?(partitions: readonly TopicPartition[]): void | Promise<void>
  /**
   * Taken away (the group thought this member dead): somebody else may be reading them already. No
   * commit is possible.
   */
  lost?(partitions: readonly TopicPartition[]): void | Promise<void>
}

export interface ConsumerSettings<T extends Subscription> {
  /** Topics to read, shared with the other members of the group. */
  readonly topics?: readonly T[]
  /**
   * Group id (`group.id`). Without it the consumer reads alone, all partitions of `topics`, and
   * commits nothing.
   */
  readonly group?: string
  /**
   * Read exactly these instead of sharing; definitions in `topics` still say how their records are
   * decoded. With a group, offsets are committed to it, but nobody is a member.
   */
  readonly assignment?: readonly TopicPartition[]
  /** Default 'latest', as in Kafka. */
  readonly from?: StartPosition
  /**
   * Commit what has been processed every so often, on revocation and on close. Default every 5000
   * ms.
   */
  readonly autoCommit?: boolean | { readonly intervalMs: number }
  /**
   * How the group divides partitions. 'classic', the default: members do it, by `assignors`.
   * 'consumer' (KIP-848): the coordinator does it, partition by partition and without rounds, with
   * its own session timeout and heartbeat interval; brokers as of Kafka 4.0, and not together with
   * members of the classic protocol unless the broker can mix them. 'auto': 'consumer' where the
   * broker serves it, the group has no classic members, and none of `assignors`, `sessionTimeoutMs`
   * and `heartbeatIntervalMs` is given; else 'classic'.
   */
  readonly protocol?: GroupProtocol
  /**
   * In order of preference; all members need one in common. All eager, or all cooperative. Default
   * cooperative-sticky.
   */
  readonly assignors?: readonly Assignor[]
  /** Static membership (`group.instance.id`, KIP-345). */
  readonly groupInstanceId?: string
  /** Silence after which the group gives the member up (`session.timeout.ms`). Default 45000. */
  readonly sessionTimeoutMs?: number
  /**
   * `heartbeat.interval.ms`; heartbeats do not depend on handlers. Default: a third of the session,
   * at most 3000.
   */
  readonly heartbeatIntervalMs?: number
  /**
   * How long the group waits for this member when partitions are to move (`max.poll.interval.ms`).
   * Handlers have a little less to finish; what they do later is not committed. Without a rebalance
   * a handler may take any time. Default 300000.
   */
  readonly rebalanceTimeoutMs?: number
  /** Default 'read_uncommitted', as in Kafka. */
  readonly isolation?: Isolation
  /** How long a fetch waits for data (`fetch.max.wait.ms`). Default 500. */
  readonly maxWaitMs?: number
  /** `fetch.min.bytes`. Default 1. */
  readonly minBytes?: number
  /** Of one answer of one broker (`fetch.max.bytes`). Default 50 MiB. */
  readonly maxBytes?: number
  /** Of one partition in an answer (`max.partition.fetch.bytes`). Default 1 MiB. */
  readonly partitionMaxBytes?: number
  /**
   * Bound of the memory for records fetched ahead of the application, over all partitions. Default
   * 64 MiB.
   */
  readonly prefetchBytes?: number
  /**
   * What to do with a record whose key or value is refused by its serde. 'throw', the default: the
   * loop throws after the records before it; it comes again until a `seek` past it. 'skip', or a
   * function that does not throw: it is passed over and counts as processed. `{ deadLetter,
   * producer }`: it is sent to another topic first. A retriable
   * ClientError of a serde (what it needs is away) is always thrown: the record may be sound.
   */
  readonly onInvalid?:
    'throw' | 'skip' | ((error: ClientError, record: ConsumerRecord) => void) | DeadLetters
  readonly rebalance?: RebalanceListener
  /** Topics are looked at again this often for new partitions. Default 30000. */
  readonly topicRefreshMs?: number
}

/** The protocol by which a member takes part in its group. */
export type GroupProtocol = 'auto' | 'classic' | 'consumer'

/** Options of `createConsumer`: a shared client, or how to reach the cluster. */
export type ConsumerOptions<T extends Subscription = Subscription> = ConsumerSettings<T> &
  ({ readonly client: Client } | ClientOptions)

/** Settings with every default filled in. */
export type ResolvedSettings = ReturnType<typeof resolveSettings>

const autoCommitIntervalMs = 5000
const mebibyte = 1024 * 1024

/** @throws ClientError KFK_CLIENT_INVALID_ARGUMENT naming the option */
export function resolveSettings(options: ConsumerSettings<Subscription>) {
  const sessionTimeoutMs = int32('sessionTimeoutMs', options.sessionTimeoutMs ?? 45_000)
  const heartbeatIntervalMs = options.heartbeatIntervalMs ?? Math.min(3000, sessionTimeoutMs / 3)
  checkWhatToRead(options)
  checkFrom(options)
  if (heartbeatIntervalMs >= sessionTimeoutMs) {
    throw invalid('`heartbeatIntervalMs` must be less than `sessionTimeoutMs`: a third is usual.')
  }
  return {
    group: options.group,
    topics: options.topics ?? [],
    assignment: options.assignment,
    from: options.from ?? ('latest' as const),
    commitIntervalMs: commitInterval(options.autoCommit ?? true),
    protocol: chosenProtocol(options),
    assignors: checkAssignors(options.assignors ?? [cooperativeStickyAssignor]),
    groupInstanceId: options.groupInstanceId ?? null,
    sessionTimeoutMs,
    heartbeatIntervalMs: positive('heartbeatIntervalMs', heartbeatIntervalMs),
    rebalanceTimeoutMs: int32('rebalanceTimeoutMs', options.rebalanceTimeoutMs ?? 300_000),
    isolation: checkIsolation(options.isolation ?? 'read_uncommitted'),
    maxWaitMs: int32('maxWaitMs', options.maxWaitMs ?? 500),
    minBytes: int32('minBytes', options.minBytes ?? 1),
    maxBytes: int32('maxBytes', options.maxBytes ?? 50 * mebibyte),
    partitionMaxBytes: int32('partitionMaxBytes', options.partitionMaxBytes ?? mebibyte),
    prefetchBytes: positive('prefetchBytes', options.prefetchBytes ?? 64 * mebibyte),
    onInvalid: checkOnInvalid(options.onInvalid ?? 'throw'),
    rebalance: options.rebalance ?? {},
    topicRefreshMs: positive('topicRefreshMs', options.topicRefreshMs ?? 30_000),
  }
}

function chosenProtocol(options: ConsumerSettings<Subscription>): GroupProtocol {
  const { protocol = 'classic', assignors, sessionTimeoutMs, heartbeatIntervalMs } = options
  if (!['auto', 'classic', 'consumer'].includes(protocol)) {
    throw invalid("`protocol` must be 'auto', 'classic' or 'consumer'.")
  }
  const ofClassic = Object.entries({ assignors, sessionTimeoutMs, heartbeatIntervalMs })
    .filter(([, value]) => value !== undefined)
    .map(([name]) => `\`${name}\``)
  if (ofClassic.length === 0 || protocol === 'classic') return protocol
  if (protocol === 'auto') return 'classic'
  throw invalid(`${ofClassic.join(', ')}: with \`protocol: 'consumer'\` the broker decides.`)
}

function commitInterval(
  autoCommit: NonNullable<ConsumerSettings<Subscription>['autoCommit']>,
): number | undefined {
  if (autoCommit === false) return undefined
  const intervalMs = autoCommit === true ? autoCommitIntervalMs : autoCommit.intervalMs
  return positive('autoCommit.intervalMs', intervalMs)
}

function checkOnInvalid(
  onInvalid: NonNullable<ConsumerSettings<Subscription>['onInvalid']>,
): NonNullable<ConsumerSettings<Subscription>['onInvalid']> {
  if (typeof onInvalid !== 'object') return onInvalid
  checkTopicName(onInvalid.deadLetter)
  const { producer } = onInvalid as Partial<DeadLetters>
  if (typeof producer?.send === 'function') return onInvalid
  throw invalid('`onInvalid.producer` must be a producer: the dead letters are sent with it.')
}

function checkIsolation(isolation: Isolation): Isolation {
  if (Object.hasOwn(isolationLevels, isolation)) return isolation
  throw invalid(
    `\`isolation\` must be 'read_committed' or 'read_uncommitted', not ${isolation as string}.`,
  )
}

function checkWhatToRead(options: ConsumerSettings<Subscription>): void {
  const { topics = [], assignment, group, groupInstanceId } = options
  for (const [name, value] of Object.entries({ group, groupInstanceId })) {
    if (value !== undefined && (typeof value !== 'string' || value === '')) {
      throw invalid(`\`${name}\` must be a name that is not empty.`)
    }
  }
  for (const topic of topics) checkTopicName(typeof topic === 'string' ? topic : topic.name)
  if ((assignment ?? topics).length === 0) {
    throw invalid("What to read? Pass `topics: ['name']`, or `assignment` for single partitions.")
  }
  const keys = new Set(assignment?.map(partitionKey))
  if (assignment && keys.size < assignment.length) {
    throw invalid('`assignment` names a partition twice.')
  }
  for (const { topic, partition } of assignment ?? []) {
    checkTopicName(topic)
    if (!Number.isInteger(partition) || partition < 0) {
      throw invalid(`\`assignment\`: ${partition} is not a partition of ${topic}.`)
    }
  }
}

function checkFrom({ from, group }: ConsumerSettings<Subscription>): void {
  if (from === undefined || from === 'earliest' || from === 'latest') return
  if (from === 'committed') {
    if (group !== undefined) return
    throw invalid("`from: 'committed'` needs a `group`: without one nothing is committed.")
  }
  const timestamp: unknown = (from as Partial<Exclude<StartPosition, string>> | null)?.timestamp
  const isTime = typeof timestamp === 'number' || timestamp instanceof Date
  if (isTime && Number.isSafeInteger(Number(timestamp)) && Number(timestamp) >= 0) return
  throw invalid(
    "`from` must be 'earliest', 'latest', 'committed', or `{ timestamp }` with a Date or milliseconds since 1970.",
  )
}

/**
 * Members that give partitions up before joining and members that do not cannot share a round
 * (KIP-429).
 */
function checkAssignors(assignors: readonly Assignor[]): readonly Assignor[] {
  if (assignors.length === 0) throw invalid('`assignors` must name one at least.')
  if (new Set(assignors.map(({ protocol }) => protocol)).size > 1) {
    const names = assignors.map(({ name, protocol }) => `${name} (${protocol})`).join(', ')
    throw invalid(`\`assignors\` must all be eager or all be cooperative, not ${names}.`)
  }
  return assignors
}

function positive(name: string, value: number): number {
  if (Number.isFinite(value) && value > 0) return value
  throw invalid(`\`${name}\` must be a positive number, not ${value}.`)
}

/** A number that is sent to brokers. */
function int32(name: string, value: number): number {
  if (Number.isInteger(value) && value > 0 && value < 2 ** 31) return value
  throw invalid(`\`${name}\` must be a positive whole number below 2^31, not ${value}.`)
}

function invalid(message: string): ClientError {
  return new ClientError('KFK_CLIENT_INVALID_ARGUMENT', message)
}
