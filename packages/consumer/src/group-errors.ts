import { ClientError, kafkaError, type Client } from '@kfk/client'

/**
 * Error codes of a coordinator that tell a member where it stands; `group-member.ts` acts on them.
 */
export const groupCode = {
  illegalGeneration: 22,
  unknownMember: 25,
  rebalanceInProgress: 27,
  groupIdNotFound: 69,
  memberIdRequired: 79,
  fencedInstance: 82,
  fencedMemberEpoch: 110,
  unreleasedInstance: 111,
  staleMemberEpoch: 113,
} as const

const membershipCodes = new Set<number>(Object.values(groupCode))

/** The answer is about the member, not about the request. */
export function isAboutMembership(errorCode: number): boolean {
  return membershipCodes.has(errorCode)
}

/**
 * Throws what is not for the member's state machine to decide: above all that the coordinator moves
 * or loads.
 */
export function throwIfRetriable(group: string, errorCode: number): void {
  if (errorCode === 0) return
  const error = kafkaError(errorCode, null, { group })
  if (error.retriable) throw error
}

/**
 * Repeats `operation` while it fails with a retriable error, and looks the coordinator up again
 * each time. Rejects with the last error, or KFK_CLIENT_ABORTED.
 */
export function whileCoordinatorMoves<T>(
  client: Client,
  group: string,
  operation: () => Promise<T>,
  bounds: { readonly signal: AbortSignal | undefined; readonly timeoutMs?: number },
): Promise<T> {
  const attempt = async (): Promise<T> => {
    try {
      return await operation()
    } catch (error) {
      if (error instanceof ClientError && error.retriable) client.invalidateCoordinator(group)
      throw error
    }
  }
  const { signal, timeoutMs = Infinity } = bounds
  return client.retrying(attempt, { ...(signal && { signal }), timeoutMs, retries: Infinity })
}

/**
 * The lane of requests about offsets: they must not wait behind a JoinGroup that waits for other
 * members.
 */
export function offsetsLane(group: string): string {
  return `offsets:${group}`
}

/** What a group's refusal means, and what to do. */
export function describeRefusal(
  errorCode: number,
  options: {
    readonly group: string
    readonly sessionTimeoutMs: number
    readonly groupInstanceId: string | null
    readonly assignors: readonly { readonly name: string }[]
  },
  message: string | null = null,
): ClientError {
  const { group, sessionTimeoutMs, groupInstanceId } = options
  const offered = options.assignors.map(({ name }) => name).join(', ')
  const hints = new Map([
    [23, `The members of "${group}" have no assignor in common with this one (${offered}).`],
    [
      groupCode.unreleasedInstance,
      `Another consumer is in "${group}" with the groupInstanceId "${groupInstanceId}". Give each consumer its own; one that has died is forgotten when its session ends.`,
    ],
    [
      groupCode.groupIdNotFound,
      `The group "${group}" has members of the classic protocol: use \`protocol: 'auto'\` or 'classic'.`,
    ],
    [24, `The group id "${group}" is not valid.`],
    [
      26,
      `The session timeout of ${sessionTimeoutMs} ms is outside of what the broker allows (group.min.session.timeout.ms, group.max.session.timeout.ms).`,
    ],
    [30, `This client may not use the group "${group}".`],
    [81, `The group "${group}" has reached its largest size (group.max.size).`],
    [
      groupCode.fencedInstance,
      `Another consumer has joined "${group}" with the groupInstanceId "${groupInstanceId}" and replaced this one. Give each consumer its own.`,
    ],
  ])
  return kafkaError(errorCode, hints.get(errorCode) ?? message, { group })
}
