import assert from 'node:assert/strict'
import { DEFAULT_MAX_VALUE_BYTES } from '../limits.js'
import type { CoordinationError } from '../coordination-error.js'
import type { Coordination } from '../coordination.js'
import { type ComplianceOptions, fixtureTest, refused } from './fixture.js'

/** Plain values: compare-and-set, get, list, limits, closing. */
export function valueSuite(options: ComplianceOptions): void {
  const test = fixtureTest(options)
  const maxValueBytes = options.capabilities?.maxValueBytes ?? DEFAULT_MAX_VALUE_BYTES

  test('a value is created once, changed by version, deleted by version', async (fixture) => {
    const a = await fixture.connect()
    const b = await fixture.connect()
    assert.equal(await a.get('cluster'), undefined)
    const created = await a.compareAndSet('cluster', { expectedVersion: 0, value: 'one' })
    assert.ok(created && created.version >= 1)
    assert.deepEqual(await b.get('cluster'), {
      key: 'cluster',
      value: 'one',
      version: created.version,
    })
    const conflict = await refused(
      b.compareAndSet('cluster', { expectedVersion: 0, value: 'two' }),
      'KFK_COORDINATION_CONFLICT',
    )
    assert.equal(conflict.details?.actualVersion, created.version)
    const { version } = created
    const changed = await b.compareAndSet('cluster', { expectedVersion: version, value: 'two' })
    assert.ok(changed && changed.version > version)
    const stale = { expectedVersion: version, value: null }
    await refused(a.compareAndSet('cluster', stale), 'KFK_COORDINATION_CONFLICT')
    const deletion = { expectedVersion: changed.version, value: null }
    assert.equal(await a.compareAndSet('cluster', deletion), null)
    assert.equal(await b.get('cluster'), undefined)
    assert.deepEqual(await b.list(''), [])
  })

  test('a key that was deleted and created again shows no version twice', async (fixture) => {
    const a = await fixture.connect()
    const first = await a.compareAndSet('k', { expectedVersion: 0, value: 'v' })
    await a.compareAndSet('k', { expectedVersion: first?.version ?? -1, value: null })
    const second = await a.compareAndSet('k', { expectedVersion: 0, value: 'v' })
    assert.ok(first && second && second.version > first.version)
    const stale = { expectedVersion: first.version, value: 'w' }
    await refused(a.compareAndSet('k', stale), 'KFK_COORDINATION_CONFLICT')
  })

  test('deleting what is absent succeeds only when absence was expected', async (fixture) => {
    const a = await fixture.connect()
    assert.equal(await a.compareAndSet('k', { expectedVersion: 0, value: null }), null)
    const wrong = { expectedVersion: 7, value: null }
    await refused(a.compareAndSet('k', wrong), 'KFK_COORDINATION_CONFLICT')
  })

  test('a hundred concurrent compare-and-sets of a version have one winner', async (fixture) => {
    const adapters = [await fixture.connect(), await fixture.connect(), await fixture.connect()]
    let version = 0
    for (let round = 0; round < 3; round++) {
      const results = await Promise.allSettled(
        Array.from({ length: 100 }, (_, index) => {
          const change = { expectedVersion: version, value: `${round}-${index}` }
          return adapters[index % adapters.length]!.compareAndSet('contended', change)
        }),
      )
      const won = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
      assert.equal(won.length, 1)
      for (const result of results) {
        if (result.status === 'fulfilled') continue
        await refused(Promise.reject(result.reason as Error), 'KFK_COORDINATION_CONFLICT')
      }
      assert.deepEqual(await adapters[0]!.get('contended'), won[0])
      version = won[0]?.version ?? 0
    }
  })

  test('ten incrementers of one value lose no increment', async (fixture) => {
    const adapters = [await fixture.connect(), await fixture.connect()]
    const incrementTenTimes = async (adapter: Coordination): Promise<void> => {
      for (let done = 0; done < 10;) {
        const entry = await adapter.get('counter')
        const value = String(Number(entry?.value ?? 0) + 1)
        const change = { expectedVersion: entry?.version ?? 0, value }
        const set = adapter.compareAndSet('counter', change)
        if (await set.catch(undefinedOnConflict)) done++
      }
    }
    const incrementers = Array.from({ length: 10 }, (_, index) => adapters[index % 2]!)
    await Promise.all(incrementers.map(incrementTenTimes))
    assert.equal((await adapters[1]!.get('counter'))?.value, '100')
  })

  test('list gives the entries under a prefix, sorted by key', async (fixture) => {
    const a = await fixture.connect()
    const keys = ['groups/b', 'groups/a%2Fc', 'groups/a', 'group', 'groups2/x', 'groups/A']
    for (const key of keys) await a.compareAndSet(key, { expectedVersion: 0, value: `of ${key}` })
    const listed = (await a.list('groups/')).map((entry) => entry.key)
    assert.deepEqual(listed, ['groups/A', 'groups/a', 'groups/a%2Fc', 'groups/b'])
    assert.deepEqual(await a.list('groups/b/'), [])
    const all = await a.list('')
    assert.equal(all.length, keys.length)
    assert.ok(all.every((entry) => entry.value === `of ${entry.key}`))
  })

  test('values come back as they went in: empty, long, any Unicode', async (fixture) => {
    const a = await fixture.connect()
    const values = ['', 'x'.repeat(maxValueBytes), '\u0000\r\n "é" 語 \u{1F600} 10 - \n', '{"a":1}']
    for (const [index, value] of values.entries()) {
      await a.compareAndSet(`v/${index}`, { expectedVersion: 0, value })
    }
    assert.deepEqual(
      (await a.list('v/')).map((entry) => entry.value),
      values,
    )
  })

  test('what breaks the limits is refused and changes nothing', async (fixture) => {
    const a = await fixture.connect()
    const badKeys = ['', '/a', 'a/', 'a//b', 'a b', 'ä', 'a\n', 'x'.repeat(1025), 'a{b}', 'a\u0000']
    for (const key of badKeys) {
      await refused(a.get(key), 'KFK_COORDINATION_INVALID_VALUE')
      const change = { expectedVersion: 0, value: '' }
      await refused(a.compareAndSet(key, change), 'KFK_COORDINATION_INVALID_VALUE')
      const session = { key, value: '', ttlMs: 1000 }
      await refused(a.openSession(session), 'KFK_COORDINATION_INVALID_VALUE')
    }
    await refused(a.list('ä'), 'KFK_COORDINATION_INVALID_VALUE')
    await refused(a.watch('a b', { onChange() {} }), 'KFK_COORDINATION_INVALID_VALUE')
    for (const value of [
      'x'.repeat(maxValueBytes + 1),
      'é'.repeat(maxValueBytes / 2 + 1),
      '\uD800',
    ]) {
      const change = { expectedVersion: 0, value }
      await refused(a.compareAndSet('k', change), 'KFK_COORDINATION_INVALID_VALUE')
    }
    for (const expectedVersion of [-1, 0.5, NaN, 2 ** 53]) {
      const change = { expectedVersion, value: '' }
      await refused(a.compareAndSet('k', change), 'KFK_COORDINATION_INVALID_VALUE')
    }
    for (const ttlMs of [0, 9, -1, 10.5, NaN, 86_400_001]) {
      const session = { key: 'k', value: '', ttlMs }
      await refused(a.openSession(session), 'KFK_COORDINATION_INVALID_VALUE')
    }
    assert.deepEqual(await a.list(''), [])
  })

  test('a closed adapter refuses every call, and its sessions are gone', async (fixture) => {
    const a = await fixture.connect()
    const b = await fixture.connect()
    const session = await a.openSession({ key: 's', value: '', ttlMs: 60_000 })
    const lease = await a.acquireLease('l', { session, value: '' })
    await Promise.all([a.close(), a.close()])
    assert.deepEqual(await b.list(''), [])
    assert.equal(session.live, false)
    assert.equal(lease.live, false)
    const calls = [
      a.get('k'),
      a.list(''),
      a.compareAndSet('k', { expectedVersion: 0, value: '' }),
      a.watch('', { onChange() {} }),
      a.openSession({ key: 's', value: '', ttlMs: 1000 }),
      a.acquireLease('l', { session, value: '' }),
      session.update(''),
      lease.update(''),
    ]
    for (const call of calls) await refused(call, 'KFK_COORDINATION_CLOSED')
    await session.close()
    await lease.release()
  })
}

function undefinedOnConflict(error: CoordinationError): undefined {
  if (error.code !== 'KFK_COORDINATION_CONFLICT') throw error
}
