import { ClientError, kafkaError, type Client } from '@kfk/client'
import { apis, type Api, type RequestInput, type ResponseOf } from '@kfk/protocol'
import {
  assignmentBytes,
  memberFrom,
  partitionsOf,
  protocolType,
  subscriptionFor,
} from './group-protocol.js'
import { GroupMember, type MemberEffect, type MemberEvent } from './group-member.js'
import type { ResolvedSettings } from './options.js'
import { throwGroupError } from './start-positions.js'
import type { TopicPartition } from './topic-partition.js'

/** What the consumer does when its share changes; each is waited for, one after the other. */
export interface GroupHooks {
  assigned(partitions: readonly TopicPartition[]): Promise<void>
  /** Let handlers end and commit; the partitions go to others afterwards. */
  release(partitions: readonly TopicPartition[]): Promise<void>
  /** Stop at once. */
  lost(partitions: readonly TopicPartition[]): Promise<void>
  failed(error: ClientError): void
}

export interface GroupDriverOptions {
  readonly client: Client
  /** Of this consumer's connections, see `lane-numbers.ts`. */
  readonly lane: number
  readonly group: string
  readonly topics: readonly string[]
  readonly settings: ResolvedSettings
  readonly hooks: GroupHooks
}

type JoinResponse = ResponseOf<typeof apis.joinGroup>

/** A member that cannot say goodbye in this time is left to its session timeout. */
const leaveTimeoutMs = 3000
/** JoinGroup waits for the slowest member; on top of that, for the network. */
const joinSlackMs = 5000
/** While a subscribed topic does not exist, it is looked for this often. */
const missingTopicMs = 1000
const errorsToReport = new Set([23, 24, 26, 30, 81])

/** Runs a {@link GroupMember} over the network and the clock. */
export class GroupDriver {
  readonly #options: GroupDriverOptions
  readonly #member: GroupMember
  readonly #lane: string
  readonly #abort = new AbortController()
  #join: JoinResponse | undefined
  #partitionCounts = new Map<string, number>()
  #heartbeat: { cancel(): void } | undefined
  #refresh: { cancel(): void } | undefined
  #work: Promise<void> = Promise.resolve()

  constructor(options: GroupDriverOptions) {
    this.#options = options
    const { assignors, groupInstanceId } = options.settings
    this.#member = new GroupMember({ protocol: assignors[0]!.protocol, groupInstanceId })
    // A connection of its own: a JoinGroup that waits must not hold up another member on a shared client.
    this.#lane = `group:${options.lane}`
  }

  get memberId(): string {
    return this.#member.memberId
  }

  get generation(): number {
    return this.#member.generation
  }

  start(): void {
    this.#dispatch({ type: 'start' })
    this.#watchTopics()
  }

  rejoin(reason: string): void {
    this.#dispatch({ type: 'rejoin', reason })
  }

  /** What an offset commit was answered with. */
  committed(errorCode: number): void {
    this.#dispatch({ type: 'committed', errorCode })
  }

  /** Leaves the group; the consumer has drained and committed before. Bounded by {@link leaveTimeoutMs}. */
  async leave(): Promise<void> {
    this.#refresh?.cancel()
    this.#abort.abort(new Error('the consumer is closed'))
    const effects = this.#member.step({ type: 'leave' })
    this.#heartbeat?.cancel()
    const farewell = effects.find((effect) => effect.type === 'sendLeave')
    if (farewell) await this.#sendLeave(farewell.memberId)
  }

  /** Stops as a process that died would: the group finds out by itself. */
  destroy(): void {
    this.#refresh?.cancel()
    this.#heartbeat?.cancel()
    this.#abort.abort(new Error('the consumer was destroyed'))
    this.#member.step({ type: 'leave' })
  }

