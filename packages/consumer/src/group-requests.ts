import { ClientError, type Client } from '@kfk/client'
import { apis, type Api, type RequestInput, type ResponseOf } from '@kfk/protocol'
import {
  isAboutMembership,
  offsetsLane,
  throwIfRetriable,
  whileCoordinatorMoves,
} from './group-errors.js'
import {
  assignmentBytes,
  memberFrom,
  partitionsOf,
  protocolType,
  subscriptionFor,
} from './group-protocol.js'
import type { GroupMember, MemberEvent } from './group-member.js'
import type { ResolvedSettings } from './options.js'

export interface GroupRequestsOptions {
  readonly client: Client
  readonly group: string
  readonly topics: readonly string[]
  readonly settings: ResolvedSettings
  /**
   * Of this consumer's own connection: a JoinGroup that waits must not hold up another member on a
   * shared client.
   */
  readonly lane: string
  readonly signal: AbortSignal
  /** Partitions by topic; asked by the leader of the group. */
  readonly countPartitions: (topics: readonly string[]) => Promise<Map<string, number>>
}

type JoinResponse = ResponseOf<typeof apis.joinGroup>
type Identity = Pick<GroupMember, 'memberId' | 'generation' | 'owned'>

/** A member that cannot say goodbye in this time is left to its session timeout. */
const leaveTimeoutMs = 3000
/** JoinGroup waits for the slowest member; on top of that, for the network. */
const joinSlackMs = 5000

/**
 * The requests of a member to its coordinator; each answer is an event for the member's state
 * machine.
 */
export class GroupRequests {
  readonly #options: GroupRequestsOptions
  #joined: JoinResponse | undefined

  constructor(options: GroupRequestsOptions) {
    this.#options = options
  }

  /** The last JoinGroup made this member the leader. */
  get isLeader(): boolean {
    return this.#joined?.errorCode === 0 && this.#joined.leader === this.#joined.memberId
  }

  /**
   * Waits until the group has assembled. Repeated while the coordinator is away, moves or loads.
   */
  join(memberId: string, reason: string, identity: Identity): Promise<MemberEvent> {
    const { group, topics, settings } = this.#options
    const own = { topics, owned: identity.owned, generation: identity.generation }
    const body = {
      groupId: group,
      sessionTimeoutMs: settings.sessionTimeoutMs,
      rebalanceTimeoutMs: settings.rebalanceTimeoutMs,
      memberId,
      groupInstanceId: settings.groupInstanceId,
      protocolType,
      protocols: settings.assignors.map((assignor) => ({
        name: assignor.name,
        metadata: subscriptionFor(assignor, own),
      })),
      reason,
    }
    return this.#repeating(async () => {
      const timeoutMs = settings.rebalanceTimeoutMs + joinSlackMs
      const answer = await this.#send(apis.joinGroup, body, timeoutMs)
      this.#check(answer.errorCode)
      this.#joined = answer
      const { errorCode, generationId: generation } = answer
      return { type: 'joined', errorCode, memberId: answer.memberId, generation }
    })
  }

  /** Fetches the share of this member; the leader brings the shares of all. */
  sync({ memberId, generation }: Identity): Promise<MemberEvent> {
    const { group, settings } = this.#options
    const joined = this.#joined!
    return this.#repeating(async () => {
      const body = {
        groupId: group,
        generationId: generation,
        memberId,
        groupInstanceId: settings.groupInstanceId,
        protocolType,
        protocolName: joined.protocolName,
        assignments: this.isLeader ? await this.#assignments(joined) : [],
      }
      const timeoutMs = settings.rebalanceTimeoutMs + joinSlackMs
      const answer = await this.#send(apis.syncGroup, body, timeoutMs)
      this.#check(answer.errorCode)
      const assignment = answer.errorCode === 0 ? partitionsOf(answer.assignment) : []
      return { type: 'synced', errorCode: answer.errorCode, assignment }
    })
  }

  /** One attempt. Rejects when the coordinator does not answer as one. */
  async heartbeat({ memberId, generation }: Identity): Promise<MemberEvent> {
    const { client, group, settings } = this.#options
    const { groupInstanceId, sessionTimeoutMs } = settings
    const body = { groupId: group, generationId: generation, memberId, groupInstanceId }
    try {
      const { errorCode } = await this.#send(apis.heartbeat, body, sessionTimeoutMs)
      this.#check(errorCode)
      return { type: 'heard', errorCode, generation }
    } catch (error) {
      client.invalidateCoordinator(group)
      throw error
    }
  }

  /** Never rejects. Not behind a JoinGroup that still waits for its answer, which this ends. */
  async leave(memberId: string): Promise<void> {
    const { client, group } = this.#options
    const member = { memberId, groupInstanceId: null, reason: 'the consumer is closed' }
    try {
      await client.request(
        apis.leaveGroup,
        (version) =>
          version >= 3
            ? { groupId: group, members: [member] }
            : { groupId: group, memberId, members: [] },
        { group },
        { timeoutMs: leaveTimeoutMs, lane: offsetsLane(group) },
      )
    } catch (error) {
      client.logger.debug('could not leave the group; its session will end', { group, error })
    }
  }

  /** The leader divides the partitions of all topics that any member wants. */
  async #assignments(joined: JoinResponse) {
    const { settings, countPartitions } = this.#options
    const members = joined.members.map(memberFrom)
    const partitionCounts = await countPartitions([
      ...new Set(members.flatMap((member) => [...member.topics])),
    ])
    // KIP-814: a static leader is back before anybody missed it, and all shares stay as they are.
    if (joined.skipAssignment) return []
    const assignor = settings.assignors.find(({ name }) => name === joined.protocolName)
    if (assignor === undefined) {
      const offered = settings.assignors.map(({ name }) => name).join(', ')
      const message = `The group chose the assignor "${joined.protocolName}", this member has ${offered}.`
      throw new ClientError('KFK_CLIENT_INVALID_ARGUMENT', message)
    }
    const shares = await assignor.assign({ members, partitionCounts })
    return members.map(({ memberId }) => ({
      memberId,
      assignment: assignmentBytes(shares.get(memberId) ?? []),
    }))
  }

  #check(errorCode: number): void {
    if (!isAboutMembership(errorCode)) throwIfRetriable(this.#options.group, errorCode)
  }

  #repeating<T>(operation: () => Promise<T>): Promise<T> {
    const { client, group, signal } = this.#options
    return whileCoordinatorMoves(client, group, operation, { signal })
  }

  #send<A extends Api>(api: A, body: RequestInput<A>, timeoutMs: number): Promise<ResponseOf<A>> {
    const { client, group, lane, signal } = this.#options
    return client.request(api, body, { group }, { signal, timeoutMs, lane })
  }
}
