import fc from 'fast-check'
import { GroupMember, type MemberEffect, type MemberEvent } from '../src/group-member'
import { partitionKey, type TopicPartition } from '../src/topic-partition'

const p = (...indexes: number[]): TopicPartition[] =>
  indexes.map((partition) => ({ topic: 't', partition }))

const joined = (generation: number, errorCode = 0): MemberEvent => ({
  type: 'joined',
  errorCode,
  memberId: 'm1',
  generation,
})
const synced = (...indexes: number[]): MemberEvent => ({
  type: 'synced',
  errorCode: 0,
  assignment: p(...indexes),
})
const heard = (errorCode: number, generation: number): MemberEvent => ({
  type: 'heard',
  errorCode,
  generation,
})

function member(protocol: 'eager' | 'cooperative' = 'cooperative', groupInstanceId?: string) {
  return new GroupMember({ protocol, groupInstanceId: groupInstanceId ?? null })
}

/** Effects in short: `join`, `release 0,1`. */
function short(effects: readonly MemberEffect[]): string[] {
  return effects.map((effect) => {
    if (!('partitions' in effect)) return effect.type
    return `${effect.type} ${effect.partitions.map(({ partition }) => partition).join(',')}`.trim()
  })
}

/** The effects of each event in turn. */
function play(subject: GroupMember, ...events: MemberEvent[]): string[][] {
  return events.map((event) => short(subject.step(event)))
}

const start: MemberEvent = { type: 'start' }
const released: MemberEvent = { type: 'released' }
const rejoin: MemberEvent = { type: 'rejoin', reason: 'topics' }

describe('a life in a group', () => {
  test('joins, syncs, beats; a second start changes nothing', () => {
    const subject = member()
    expect(play(subject, start, start, joined(1), synced(0, 1))).toEqual([
      ['stopHeartbeats', 'join'],
      [],
      ['sync'],
      ['startHeartbeats', 'assign 0,1'],
    ])
    expect(subject).toMatchObject({ phase: 'stable', generation: 1, memberId: 'm1' })
  })

  test('KIP-394: joins again with the id it was given', () => {
    const subject = member()
    expect(play(subject, start, joined(-1, 79))).toEqual([
      ['stopHeartbeats', 'join'],
      ['stopHeartbeats', 'join'],
    ])
    expect(subject.memberId).toBe('m1')
  })

  test('cooperative: keeps what stays, gives up what moved before it takes what is new', () => {
    const subject = member()
    play(subject, start, joined(1), synced(0, 1, 2))
    expect(play(subject, heard(27, 1), joined(2), synced(0, 3), released, joined(3))).toEqual([
      ['stopHeartbeats', 'join'],
      ['sync'],
      ['startHeartbeats', 'release 1,2', 'assign 3'],
      ['stopHeartbeats', 'join'],
      ['sync'],
    ])
    expect(subject.owned).toEqual(p(0, 3))
  })

  test('eager: gives everything up before it joins again', () => {
    const subject = member('eager')
    play(subject, start, joined(1), synced(0, 1))
    expect(play(subject, heard(27, 1), heard(27, 1), released, joined(2), synced(1))).toEqual([
      ['release 0,1'],
      [],
      ['stopHeartbeats', 'join'],
      ['sync'],
      ['startHeartbeats', 'assign 1'],
    ])
  })

  test('a wish to rejoin during a round is granted after it', () => {
    const subject = member()
    expect(play(subject, start, rejoin, joined(1), synced(0))).toEqual([
      ['stopHeartbeats', 'join'],
      [],
      ['sync'],
      ['startHeartbeats', 'assign 0', 'stopHeartbeats', 'join'],
    ])
  })
})

describe('bad news', () => {
  test.each([
    [22, 'm1'],
    [25, ''],
    [69, ''],
  ])('%i while stable: everything is lost, and it joins anew', (errorCode, memberId) => {
    const subject = member()
    play(subject, start, joined(1), synced(0, 1))
    expect(play(subject, heard(errorCode, 1))).toEqual([['lose 0,1', 'stopHeartbeats', 'join']])
    expect(subject).toMatchObject({ generation: -1, memberId, owned: [] })
  })

  test('while releasing: what is being released is lost with the rest', () => {
    const subject = member()
    play(subject, start, joined(1), synced(0, 1, 2), heard(27, 1), joined(2), synced(0))
    expect(play(subject, heard(25, 2), released)).toEqual([
      ['lose 0,1,2', 'stopHeartbeats', 'join'],
      [],
    ])
  })

  test('an answer in the name of an older generation says nothing', () => {
    const subject = member()
    play(subject, start, joined(1), synced(0), heard(27, 1), joined(2), synced(0))
    expect(play(subject, heard(22, 1), heard(25, 1), heard(27, 1))).toEqual([[], [], []])
    expect(subject.phase).toBe('stable')
  })

  test('a rebalance that begins between join and sync: joins again and keeps what it owns', () => {
    const subject = member()
    play(subject, start, joined(1), synced(0), heard(27, 1), joined(2))
    expect(play(subject, { type: 'synced', errorCode: 27, assignment: [] })).toEqual([
      ['stopHeartbeats', 'join'],
    ])
    expect(subject.owned).toEqual(p(0))
  })

  test.each([82, 26, 23])('%i is final', (errorCode) => {
    const subject = member('cooperative', 'i1')
    play(subject, start, joined(1), synced(0))
    expect(play(subject, heard(errorCode, 1), start, heard(0, 1), joined(2))).toEqual([
      ['stopHeartbeats', 'lose 0', 'fail'],
      [],
      [],
      [],
    ])
    expect(subject.phase).toBe('failed')
  })

  test('says goodbye as a dynamic member only, and only with an id', () => {
    const dynamic = member()
    expect(play(member(), { type: 'leave' })).toEqual([['stopHeartbeats']])
    play(dynamic, start, joined(1))
    expect(play(dynamic, { type: 'leave' }, start)).toEqual([['stopHeartbeats', 'sendLeave'], []])
    const fixed = member('cooperative', 'i1')
    play(fixed, start, joined(1), synced(0))
    expect(play(fixed, { type: 'leave' })).toEqual([['stopHeartbeats']])
  })
})

