import assert from 'node:assert/strict'
import { type ComplianceOptions, fixtureTest, refused } from './fixture.js'

/** Adapters that keep their state over a restart of the process. */
export function durableSuite(options: ComplianceOptions): void {
  const test = fixtureTest(options)
  const ttlMs = options.ttlMs ?? 600

  test('plain values survive a restart; sessions and leases do not', async (fixture) => {
    assert.ok(fixture.reopen)
    const a = await fixture.connect()
    const kept = await a.compareAndSet('k', { expectedVersion: 0, value: 'kept' })
    const gone = await a.compareAndSet('gone', { expectedVersion: 0, value: '' })
    await a.compareAndSet('gone', { expectedVersion: gone?.version ?? 0, value: null })
    const session = await a.openSession({ key: 's', value: '', ttlMs })
    await a.acquireLease('l', { session, value: '' })
    const b = await fixture.reopen()
    assert.deepEqual(await b.list(''), [kept])
  })

  test('versions and epochs go on after a restart', async (fixture) => {
    assert.ok(fixture.reopen)
    const a = await fixture.connect()
    const kept = await a.compareAndSet('k', { expectedVersion: 0, value: '' })
    const older = await a.openSession({ key: 's', value: '', ttlMs })
    await older.update('many')
    const lastVersion = (await a.get('s'))?.version ?? 0
    const b = await fixture.reopen()
    const newer = await b.openSession({ key: 's', value: '', ttlMs })
    assert.ok(newer.epoch > older.epoch)
    const version = kept?.version ?? 0
    const fenced = { expectedVersion: version, value: '', session: older }
    await refused(b.compareAndSet('k', fenced), 'KFK_COORDINATION_FENCED')
    const next = await b.compareAndSet('k', { expectedVersion: version, value: '', session: newer })
    assert.ok(next && next.version > lastVersion)
  })
}
