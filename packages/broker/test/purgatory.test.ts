import { KeyedPurgatory } from '../src/network/purgatory.js'
import { VirtualClock } from './virtual-clock.js'

function watched(purgatory: KeyedPurgatory, keys: string[], ready: () => boolean) {
  const ends: string[] = []
  const handle = purgatory.watch({
    keys,
    timeoutMs: 100,
    tryComplete() {
      if (!ready()) return false
      ends.push('complete')
      return true
    },
    expire: () => void ends.push('expire'),
  })
  return { ends, handle }
}

test('an operation ends exactly once, by completion under any of its keys', () => {
  const clock = new VirtualClock()
  const purgatory = new KeyedPurgatory(clock)
  let ready = false
  const { ends } = watched(purgatory, ['a', 'b'], () => ready)
  purgatory.notify('a')
  expect(ends).toEqual([])
  ready = true
  purgatory.notify('c')
  purgatory.notify('b')
  purgatory.notify('a')
  clock.advance(1000)
  expect(ends).toEqual(['complete'])
  expect(purgatory.size).toBe(0)
  expect(clock.timers).toBe(0)
})

test('an operation that is never ready expires at its time', () => {
  const clock = new VirtualClock()
  const purgatory = new KeyedPurgatory(clock)
  const { ends } = watched(purgatory, ['a'], () => false)
  clock.advance(99)
  expect(ends).toEqual([])
  clock.advance(1)
  expect(ends).toEqual(['expire'])
  purgatory.notify('a')
  expect(ends).toEqual(['expire'])
})

test('a cancelled operation does neither', () => {
  const clock = new VirtualClock()
  const purgatory = new KeyedPurgatory(clock)
  const { ends, handle } = watched(purgatory, ['a'], () => true)
  handle.cancel()
  purgatory.notify('a')
  clock.advance(1000)
  expect(ends).toEqual([])
})

test('an operation may watch again while it is notified', () => {
  const clock = new VirtualClock()
  const purgatory = new KeyedPurgatory(clock)
  let rounds = 0
  const again = (): void => {
    purgatory.watch({
      keys: ['a'],
      timeoutMs: 10,
      tryComplete() {
        rounds++
        again()
        return true
      },
      expire: () => undefined,
    })
  }
  again()
  purgatory.notify('a')
  purgatory.notify('a')
  expect(rounds).toBe(2)
  purgatory.expireAll()
  expect(purgatory.size).toBe(0)
})

test('several operations may wait for a key, and one for many, some of them twice', () => {
  const purgatory = new KeyedPurgatory(new VirtualClock())
  let ready = false
  const first = watched(purgatory, ['a', 'b', 'a'], () => ready)
  const second = watched(purgatory, ['a'], () => ready)
  const third = watched(purgatory, ['b'], () => ready)
  third.handle.cancel()
  ready = true
  purgatory.notify('b')
  expect([first.ends, second.ends, third.ends]).toEqual([['complete'], [], []])
  purgatory.notify('a')
  expect(second.ends).toEqual(['complete'])
  expect(purgatory.size).toBe(0)
})

test('keys that nobody waits for any more are forgotten in time', () => {
  const purgatory = new KeyedPurgatory(new VirtualClock())
  const waits = watched(purgatory, ['kept'], () => true)
  for (let index = 0; index < 20_000; index++) {
    watched(purgatory, [`deleted-${index}`], () => true).handle.cancel()
  }
  expect(purgatory.keys).toBeLessThan(5000)
  purgatory.notify('kept')
  expect(waits.ends).toEqual(['complete'])
})