const code = fc.constantFrom(0, 0, 0, 22, 25, 27, 69, 79, 82)
const anyEvent: fc.Arbitrary<MemberEvent> = fc.oneof(
  fc.constant(start),
  fc.constant(released),
  fc.constant(rejoin),
  fc.record({
    type: fc.constant('joined' as const),
    errorCode: code,
    memberId: fc.constant('m1'),
    generation: fc.constant(0),
  }),
  fc.record({
    type: fc.constant('synced' as const),
    errorCode: code,
    assignment: fc.subarray([0, 1, 2, 3]).map((indexes) => p(...indexes)),
  }),
  fc.record({
    type: fc.constant('heard' as const),
    errorCode: code,
    generation: fc.integer({ min: 0, max: 1 }),
  }),
)

/** What the effects add up to, checked after every step. */
class Ledger {
  outstanding: 'join' | 'sync' | undefined
  releasing: readonly TopicPartition[] = []
  readonly held = new Set<string>()
  beating = false

  take(effect: MemberEffect, protocol: string): void {
    switch (effect.type) {
      case 'join':
        expect(this.outstanding).toBeUndefined()
        expect(this.releasing).toEqual([])
        expect(this.beating).toBe(false)
        if (protocol === 'eager') expect([...this.held]).toEqual([])
        this.outstanding = 'join'
        return
      case 'sync':
        expect(this.outstanding).toBeUndefined()
        this.outstanding = 'sync'
        return
      case 'release':
        for (const each of effect.partitions) expect(this.held).toContain(partitionKey(each))
        this.releasing = effect.partitions
        return
      case 'lose':
        for (const each of effect.partitions)
          expect(this.held.delete(partitionKey(each))).toBe(true)
        expect([...this.held]).toEqual([])
        this.releasing = []
        return
      case 'assign':
        for (const each of effect.partitions) {
          expect(this.held).not.toContain(partitionKey(each))
          this.held.add(partitionKey(each))
        }
        return
      case 'startHeartbeats':
        this.beating = true
        return
      case 'stopHeartbeats':
        this.beating = false
        return
      case 'fail':
        expect([...this.held]).toEqual([])
        return
      case 'sendLeave':
        return
    }
  }

  /** Answers come only to requests that are out, and `released` only after a release. */
  admits(event: MemberEvent): boolean {
    if (event.type === 'joined') return this.outstanding === 'join'
    if (event.type === 'synced') return this.outstanding === 'sync'
    if (event.type === 'released') return this.releasing.length > 0
    return true
  }

  before(event: MemberEvent): void {
    if (event.type === 'joined' || event.type === 'synced') this.outstanding = undefined
    if (event.type !== 'released') return
    for (const each of this.releasing) this.held.delete(partitionKey(each))
    this.releasing = []
  }
}

test.each(['eager', 'cooperative'] as const)(
  '%s: whatever happens, one request is out at a time, and nothing is held that was lost or released',
  (protocol) => {
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 60 }), (events) => {
        const subject = member(protocol)
        const ledger = new Ledger()
        let generation = 0
        for (const drawn of events) {
          if (!ledger.admits(drawn)) continue
          const event =
            drawn.type === 'joined'
              ? { ...drawn, generation: ++generation }
              : drawn.type === 'heard'
                ? { ...drawn, generation: generation - drawn.generation }
                : drawn
          ledger.before(event)
          for (const effect of subject.step(event)) ledger.take(effect, protocol)
          const own = [...subject.owned, ...ledger.releasing].map(partitionKey).sort()
          expect([...ledger.held].sort()).toEqual(own)
          if (subject.generation < 0) expect(ledger.held.size).toBe(0)
          if (subject.phase === 'stable') expect(ledger.beating).toBe(true)
        }
      }),
      { seed: 1, numRuns: 500 },
    )
  },
)
