import assert from 'node:assert/strict'
import type { CoordinationError } from '../coordination-error.js'
import { type ComplianceOptions, eventually, fixtureTest, refused } from './fixture.js'

/** Sessions and leases: liveness, expiry, fencing. */
export function sessionSuite(options: ComplianceOptions): void {
  const test = fixtureTest(options)
  const ttlMs = options.ttlMs ?? 600

  test('a session is an entry that others see until it is closed', async (fixture) => {
    const a = await fixture.connect()
    const b = await fixture.connect()
    const losses: CoordinationError[] = []
    const onLost = (reason: CoordinationError) => losses.push(reason)
    const session = await a.openSession({ key: 'brokers/1', value: 'one', ttlMs, onLost })
    assert.ok(session.epoch >= 1)
    assert.equal(session.live, true)
    const seen = await b.get('brokers/1')
    assert.equal(seen?.value, 'one')
    assert.equal(seen.epoch, session.epoch)
    await session.update('two')
    assert.equal((await b.get('brokers/1'))?.value, 'two')
    assert.equal((await b.get('brokers/1'))?.epoch, session.epoch)
    await session.close()
    await session.close()
    assert.equal(session.live, false)
    assert.equal(await b.get('brokers/1'), undefined)
    await refused(session.update('three'), 'KFK_COORDINATION_CLOSED')
    await fixture.pass(ttlMs * 2)
    assert.deepEqual(losses, [])
  })

  test('an open session outlives its time to live, because it is renewed', async (fixture) => {
    const a = await fixture.connect()
    const b = await fixture.connect()
    const session = await a.openSession({ key: 's', value: '', ttlMs })
    for (let round = 0; round < 10; round++) await fixture.pass(ttlMs / 2)
    assert.equal(session.live, true)
    assert.equal((await b.get('s'))?.epoch, session.epoch)
  })

  test('a session that is not renewed expires, for others and for its owner', async (fixture) => {
    const a = await fixture.connect()
    const b = await fixture.connect()
    const losses: CoordinationError[] = []
    const onLost = (reason: CoordinationError) => losses.push(reason)
    const session = await a.openSession({ key: 's', value: '', ttlMs, onLost })
    await a.acquireLease('l', { session, value: '' })
    const heal = await fixture.cutOff(a)
    await eventually(fixture, 'the entries are gone', async () => (await b.list('')).length === 0)
    await eventually(fixture, 'the owner heard', () => losses.length > 0, ttlMs)
    assert.equal(session.live, false)
    assert.equal(losses[0]?.code, 'KFK_COORDINATION_SESSION_EXPIRED')
    const next = await b.openSession({ key: 's', value: '', ttlMs })
    assert.ok(next.epoch > session.epoch)
    await heal()
    const change = { expectedVersion: 0, value: '', session }
    await eventually(fixture, 'calls work again', () =>
      a.list('').then(
        () => true,
        () => false,
      ),
    )
    await refused(a.compareAndSet('k', change), 'KFK_COORDINATION_FENCED')
    assert.equal(losses.length, 1)
  })

  test('a short cut loses no session', async (fixture) => {
    const a = await fixture.connect()
    const b = await fixture.connect()
    const losses: CoordinationError[] = []
    const longMs = ttlMs * 4
    const onLost = (reason: CoordinationError) => losses.push(reason)
    const session = await a.openSession({ key: 's', value: '', ttlMs: longMs, onLost })
    const heal = await fixture.cutOff(a)
    await fixture.pass(ttlMs)
    await heal()
    await eventually(fixture, 'calls work again', () =>
      a.list('').then(
        () => true,
        () => false,
      ),
    )
    await fixture.pass(longMs)
    assert.equal(session.live, true)
    assert.equal((await b.get('s'))?.epoch, session.epoch)
    assert.deepEqual(losses, [])
  })

  test('a live session keeps others from its key, unless they replace it', async (fixture) => {
    const a = await fixture.connect()
    const b = await fixture.connect()
    const losses: CoordinationError[] = []
    const onLost = (reason: CoordinationError) => losses.push(reason)
    const older = await a.openSession({ key: 's', value: 'a', ttlMs, onLost })
    await a.acquireLease('l', { session: older, value: '' })
    await refused(b.openSession({ key: 's', value: 'b', ttlMs }), 'KFK_COORDINATION_EXISTS')
    const newer = await b.openSession({ key: 's', value: 'b', ttlMs, replace: true })
    assert.ok(newer.epoch > older.epoch)
    assert.equal((await a.get('s'))?.value, 'b')
    assert.equal(await a.get('l'), undefined)
    await refused(older.update('again'), 'KFK_COORDINATION_FENCED')
    await eventually(fixture, 'the older owner heard', () => losses.length > 0)
    assert.equal(losses[0]?.code, 'KFK_COORDINATION_FENCED')
    assert.equal(older.live, false)
    await older.close()
    assert.equal((await a.get('s'))?.epoch, newer.epoch)
  })

  test('a stale holder is fenced from compare-and-set, the current one is not', async (fixture) => {
    const a = await fixture.connect()
    const b = await fixture.connect()
    const older = await a.openSession({ key: 's', value: '', ttlMs })
    await a.compareAndSet('k', { expectedVersion: 0, value: '1', session: older })
    const newer = await b.openSession({ key: 's', value: '', ttlMs, replace: true })
    const version = (await b.get('k'))?.version ?? -1
    const late = { expectedVersion: version, value: 'late', session: older }
    await refused(a.compareAndSet('k', late), 'KFK_COORDINATION_FENCED')
    await refused(b.compareAndSet('k', late), 'KFK_COORDINATION_FENCED')
    // Fencing is told before a lost race, so that a stale owner stops instead of trying again.
    await refused(a.compareAndSet('k', { ...late, expectedVersion: 0 }), 'KFK_COORDINATION_FENCED')
    await a.compareAndSet('k', { expectedVersion: version, value: '2', session: newer })
    assert.equal((await a.get('k'))?.value, '2')
    await newer.close()
    const closed = { expectedVersion: 0, value: '', session: newer }
    await refused(b.compareAndSet('other', closed), 'KFK_COORDINATION_FENCED')
  })

  test('epochs grow with every session and lease of a key', async (fixture) => {
    const a = await fixture.connect()
    let last = 0
    for (let round = 0; round < 5; round++) {
      const session = await a.openSession({ key: 's', value: '', ttlMs })
      const lease = await a.acquireLease('l', { session, value: '' })
      assert.ok(session.epoch > last)
      assert.ok(lease.epoch > last)
      last = Math.max(session.epoch, lease.epoch)
      await session.close()
    }
  })

  test('plain values, sessions and leases do not overwrite each other', async (fixture) => {
    const a = await fixture.connect()
    const session = await a.openSession({ key: 's', value: '', ttlMs })
    await a.acquireLease('l', { session, value: '' })
    await a.compareAndSet('k', { expectedVersion: 0, value: '' })
    for (const key of ['s', 'l']) {
      const version = (await a.get(key))?.version ?? -1
      const change = { expectedVersion: version, value: null }
      await refused(a.compareAndSet(key, change), 'KFK_COORDINATION_EXISTS')
    }
    for (const key of ['k', 'l']) {
      const opening = { key, value: '', ttlMs, replace: true }
      await refused(a.openSession(opening), 'KFK_COORDINATION_EXISTS')
    }
    for (const key of ['k', 's']) {
      await refused(a.acquireLease(key, { session, value: '' }), 'KFK_COORDINATION_EXISTS')
    }
  })

  test('a lease has one holder, can be passed on, and ends with its session', async (fixture) => {
    const a = await fixture.connect()
    const b = await fixture.connect()
    const one = await a.openSession({ key: 'brokers/1', value: '', ttlMs })
    const two = await b.openSession({ key: 'brokers/2', value: '', ttlMs })
    const first = await a.acquireLease('controller', { session: one, value: '1' })
    const taken = b.acquireLease('controller', { session: two, value: '2' })
    await refused(taken, 'KFK_COORDINATION_EXISTS')
    const again = await a.acquireLease('controller', { session: one, value: '1 again' })
    assert.equal(again.epoch, first.epoch)
    assert.equal((await b.get('controller'))?.value, '1 again')
    await first.update('1 updated')
    assert.equal((await b.get('controller'))?.value, '1 updated')
    await a.compareAndSet('k', { expectedVersion: 0, value: '', session: first })
    await first.release()
    await first.release()
    assert.equal(first.live, false)
    const stale = { expectedVersion: 0, value: '', session: first }
    await refused(a.compareAndSet('k2', stale), 'KFK_COORDINATION_FENCED')
    await refused(first.update(''), 'KFK_COORDINATION_CLOSED')
    const second = await b.acquireLease('controller', { session: two, value: '2' })
    assert.ok(second.epoch > first.epoch)
    await two.close()
    assert.equal(second.live, false)
    assert.equal(await a.get('controller'), undefined)
    await refused(second.update(''), 'KFK_COORDINATION_CLOSED')
    const late = b.acquireLease('controller', { session: two, value: '' })
    await refused(late, 'KFK_COORDINATION_FENCED')
  })

  test('a hundred concurrent claims of a lease have one winner', async (fixture) => {
    const a = await fixture.connect()
    const b = await fixture.connect()
    const sessions = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        (index % 2 ? a : b).openSession({ key: `s/${index}`, value: '', ttlMs: 60_000 }),
      ),
    )
    const claims = await Promise.allSettled(
      sessions.map((session, index) =>
        (index % 2 ? a : b).acquireLease('l', { session, value: `${index}` }),
      ),
    )
    assert.equal(claims.filter((claim) => claim.status === 'fulfilled').length, 1)
    assert.equal(new Set(sessions.map((session) => session.epoch)).size, 100)
  })
}
