import type { JoinResult, SyncResult } from '../../src/group/group-api.js'
import type { GroupEffect } from '../../src/group/group-effects.js'
import { Group, type GroupLimits, type JoinStep } from '../../src/group/group.js'

/** A group without surroundings: effects are collected, answers found by ticket. */
export class MachineDriver {
  now = 0
  readonly effects: GroupEffect[] = []
  readonly joins = new Map<number, JoinResult>()
  readonly syncs = new Map<number, SyncResult>()
  readonly group: Group
  limits: GroupLimits
  #ticket = 0
  #memberCount = 0

  constructor(limits: Partial<GroupLimits> = {}, generation = 0) {
    this.limits = { maxSize: 2 ** 31 - 1, initialRebalanceDelayMs: 0, ...limits }
    this.group = new Group('g', () => this.limits, generation)
  }

  /** Returns the ticket; the answer is in `joins` as soon as there is one. */
  join(step: Partial<JoinStep> = {}): number {
    const ticket = ++this.#ticket
    const name = step.groupInstanceId ?? 'client'
    this.group.join(
      {
        groupId: 'g',
        ticket,
        newMemberId: `${name}-${++this.#memberCount}`,
        memberId: '',
        groupInstanceId: null,
        clientId: 'client',
        clientHost: '/127.0.0.1',
        sessionTimeoutMs: 10_000,
        rebalanceTimeoutMs: 60_000,
        protocolType: 'consumer',
        protocols: protocols('range'),
        requireKnownMemberId: false,
        supportsSkippingAssignment: true,
        reason: null,
        ...step,
      },
      this.now,
    )
    this.#collect()
    return ticket
  }

  /** Joins and returns the answer, which must be there at once. */
  joined(step: Partial<JoinStep> = {}): JoinResult {
    return this.joins.get(this.join(step))!
  }

  sync(
    memberId: string,
    options: {
      generation?: number
      assignments?: Record<string, string>
      groupInstanceId?: string | null
      protocolName?: string | null
      protocolType?: string | null
    } = {},
  ): number {
    const ticket = ++this.#ticket
    const assignments = Object.entries(options.assignments ?? {})
    this.group.sync(
      {
        groupId: 'g',
        generation: options.generation ?? this.group.generation,
        memberId,
        groupInstanceId: options.groupInstanceId ?? null,
        protocolType: options.protocolType ?? null,
        protocolName: options.protocolName ?? null,
        assignments: assignments.map(([id, text]) => ({ memberId: id, assignment: bytes(text) })),
      },
      ticket,
      this.now,
    )
    this.#collect()
    return ticket
  }

  heartbeat(
    memberId: string,
    generation = this.group.generation,
    groupInstanceId: string | null = null,
  ): number {
    const input = { groupId: 'g', memberId, generation, groupInstanceId }
    return this.group.heartbeat(input, this.now)
  }

  commit(memberId: string, generation: number, groupInstanceId: string | null = null): number {
    return this.group.checkCommit({ memberId, generation, groupInstanceId }, this.now)
  }

  leave(...members: { memberId: string; groupInstanceId?: string | null }[]) {
    const result = this.group.leave(
      members.map((member) => ({ groupInstanceId: null, reason: null, ...member })),
      this.now,
    )
    this.#collect()
    return result
  }

  /** Lets time pass as the coordinator does: waking the machine at its deadlines. */
  advance(ms: number): void {
    const end = this.now + ms
    while (this.group.nextDeadline() <= end) {
      this.now = Math.max(this.group.nextDeadline(), this.now)
      this.group.tick(this.now)
      this.#collect()
    }
    this.now = end
  }

  run(step: (group: Group) => void): void {
    step(this.group)
    this.#collect()
  }

  /** A stable group of `count` dynamic members; the first leads. */
  static stable(count: number, limits: Partial<GroupLimits> = {}) {
    const driver = new MachineDriver({ ...limits, initialRebalanceDelayMs: 1000 })
    const tickets = Array.from({ length: count }, () => driver.join())
    driver.advance(2000)
    const ids = tickets.map((ticket) => driver.joins.get(ticket)!.memberId)
    driver.limits = { ...driver.limits, initialRebalanceDelayMs: 0 }
    for (const id of ids.slice(1)) driver.sync(id)
    driver.sync(ids[0]!, { assignments: Object.fromEntries(ids.map((id) => [id, `of ${id}`])) })
    return { driver, ids }
  }

  #collect(): void {
    for (const effect of this.group.drain()) {
      this.effects.push(effect)
      if (effect.kind === 'joined') {
        if (this.joins.has(effect.ticket)) throw new Error('answered twice')
        this.joins.set(effect.ticket, effect.result)
      } else if (effect.kind === 'synced') {
        if (this.syncs.has(effect.ticket)) throw new Error('answered twice')
        this.syncs.set(effect.ticket, effect.result)
      }
    }
  }
}

export function bytes(text: string): Uint8Array {
  return Buffer.from(text)
}

export function protocols(...names: string[]) {
  return names.map((name) => ({ name, metadata: bytes(`metadata for ${name}`) }))
}