  #dispatch(event: MemberEvent): void {
    const effects = this.#member.step(event)
    if (effects.length === 0) return
    this.#work = this.#work.then(async () => {
      for (const effect of effects) await this.#perform(effect)
    })
    this.#work.catch((error: unknown) => this.#options.hooks.failed(error as ClientError))
  }

  async #perform(effect: MemberEffect): Promise<void> {
    const { hooks } = this.#options
    switch (effect.type) {
      case 'join':
        this.#launch(this.#sendJoin(effect.memberId, effect.reason))
        return
      case 'sync':
        this.#launch(this.#sendSync())
        return
      case 'assign':
        return hooks.assigned(effect.partitions)
      case 'lose':
        return hooks.lost(effect.partitions)
      case 'release':
        await hooks.release(effect.partitions)
        this.#dispatch({ type: 'released' })
        return
      case 'startHeartbeats':
        this.#beatLater(this.#options.settings.heartbeatIntervalMs)
        return
      case 'stopHeartbeats':
        this.#heartbeat?.cancel()
        return
      case 'fail':
        hooks.failed(describeFailure(effect.errorCode, this.#options))
        return
      case 'sendLeave':
        return this.#sendLeave(effect.memberId)
    }
  }

  /** Requests are not part of the chain of effects: their answers are events. */
  #launch(request: Promise<MemberEvent>): void {
    request.then(
      (event) => this.#dispatch(event),
      (error: unknown) => {
        if (!this.#abort.signal.aborted) this.#options.hooks.failed(error as ClientError)
      },
    )
  }

  /** While the coordinator is away, moves or loads, it is looked for again and again. */
  #retrying<T>(operation: () => Promise<T>): Promise<T> {
    const { client, group } = this.#options
    const attempt = async (): Promise<T> => {
      try {
        return await operation()
      } catch (error) {
        if (error instanceof ClientError && error.retriable) client.invalidateCoordinator(group)
        throw error
      }
    }
    return client.retrying(attempt, { signal: this.#abort.signal, retries: Infinity })
  }

  #sendJoin(memberId: string, reason: string): Promise<MemberEvent> {
    const { client, group, topics, settings } = this.#options
    const own = { topics, owned: this.#member.owned, generation: this.#member.generation }
    const protocols = settings.assignors.map((assignor) => ({
      name: assignor.name,
      metadata: subscriptionFor(assignor, own),
    }))
    return this.#retrying(async () => {
      const body = {
        groupId: group,
        sessionTimeoutMs: settings.sessionTimeoutMs,
        rebalanceTimeoutMs: settings.rebalanceTimeoutMs,
        memberId,
        groupInstanceId: settings.groupInstanceId,
        protocolType,
        protocols,
        reason,
      }
      const timeoutMs = settings.rebalanceTimeoutMs + joinSlackMs
      const answer = await this.#send(apis.joinGroup, body, timeoutMs)
      throwIfCoordinatorMoved(client, group, answer.errorCode)
      this.#join = answer
      const leader = answer.errorCode === 0 && answer.leader === answer.memberId
      const { errorCode, generationId: generation } = answer
      return { type: 'joined', errorCode, memberId: answer.memberId, generation, leader }
    })
  }

  #sendSync(): Promise<MemberEvent> {
    const { client, group, settings } = this.#options
    const { memberId, generation } = this.#member
    const join = this.#join!
    return this.#retrying(async () => {
      const isLeader = join.leader === memberId && !join.skipAssignment
      const body = {
        groupId: group,
        generationId: generation,
        memberId,
        groupInstanceId: settings.groupInstanceId,
        protocolType,
        protocolName: join.protocolName,
        assignments: isLeader ? await this.#assignments(join) : [],
      }
      const timeoutMs = settings.rebalanceTimeoutMs + joinSlackMs
      const answer = await this.#send(apis.syncGroup, body, timeoutMs)
      throwIfCoordinatorMoved(client, group, answer.errorCode)
      const assignment = answer.errorCode === 0 ? partitionsOf(answer.assignment) : []
      return { type: 'synced', errorCode: answer.errorCode, assignment }
    })
  }

  /** The leader divides the partitions of all topics that any member wants. */
  async #assignments(join: JoinResponse) {
    const { settings } = this.#options
    const assignor = settings.assignors.find(({ name }) => name === join.protocolName)
    if (assignor === undefined) {
      const offered = settings.assignors.map(({ name }) => name).join(', ')
      const message = `the group chose the assignor "${join.protocolName}", this member has ${offered}`
      throw new ClientError('KFK_CLIENT_INVALID_ARGUMENT', message)
    }
    const members = join.members.map(memberFrom)
    const topics = [...new Set(members.flatMap((member) => [...member.topics]))]
    const partitionCounts = await this.#countPartitions(topics)
    const assignment = assignor.assign({ members, partitionCounts })
    return members.map(({ memberId }) => ({
      memberId,
      assignment: assignmentBytes(assignment.get(memberId) ?? []),
    }))
  }

  /** Topics that do not exist (yet) have no partitions to give. */
  async #countPartitions(topics: readonly string[]): Promise<Map<string, number>> {
    const { client } = this.#options
    const counts = new Map<string, number>()
    for (const topic of topics) {
      try {
        const options = { refresh: true, signal: this.#abort.signal }
        const { partitions } = await client.metadata.topic(topic, options)
        counts.set(topic, partitions.length)
      } catch (error) {
        if (!(error instanceof ClientError) || error.code !== 'KFK_CLIENT_SERVER') throw error
      }
    }
    this.#partitionCounts = counts
    return counts
  }

  /** Rejoins when a topic has appeared or grown since the last look. */
  #watchTopics(): void {
    const { client, topics, settings } = this.#options
    const missing = topics.some((topic) => !this.#partitionCounts.has(topic))
    const delayMs = missing ? missingTopicMs : settings.topicRefreshMs
    this.#refresh = client.clock.setTimer(delayMs, () => {
      const before = this.#partitionCounts
      this.#countPartitions(topics)
        .then((counts) => {
          const changed = topics.some((topic) => counts.get(topic) !== before.get(topic))
          const known = topics.some((topic) => before.has(topic))
          if (changed && (known || counts.size > 0))
            this.rejoin('partitions of a subscribed topic have changed')
        })
        .catch((error: unknown) => client.logger.debug('topics cannot be looked up now', { error }))
        .finally(() => {
          if (!this.#abort.signal.aborted) this.#watchTopics()
        })
    })
  }

  #beatLater(delayMs: number): void {
    this.#heartbeat?.cancel()
    this.#heartbeat = this.#options.client.clock.setTimer(delayMs, () => void this.#beat())
  }

  async #beat(): Promise<void> {
    const { client, group, settings } = this.#options
    const { memberId, generation } = this.#member
    const body = {
      groupId: group,
      generationId: generation,
      memberId,
      groupInstanceId: settings.groupInstanceId,
    }
    const timer = this.#heartbeat
    let nextMs = settings.heartbeatIntervalMs
    try {
      const { errorCode } = await this.#send(apis.heartbeat, body, settings.sessionTimeoutMs)
      throwIfCoordinatorMoved(client, group, errorCode)
      if (generation === this.#member.generation) this.#dispatch({ type: 'heartbeat', errorCode })
    } catch (error) {
      // Sooner than usual: the session is running out meanwhile.
      nextMs = Math.min(nextMs, client.retryPolicy.maxMs)
      client.invalidateCoordinator(group)
      client.logger.debug('heartbeat failed', { group, error })
    }
    // Unless the machine has stopped heartbeats or started another series since.
    if (timer === this.#heartbeat && !this.#abort.signal.aborted && beats(this.#member))
      this.#beatLater(nextMs)
  }

  #send<A extends Api>(api: A, body: RequestInput<A>, timeoutMs: number): Promise<ResponseOf<A>> {
    const { client, group } = this.#options
    const options = { signal: this.#abort.signal, timeoutMs, lane: this.#lane }
    return client.request(api, body, { group }, options)
  }

  async #sendLeave(memberId: string): Promise<void> {
    const { client, group } = this.#options
    try {
      const member = { memberId, groupInstanceId: null, reason: 'the consumer is closed' }
      await client.request(
        apis.leaveGroup,
        (version) =>
          version >= 3
            ? { groupId: group, members: [member] }
            : { groupId: group, memberId, members: [] },
        { group },
        { timeoutMs: leaveTimeoutMs, lane: this.#lane },
      )
    } catch (error) {
      client.logger.debug('could not leave the group; its session will end', { group, error })
    }
  }
}

function beats(member: GroupMember): boolean {
  return member.phase === 'stable' || member.phase === 'releasing'
}

/** Coordinator errors are thrown to be retried; errors about the member go to its state machine. */
function throwIfCoordinatorMoved(client: Client, group: string, errorCode: number): void {
  const coordinatorErrors = [14, 15, 16]
  if (coordinatorErrors.includes(errorCode)) throwGroupError(client, group, errorCode)
}

function describeFailure(errorCode: number, { group, settings }: GroupDriverOptions): ClientError {
  const error = kafkaError(errorCode, null, { group })
  if (!errorsToReport.has(errorCode)) return error
  const offered = settings.assignors.map(({ name }) => name).join(', ')
  const hint = {
    24: `The group id "${group}" is not valid.`,
    26: `The session timeout of ${settings.sessionTimeoutMs} ms is outside of what the broker allows (group.min.session.timeout.ms, group.max.session.timeout.ms).`,
    30: `This client may not use the group "${group}".`,
    23: `The members of "${group}" have no assignor in common with this one (${offered}).`,
    81: `The group "${group}" has reached its largest size (group.max.size).`,
  }[errorCode]
  return kafkaError(errorCode, hint, { group })
}
