import { errorCodes } from '@kfk/protocol'
import fc from 'fast-check'
import { MachineDriver, protocols } from './machine-driver.js'

/**
 * Ten partitions are dealt out to the members: who holds one is told by its owner at each
 * generation.
 */
const PARTITIONS = 10

/**
 * A client as a real one behaves: it joins, asks for its assignment, keeps alive, and starts over
 * when told so.
 */
class Client {
  memberId = ''
  generation = -1
  joinTicket: number | undefined
  syncTicket: number | undefined
  /** The JoinGroup answer of the generation that it is in. */
  joined: { leads: boolean; members: readonly string[] } | undefined
  stopped = false

  constructor(
    readonly driver: MachineDriver,
    readonly ledger: Ledger,
    readonly instance: string | null,
  ) {}

  join(variant: number): void {
    if (this.stopped || this.joinTicket !== undefined || this.syncTicket !== undefined) return
    const names = variant % 2 === 0 ? ['range', 'sticky'] : ['sticky', 'range']
    this.joinTicket = this.driver.join({
      memberId: this.memberId,
      groupInstanceId: this.instance,
      requireKnownMemberId: variant % 3 !== 0,
      sessionTimeoutMs: 10_000 + variant * 100,
      rebalanceTimeoutMs: 20_000 + variant * 1000,
      protocols: protocols(...names),
    })
    this.ledger.open.add(this.joinTicket)
    this.receive()
  }

  sync(): void {
    if (this.stopped || this.joined === undefined || this.syncTicket !== undefined) return
    const { leads, members } = this.joined
    const assignments: Record<string, string> = {}
    if (leads) {
      for (const [index, id] of members.entries()) {
        const own = Array.from({ length: PARTITIONS }, (_, p) => p).filter(
          (p) => p % members.length === index,
        )
        assignments[id] = JSON.stringify(own)
      }
    }
    const { generation, instance: groupInstanceId } = this
    this.syncTicket = this.driver.sync(this.memberId, { generation, groupInstanceId, assignments })
    this.ledger.open.add(this.syncTicket)
    this.receive()
  }

  heartbeat(): void {
    if (this.stopped || this.generation < 0) return
    this.react(this.driver.heartbeat(this.memberId, this.generation, this.instance))
  }

  leave(): void {
    if (this.memberId === '') return
    this.driver.leave({ memberId: this.memberId, groupInstanceId: this.instance })
    this.reset()
  }

  /** A static member comes back without its id; a dynamic one is simply new. */
  restart(): void {
    this.joinTicket = this.syncTicket = undefined
    this.stopped = false
    this.reset()
  }

  /** Looks whether what it waits for has been answered. */
  receive(): void {
    const join = this.joinTicket === undefined ? undefined : this.driver.joins.get(this.joinTicket)
    if (join !== undefined) {
      this.joinTicket = undefined
      if (join.errorCode === errorCodes.NONE) {
        this.ledger.collect(this.driver)
        this.ledger.toldGeneration(join.generation)
        this.memberId = join.memberId
        this.generation = join.generation
        const leads = join.leader === join.memberId && !join.skipAssignment
        this.joined = { leads, members: join.members.map(({ memberId }) => memberId) }
      } else if (join.errorCode === errorCodes.MEMBER_ID_REQUIRED) {
        this.memberId = join.memberId
      } else this.react(join.errorCode)
    }
    const sync = this.syncTicket === undefined ? undefined : this.driver.syncs.get(this.syncTicket)
    if (sync === undefined) return
    this.syncTicket = undefined
    this.joined = undefined
    if (sync.errorCode !== errorCodes.NONE) this.react(sync.errorCode)
    else if (sync.assignment.length > 0) {
      const own = JSON.parse(Buffer.from(sync.assignment).toString()) as number[]
      this.ledger.assigned(this.generation, this.instance ?? this.memberId, own)
    }
  }

  react(code: number): void {
    const startOver = [errorCodes.UNKNOWN_MEMBER_ID, errorCodes.FENCED_INSTANCE_ID] as number[]
    if (startOver.includes(code)) this.reset()
    else if (code !== errorCodes.NONE) this.joined = undefined
  }

  private reset(): void {
    this.memberId = ''
    this.generation = -1
    this.joined = undefined
  }
}

/** What must hold over all clients. */
class Ledger {
  readonly open = new Set<number>()
  readonly #owners = new Map<string, string>()
  readonly #floors = new Set<number>()
  #seenEffects = 0
  #lastFloor = 0

