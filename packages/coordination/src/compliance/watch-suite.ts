import assert from 'node:assert/strict'
import type { Change } from '../coordination.js'
import { type ComplianceOptions, eventually, fixtureTest, follow } from './fixture.js'

/** Watches: completeness, order, agreement with list, gaps. */
export function watchSuite(options: ComplianceOptions): void {
  const test = fixtureTest(options)
  const ttlMs = options.ttlMs ?? 600

  test('a watch reports what happens under its prefix, in order', async (fixture) => {
    const a = await fixture.connect()
    const b = await fixture.connect()
    const seen: Change[] = []
    await b.watch('in/', { onChange: (changes) => seen.push(...changes) })
    const at = (count: number) =>
      eventually(fixture, `${count} changes`, () => seen.length >= count)
    await a.compareAndSet('out/x', { expectedVersion: 0, value: 'no' })
    const one = await a.compareAndSet('in/k', { expectedVersion: 0, value: '1' })
    await at(1)
    const two = await a.compareAndSet('in/k', { expectedVersion: one?.version ?? 0, value: '2' })
    await at(2)
    await a.compareAndSet('in/k', { expectedVersion: two?.version ?? 0, value: null })
    await at(3)
    const session = await a.openSession({ key: 'in/s', value: 's', ttlMs })
    await at(4)
    await session.close()
    await at(5)
    assert.deepEqual(
      seen.map(({ key, entry }) => [key, entry?.value]),
      [
        ['in/k', '1'],
        ['in/k', '2'],
        ['in/k', undefined],
        ['in/s', 's'],
        ['in/s', undefined],
      ],
    )
    assert.equal(seen[3]?.entry?.epoch, session.epoch)
    const versions = seen.map((change) => change.version)
    assert.deepEqual(
      versions,
      [...new Set(versions)].sort((x, y) => x - y),
    )
  })

  test('the expiry of a session is reported without anyone asking', async (fixture) => {
    const a = await fixture.connect()
    const b = await fixture.connect()
    await a.openSession({ key: 's', value: '', ttlMs })
    const seen: Change[] = []
    await b.watch('', { onChange: (changes) => seen.push(...changes) })
    await fixture.cutOff(a)
    const ended = () => seen.some((change) => change.key === 's' && !change.entry)
    await eventually(fixture, 'the end was reported', ended)
  })

  test('no callback runs inside a call, after close, or after abort', async (fixture) => {
    const a = await fixture.connect()
    let calls = 0
    let inside = false
    const onChange = () => {
      calls++
      assert.equal(inside, false)
    }
    const watch = await a.watch('', { onChange })
    const aborter = new AbortController()
    await a.watch('', { onChange, signal: aborter.signal })
    await a.watch('', { onChange, signal: AbortSignal.abort() })
    inside = true
    const step = a.compareAndSet('k', { expectedVersion: 0, value: '' })
    inside = false
    await step
    await eventually(fixture, 'both watches heard', () => calls === 2)
    watch.close()
    watch.close()
    aborter.abort()
    await a.compareAndSet('k2', { expectedVersion: 0, value: '' })
    await fixture.pass(ttlMs)
    assert.equal(calls, 2)
  })

  test('a view kept by watch and list comes to equal the state', async (fixture) => {
    const writers = [await fixture.connect(), await fixture.connect()]
    const reader = await fixture.connect()
    const churn = async (writer: number): Promise<void> => {
      for (let round = 0; round < 40; round++) {
        const key = `k/${(round * 7 + writer) % 5}`
        const adapter = writers[writer]!
        const entry = await adapter.get(key)
        const value = round % 4 === 3 ? null : `${writer}-${round}`
        const change = { expectedVersion: entry?.version ?? 0, value }
        await adapter.compareAndSet(key, change).catch(() => {})
      }
    }
    const before = churn(0)
    const view = await follow(reader, 'k/')
    await Promise.all([before, churn(1)])
    const truth = await writers[0]!.list('k/')
    await eventually(fixture, 'the view has caught up', () => {
      const held = [...view.entries.values()].sort((x, y) => (x.key < y.key ? -1 : 1))
      return JSON.stringify(held) === JSON.stringify(truth)
    })
    const versions = view.changes.map((change) => change.version)
    assert.deepEqual(
      versions,
      [...versions].sort((x, y) => x - y),
    )
  })

  test('a view is right after a cut, by a gap or because nothing was missed', async (fixture) => {
    const a = await fixture.connect()
    const b = await fixture.connect()
    const kept = await a.compareAndSet('k/1', { expectedVersion: 0, value: 'old' })
    const gone = await a.compareAndSet('k/2', { expectedVersion: 0, value: 'old' })
    const view = await follow(b, 'k/')
    assert.deepEqual(view.values(), { 'k/1': 'old', 'k/2': 'old' })
    const heal = await fixture.cutOff(b)
    await a.compareAndSet('k/1', { expectedVersion: kept?.version ?? 0, value: 'new' })
    await a.compareAndSet('k/2', { expectedVersion: gone?.version ?? 0, value: null })
    await a.compareAndSet('k/3', { expectedVersion: 0, value: 'new' })
    await fixture.pass(ttlMs)
    await heal()
    const expected = JSON.stringify({ 'k/1': 'new', 'k/3': 'new' })
    const sorted = () => JSON.stringify(Object.fromEntries(Object.entries(view.values()).sort()))
    await eventually(fixture, 'the view is right', () => sorted() === expected)
    await a.compareAndSet('k/4', { expectedVersion: 0, value: 'after' })
    await eventually(fixture, 'the watch goes on', () => view.values()['k/4'] === 'after')
  })

  test('a cut adapter refuses calls in bounded time, then works again', async (fixture) => {
    const a = await fixture.connect()
    const heal = await fixture.cutOff(a)
    let outcome: unknown
    a.get('k').then(
      (entry) => (outcome = entry),
      (error: unknown) => (outcome = error),
    )
    await eventually(fixture, 'the call has ended', () => outcome !== undefined)
    assert.equal((outcome as { code?: string }).code, 'KFK_COORDINATION_UNAVAILABLE')
    await heal()
    const works = () =>
      a.get('k').then(
        () => true,
        () => false,
      )
    await eventually(fixture, 'calls work again', works)
  })
}
