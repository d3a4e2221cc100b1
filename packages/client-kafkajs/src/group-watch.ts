import { apis, decodeConsumerAssignment, type ResponseOf } from '@kfk/protocol'
import type { Assignment } from './assigner-api.js'
import type { RequestObserver } from './observed-client.js'

/** What the coordinator said when this consumer joined. */
export interface JoinedGroup {
  readonly memberId: string
  readonly leaderId: string
  readonly groupProtocol: string
  readonly generation: number
  readonly memberAssignment: Assignment
  /** Milliseconds from the first JoinGroup to the assignment. */
  readonly duration: number
}

export interface GroupWatchEvents {
  heartbeat(): void
  rebalancing(): void
  fetchStart(nodeId: number): void
  fetch(nodeId: number, duration: number): void
}

const rebalancingCodes = [16, 22, 27]

/** Follows a consumer's requests: what they say of group and fetches becomes events. */
export class GroupWatch implements RequestObserver {
  readonly #events: GroupWatchEvents
  #joined: ResponseOf<typeof apis.joinGroup> | undefined
  #joinBegan: number | undefined
  #group: JoinedGroup | undefined

  constructor(events: GroupWatchEvents) {
    this.#events = events
  }

  /** What the last round gave; undefined while none is complete. */
  get group(): JoinedGroup | undefined {
    return this.#group
  }

  sending({ api, target }: Parameters<NonNullable<RequestObserver['sending']>>[0]): void {
    if (api.key === apis.fetch.key) this.#events.fetchStart(nodeOf(target))
    else if (api.key === apis.joinGroup.key) this.#joinBegan ??= Date.now()
  }

  answered(
    { api, target, sentAt }: Parameters<NonNullable<RequestObserver['answered']>>[0],
    response: unknown,
  ): void {
    if (api.key === apis.fetch.key) {
      this.#events.fetch(nodeOf(target), Date.now() - sentAt)
    } else if (api.key === apis.heartbeat.key) {
      const { errorCode } = response as ResponseOf<typeof apis.heartbeat>
      if (errorCode === 0) this.#events.heartbeat()
      else if (rebalancingCodes.includes(errorCode)) this.#events.rebalancing()
    } else if (api.key === apis.joinGroup.key) {
      const joined = response as ResponseOf<typeof apis.joinGroup>
      if (joined.errorCode === 0) this.#joined = joined
    } else if (api.key === apis.syncGroup.key) {
      this.#synced(response as ResponseOf<typeof apis.syncGroup>)
    }
  }

  #synced({ errorCode, assignment }: ResponseOf<typeof apis.syncGroup>): void {
    if (errorCode !== 0 || this.#joined === undefined) return
    const { memberId, leader, protocolName, generationId } = this.#joined
    this.#group = {
      memberId,
      leaderId: leader,
      groupProtocol: protocolName ?? '',
      generation: generationId,
      memberAssignment: assignmentOf(assignment),
      duration: Date.now() - (this.#joinBegan ?? Date.now()),
    }
    this.#joinBegan = undefined
  }
}

function nodeOf(target: unknown): number {
  const { nodeId } = (typeof target === 'object' ? target : {}) as { nodeId?: number }
  return nodeId ?? -1
}

function assignmentOf(bytes: Uint8Array): Assignment {
  if (bytes.length === 0) return {}
  const { assignedPartitions } = decodeConsumerAssignment(bytes)
  return Object.fromEntries(
    assignedPartitions.map(({ topic, partitions }) => [topic, [...partitions]]),
  )
}
