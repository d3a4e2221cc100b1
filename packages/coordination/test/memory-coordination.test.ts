import { type CoordinationError, memoryCoordination } from '@kfk/coordination'

test('a session is seen, fences its older self, and a stale holder is refused', async () => {
  const a = memoryCoordination()
  const b = a.connect()
  let lost: CoordinationError | undefined
  const first = await a.openSession({
    key: 'brokers/1',
    value: 'a',
    ttlMs: 1000,
    onLost: (r) => (lost = r),
  })
  await expect(b.openSession({ key: 'brokers/1', value: 'b', ttlMs: 1000 })).rejects.toMatchObject({
    code: 'KFK_COORDINATION_EXISTS',
  })
  const second = await b.openSession({ key: 'brokers/1', value: 'b', ttlMs: 1000, replace: true })
  expect(second.epoch).toBeGreaterThan(first.epoch)
  await Promise.resolve()
  expect(lost?.code).toBe('KFK_COORDINATION_FENCED')
  expect(first.live).toBe(false)
  await expect(
    a.compareAndSet('x', { expectedVersion: 0, value: '1', session: first }),
  ).rejects.toMatchObject({ code: 'KFK_COORDINATION_FENCED' })
  await a.compareAndSet('x', { expectedVersion: 0, value: '1', session: second })
  expect((await b.list('')).map((e) => e.key)).toEqual(['brokers/1', 'x'])
  await a.close()
  await b.close()
})
