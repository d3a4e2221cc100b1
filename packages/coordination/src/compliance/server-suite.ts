import assert from 'node:assert/strict'
import { CoordinationError } from '../coordination-error.js'
import type { Coordination } from '../coordination.js'
import {
  type ComplianceFixture,
  type ComplianceOptions,
  eventually,
  fixtureTest,
  follow,
  type ServerFaults,
} from './fixture.js'

/** Slack over the call timeout for a busy machine, ms. */
const SLACK_MS = 1500

/** Adapters whose state is on a server that can fail in all the ways servers do. */
export function serverSuite(options: ComplianceOptions): void {
  losingSuite(options)
  silentSuite(options)
}

/** The server loses nothing, all, or a part of its state. */
function losingSuite(options: ComplianceOptions): void {
  const test = fixtureTest(options)
  const ttlMs = (options.ttlMs ?? 600) * 10

  test('a restarted server: watches have a gap, sessions stay', async (fixture) => {
    const server = serverOf(fixture)
    const a = await fixture.connect()
    const session = await a.openSession({ key: 's', value: '', ttlMs })
    await a.compareAndSet('k', { expectedVersion: 0, value: 'kept' })
    const view = await follow(a, '')
    await server.restart()
    await eventually(fixture, 'the gap was told', () => view.gaps > 0)
    await works(fixture, a)
    assert.equal((await a.get('k'))?.value, 'kept')
    assert.equal((await a.get('s'))?.epoch, session.epoch)
    assert.equal(session.live, true)
    await a.compareAndSet('k2', { expectedVersion: 0, value: 'new', session })
    await eventually(fixture, 'the watch goes on', () => view.values().k2 === 'new')
  })

  test('an emptied server: owners hear of it, and can publish again', async (fixture) => {
    const server = serverOf(fixture)
    const a = await fixture.connect()
    const b = await fixture.connect()
    const view = await follow(b, '')
    const losses: CoordinationError[] = []
    const onLost = (reason: CoordinationError) => losses.push(reason)
    const older = await a.openSession({ key: 's', value: 'a', ttlMs, onLost })
    await a.compareAndSet('k', { expectedVersion: 0, value: 'published', session: older })
    await eventually(fixture, 'the value is seen', () => view.values().k === 'published')
    await server.empty()
    await eventually(fixture, 'the watcher has a gap', () => view.gaps > 0)
    await eventually(fixture, 'the owner heard', () => losses.length > 0)
    assert.equal(older.live, false)
    const session = await a.openSession({ key: 's', value: 'again', ttlMs })
    assert.notEqual(session.sessionId, older.sessionId)
    await a.compareAndSet('k', { expectedVersion: 0, value: 'again', session })
    const same = () => JSON.stringify(view.values()) === '{"s":"again","k":"again"}'
    await eventually(fixture, 'the watcher sees what was published again', same)
  })

  test('a rolled back server: lost sessions are told of, values come again', async (fixture) => {
    const server = serverOf(fixture)
    const a = await fixture.connect()
    const b = await fixture.connect()
    await a.compareAndSet('k', { expectedVersion: 0, value: 'old' })
    const rollBack = await server.remember()
    const losses: CoordinationError[] = []
    const onLost = (reason: CoordinationError) => losses.push(reason)
    const lost = await a.openSession({ key: 's', value: '', ttlMs, onLost })
    const version = (await a.get('k'))?.version ?? 0
    await a.compareAndSet('k', { expectedVersion: version, value: 'new' })
    const view = await follow(b, '')
    await rollBack()
    await eventually(fixture, 'the watcher has a gap', () => view.gaps > 0)
    await eventually(fixture, 'the owner heard', () => losses.length > 0)
    await eventually(fixture, 'the view is rolled back', () => view.values().k === 'old')
    const session = await a.openSession({ key: 's', value: '', ttlMs })
    const fenced = a.compareAndSet('k', { expectedVersion: 0, value: 'late', session: lost })
    await assert.rejects(fenced, { code: 'KFK_COORDINATION_FENCED' })
    const now = (await a.get('k'))?.version ?? 0
    await a.compareAndSet('k', { expectedVersion: now, value: 'again', session })
    await eventually(fixture, 'the watch goes on', () => view.values().k === 'again')
  })

  test('a rolled back server: a session it knows shows its last value again', async (fixture) => {
    const server = serverOf(fixture)
    const a = await fixture.connect()
    const b = await fixture.connect()
    const session = await a.openSession({ key: 's', value: 'old', ttlMs: ttlMs * 5 })
    const rollBack = await server.remember()
    await session.update('new')
    await rollBack()
    await works(fixture, b)
    const shown = async () => (await b.get('s').catch(() => undefined))?.value === 'new'
    await eventually(fixture, 'the last value is shown again', shown, ttlMs * 5)
    assert.equal(session.live, true)
  })
}

