import type { Client, ClientOptions, DataFormat, OutputOf, TopicDefinition } from '@kfk/client'
import { ClientError } from '@kfk/client'
import type { Assignor } from './assignors.js'
import { cooperativeStickyAssignor } from './assignors.js'
import type { ConsumerRecord } from './consumer-record.js'
import type { TopicPartition } from './topic-partition.js'

/** A topic to read: its name (keys and values as bytes), or a definition (keys and values typed). */
export type Subscription = string | TopicDefinition<never, never, unknown, unknown>

/** The record type of a subscription. Keys and values are null where the record has none. */
export type RecordOf<T> =
  T extends TopicDefinition<infer _KeyIn, infer _ValueIn, infer Key, infer Value>
    ? ConsumerRecord<Key | null, Value | null>
    : ConsumerRecord

/** Re-exported for declarations that mention formats. */
export type { DataFormat, OutputOf }

/**
 * Where to begin in a partition without a committed offset (`auto.offset.reset`): its first record, its end, the first
 * record at or after a time, or nowhere (`committed`: an error says that there is no committed offset).
 */
export type StartPosition =
  'earliest' | 'latest' | 'committed' | { readonly timestamp: Date | number }

/** Called around changes of what this consumer owns. A returned promise is waited for. */
export interface RebalanceListener {
  /** New partitions, their start resolved and nothing of them read yet: the place to `seek`. */
  assigned?(partitions: readonly TopicPartition[]): void | Promise<void>
  /** Given up in good order: handlers have ended and processed offsets are committed. */
  revoked?(partitions: readonly TopicPartition[]): void | Promise<void>
  /** Taken away (the group thought this member dead): somebody else may be reading them already. */
  lost?(partitions: readonly TopicPartition[]): void | Promise<void>
}

export interface ConsumerSettings<T extends Subscription> {
  /** Topics to read, shared with the other members of the group. */
  readonly topics?: readonly T[]
  /** Group id (`group.id`). Without it the consumer reads alone, all partitions of `topics`, and commits nothing. */
  readonly group?: string
  /** Read exactly these instead of sharing. With a group, offsets are committed to it, but nobody is a member. */
  readonly assignment?: readonly TopicPartition[]
  /** Default 'latest', as in Kafka. */
  readonly from?: StartPosition
  /** Commit what has been processed every so often, on revocation and on close. Default every 5000 ms. */
  readonly autoCommit?: boolean | { readonly intervalMs: number }
  /** In order of preference; all members need one in common. All eager, or all cooperative. Default cooperative-sticky. */
  readonly assignors?: readonly Assignor[]
  /** Static membership (`group.instance.id`, KIP-345). */
  readonly groupInstanceId?: string
  /** Silence after which the group gives the member up (`session.timeout.ms`). Default 45000. */
  readonly sessionTimeoutMs?: number
  /** `heartbeat.interval.ms`; heartbeats do not depend on handlers. Default: a third of the session, at most 3000. */
  readonly heartbeatIntervalMs?: number
  /** How long handlers may take to finish when partitions are revoked (`max.poll.interval.ms`). Default 300000. */
  readonly rebalanceTimeoutMs?: number
  /** How long a fetch waits for data (`fetch.max.wait.ms`). Default 500. */
  readonly maxWaitMs?: number
  /** `fetch.min.bytes`. Default 1. */
  readonly minBytes?: number
  /** Of one answer of one broker (`fetch.max.bytes`). Default 50 MiB. */
  readonly maxBytes?: number
  /** Of one partition in an answer (`max.partition.fetch.bytes`). Default 1 MiB. */
  readonly partitionMaxBytes?: number
  /** Bytes fetched ahead of the application, over all partitions, beyond which fetching pauses. Default 64 MiB. */
  readonly prefetchBytes?: number
  /** `isolation.level`. Default 'read_uncommitted'. */
  readonly isolation?: 'read_uncommitted'
  /** What to do with a key or value that its serde refuses. Default 'throw'. 'skip' counts it as processed. */
  readonly onInvalid?: 'throw' | 'skip' | ((error: ClientError, record: ConsumerRecord) => void)
  readonly rebalance?: RebalanceListener
  /** Topics are looked at again this often for new partitions. Default 30000. */
  readonly topicRefreshMs?: number
}

/** Options of `createConsumer`: a shared client, or how to reach the cluster. */
export type ConsumerOptions<T extends Subscription = Subscription> = ConsumerSettings<T> &
  ({ readonly client: Client } | ClientOptions)

/** Settings with every default filled in. */
export type ResolvedSettings = ReturnType<typeof resolveSettings>

const autoCommitIntervalMs = 5000

/** @throws ClientError KFK_CLIENT_INVALID_ARGUMENT naming the option */
export function resolveSettings(options: ConsumerSettings<Subscription>) {
  const sessionTimeoutMs = positive('sessionTimeoutMs', options.sessionTimeoutMs ?? 45_000)
  const autoCommit = options.autoCommit ?? true
  checkTopics(options)
  return {
    group: options.group,
    topics: options.topics ?? [],
    assignment: options.assignment,
    from: options.from ?? 'latest',
    commitIntervalMs: !autoCommit
      ? undefined
      : positive(
          'autoCommit.intervalMs',
          autoCommit === true ? autoCommitIntervalMs : autoCommit.intervalMs,
        ),
    assignors: checkAssignors(options.assignors ?? [cooperativeStickyAssignor]),
    groupInstanceId: options.groupInstanceId ?? null,
    sessionTimeoutMs,
    heartbeatIntervalMs: positive(
      'heartbeatIntervalMs',
      options.heartbeatIntervalMs ?? Math.min(3000, sessionTimeoutMs / 3),
    ),
    rebalanceTimeoutMs: positive('rebalanceTimeoutMs', options.rebalanceTimeoutMs ?? 300_000),
    maxWaitMs: positive('maxWaitMs', options.maxWaitMs ?? 500),
    minBytes: positive('minBytes', options.minBytes ?? 1),
    maxBytes: positive('maxBytes', options.maxBytes ?? 50 * 1024 * 1024),
    partitionMaxBytes: positive('partitionMaxBytes', options.partitionMaxBytes ?? 1024 * 1024),
    prefetchBytes: positive('prefetchBytes', options.prefetchBytes ?? 64 * 1024 * 1024),
    onInvalid: options.onInvalid ?? ('throw' as const),
    rebalance: options.rebalance ?? {},
    topicRefreshMs: positive('topicRefreshMs', options.topicRefreshMs ?? 30_000),
  }
}

function checkTopics({ topics, assignment, group }: ConsumerSettings<Subscription>): void {
  if (group !== undefined && (typeof group !== 'string' || group === '')) {
    throw invalid('`group` must be a name that is not empty.')
  }
  if (assignment === undefined && (topics === undefined || topics.length === 0)) {
    throw invalid("What to read? Pass `topics: ['name']`, or `assignment` for single partitions.")
  }
}

/** Members that give partitions up before joining and members that do not cannot share a round (KIP-429). */
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

function invalid(message: string): ClientError {
  return new ClientError('KFK_CLIENT_INVALID_ARGUMENT', message)
}
