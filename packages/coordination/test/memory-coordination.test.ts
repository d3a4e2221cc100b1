import { memoryCoordination } from '@kfk/coordination'
import { coordinationCompliance } from '@kfk/coordination/compliance'
import { VirtualClock } from './virtual-clock.js'

coordinationCompliance({
  describe,
  test,
  factory: async () => {
    const clock = new VirtualClock()
    const first = memoryCoordination({ clock })
    const all = [first]
    return {
      async connect() {
        const next = first.connect()
        all.push(next)
        return next
      },
      pass: (durationMs) => clock.pass(durationMs),
      async cutOff(coordination) {
        const target = all.find((other) => other === coordination)!
        target.cut()
        return async () => target.heal()
      },
      async close() {
        await Promise.all(all.map((each) => each.close()))
        await clock.pass(0)
        expect(clock.pending).toBe(0)
      },
    }
  },
})

test('a session replaced while its owner was cut off is told as fenced when the cut heals', async () => {
  const clock = new VirtualClock()
  const a = memoryCoordination({ clock })
  const b = a.connect()
  const reasons: string[] = []
  const onLost = (reason: { code: string }) => reasons.push(reason.code)
  await a.openSession({ key: 's', value: '', ttlMs: 1000, onLost })
  a.cut()
  await b.openSession({ key: 's', value: '', ttlMs: 1000, replace: true })
  await clock.pass(100)
  expect(reasons).toEqual([])
  a.heal()
  await clock.pass(0)
  expect(reasons).toEqual(['KFK_COORDINATION_FENCED'])
  await a.close()
  await b.close()
})

test('renewals that are late because the event loop was busy lose no session', async () => {
  const clock = new VirtualClock()
  const coordination = memoryCoordination({ clock })
  const session = await coordination.openSession({ key: 's', value: '', ttlMs: 1000 })
  const stall = jest.spyOn(clock, 'monotonicMs').mockReturnValue(5000)
  await clock.pass(5000)
  stall.mockRestore()
  expect(session.live).toBe(true)
  await coordination.close()
})