/** The server does not answer, or late, or is not there. */
function silentSuite(options: ComplianceOptions): void {
  const test = fixtureTest(options)
  const ttlMs = options.ttlMs ?? 600

  for (const fault of ['freeze', 'kill'] as const) {
    test(`every call ends within its timeout (${fault}), then all resumes`, async (fixture) => {
      const server = serverOf(fixture)
      const a = await fixture.connect()
      const losses: CoordinationError[] = []
      const onLost = (reason: CoordinationError) => losses.push(reason)
      const session = await a.openSession({ key: 's', value: '', ttlMs, onLost })
      const lease = await a.acquireLease('l', { session, value: '' })
      const view = await follow(a, '')
      const heal = await server[fault]()
      await endsUnavailable(server, () => [
        a.get('k'),
        a.list(''),
        a.compareAndSet('k', { expectedVersion: 0, value: '' }),
        a.openSession({ key: 's2', value: '', ttlMs }),
        a.acquireLease('l2', { session, value: '' }),
        session.update('x'),
        lease.update('x'),
      ])
      await eventually(fixture, 'the owner counts itself as lost', () => losses.length > 0)
      assert.equal(session.live, false)
      assert.equal(lease.live, false)
      await heal()
      await works(fixture, a)
      const next = await a.openSession({ key: 's', value: 'next', ttlMs, replace: true })
      await eventually(fixture, 'the watch goes on', () => view.values().s === 'next')
      assert.equal(next.live, true)
    })

    test(`close ends in bounded time while the server is away (${fault})`, async (fixture) => {
      const server = serverOf(fixture)
      const a = await fixture.connect()
      await a.openSession({ key: 's', value: '', ttlMs })
      await a.watch('', { onChange() {} })
      const heal = await server[fault]()
      const startedMs = performance.now()
      await a.close()
      assert.ok(performance.now() - startedMs < server.callTimeoutMs + SLACK_MS)
      await heal()
    })
  }

  test('a slow server: calls later than the timeout are unavailable', async (fixture) => {
    const server = serverOf(fixture)
    const a = await fixture.connect()
    const fast = await server.delay(a, server.callTimeoutMs / 4)
    await a.compareAndSet('k', { expectedVersion: 0, value: 'slow' })
    await fast()
    const heal = await server.delay(a, server.callTimeoutMs * 4)
    await endsUnavailable(server, () => [a.get('k'), a.list('')])
    await heal()
    await works(fixture, a)
    assert.equal((await a.get('k'))?.value, 'slow')
  })
}

function serverOf(fixture: ComplianceFixture): ServerFaults {
  assert.ok(fixture.server, 'a remote adapter has server faults')
  return fixture.server
}

function works(fixture: ComplianceFixture, coordination: Coordination): Promise<void> {
  const call = () =>
    coordination.list('').then(
      () => true,
      () => false,
    )
  return eventually(fixture, 'calls work again', call)
}

async function endsUnavailable(
  server: ServerFaults,
  start: () => Promise<unknown>[],
): Promise<void> {
  const startedMs = performance.now()
  const results = await Promise.allSettled(start())
  const tookMs = performance.now() - startedMs
  assert.ok(tookMs < server.callTimeoutMs + SLACK_MS, `took ${tookMs} ms`)
  for (const [index, result] of results.entries()) {
    assert.equal(result.status, 'rejected', `call ${index} succeeded`)
    const reason: unknown = result.reason
    assert.ok(reason instanceof CoordinationError, String(reason))
    assert.equal(reason.code, 'KFK_COORDINATION_UNAVAILABLE', `call ${index}: ${reason.message}`)
    assert.equal(reason.retriable, true)
  }
}