  assigned(generation: number, owner: string, partitions: readonly number[]): void {
    for (const partition of partitions) {
      const key = `${generation}/${partition}`
      const other = this.#owners.get(key) ?? owner
      if (other !== owner) throw new Error(`${key} is of ${other} and of ${owner}`)
      this.#owners.set(key, owner)
    }
  }

  toldGeneration(generation: number): void {
    if (!this.#floors.has(generation)) throw new Error(`told ${generation} without a floor`)
  }

  collect(driver: MachineDriver): void {
    for (const effect of driver.effects.slice(this.#seenEffects)) {
      if (effect.kind !== 'floor') continue
      if (effect.generation < this.#lastFloor) throw new Error('a generation went back')
      this.#lastFloor = effect.generation
      this.#floors.add(effect.generation)
    }
    this.#seenEffects = driver.effects.length
  }

  check(driver: MachineDriver): void {
    this.collect(driver)
    if (driver.group.state !== 'Stable') return
    for (const member of driver.group.roster.members()) {
      if (member.joinTicket !== undefined || member.syncTicket !== undefined) {
        throw new Error(`${member.id} of a stable group waits for an answer`)
      }
    }
  }
}

const command = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('join'), who: fc.nat(5), n: fc.nat(9) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('sync'), who: fc.nat(5), n: fc.nat(9) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('beat'), who: fc.nat(5), n: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('leave'), who: fc.nat(5), n: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash'), who: fc.nat(5), n: fc.nat(9) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('restart'), who: fc.nat(5), n: fc.nat(9) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('fail'), who: fc.nat(5), n: fc.nat(9) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('wait'), who: fc.nat(5), n: fc.nat(9) }) },
)

function play(
  delayMs: number,
  commands: readonly { kind: string; who: number; n: number }[],
): { driver: MachineDriver; ledger: Ledger; clients: Client[] } {
  const driver = new MachineDriver({ initialRebalanceDelayMs: delayMs, maxSize: 5 })
  const ledger = new Ledger()
  const clients = Array.from(
    { length: 6 },
    (_, index) => new Client(driver, ledger, index < 2 ? `static${index}` : null),
  )
  for (const { kind, who, n } of commands) {
    const client = clients[who]!
    if (kind === 'wait') driver.advance(n * 1500)
    else if (kind === 'fail') driver.run((group) => group.floorFailed(group.generation, driver.now))
    else if (kind === 'crash') client.stopped = true
    else if (kind === 'restart') client.restart()
    else if (kind === 'join') client.join(n)
    else if (kind === 'sync') client.sync()
    else if (kind === 'beat') client.heartbeat()
    else client.leave()
    ledger.check(driver)
    for (const each of clients) each.receive()
  }
  return { driver, ledger, clients }
}

const schedule = fc.array(command, { minLength: 10, maxLength: 120 })
const delay = fc.constantFrom(0, 3000)

test('no partition has two owners at one generation, whatever members do', () => {
  fc.assert(
    fc.property(delay, schedule, (delayMs, commands) => {
      play(delayMs, commands)
    }),
    { seed: 1, numRuns: 1000 },
  )
})

test('every request is answered once, at the latest when all sessions have ended', () => {
  fc.assert(
    fc.property(delay, schedule, (delayMs, commands) => {
      const { driver, ledger } = play(delayMs, commands)
      driver.advance(3_600_000)
      for (const ticket of ledger.open) {
        expect(driver.joins.has(ticket) || driver.syncs.has(ticket)).toBe(true)
      }
      expect(driver.group.idle).toBe(true)
    }),
    { seed: 1, numRuns: 500 },
  )
})

test('members that keep trying end up in one stable generation that covers all partitions', () => {
  fc.assert(
    fc.property(delay, schedule, (delayMs, commands) => {
      const { driver, ledger, clients } = play(delayMs, commands)
      for (const client of clients.slice(0, 4)) client.restart()
      for (const client of clients.slice(4)) client.stopped = true
      for (let round = 0; round < 200; round++) {
        for (const client of clients) {
          client.receive()
          if (client.generation < 0 || client.joined === undefined) client.heartbeat()
          const code = driver.heartbeat(client.memberId, client.generation, client.instance)
          if (code !== errorCodes.NONE) client.join(0)
          client.sync()
        }
        driver.advance(1000)
        ledger.check(driver)
      }
      expect(driver.group.state).toBe('Stable')
      expect(driver.group.roster.size).toBe(4)
    }),
    { seed: 1, numRuns: 200 },
  )
})
