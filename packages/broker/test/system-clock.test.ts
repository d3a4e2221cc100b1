import { SystemClock } from '../src/runtime/system-clock.js'

beforeEach(() => void jest.useFakeTimers())
afterEach(() => void jest.useRealTimers())

test('timers fire once, not before their time, in the order of their times', () => {
  const clock = new SystemClock()
  const start = performance.now()
  const fired: [string, number][] = []
  const note = (name: string) => () => void fired.push([name, performance.now() - start])
  clock.setTimer(70, note('c'))
  clock.setTimer(20, note('a'))
  clock.setTimer(40, note('b'))
  jest.advanceTimersByTime(200)
  expect(fired.map(([name]) => name)).toEqual(['a', 'b', 'c'])
  fired.forEach(([, after], index) =>
    expect(after).toBeGreaterThanOrEqual([20, 40, 70][index]! - 1),
  )
  fired.forEach(([, after], index) => expect(after).toBeLessThanOrEqual([20, 40, 70][index]! + 10))
})

test('a cancelled timer does not fire, nor does it disturb the others of its moment', () => {
  const clock = new SystemClock()
  const fired: number[] = []
  const timers = Array.from({ length: 10 }, (_, index) =>
    clock.setTimer(50, () => void fired.push(index)),
  )
  for (const index of [0, 3, 9]) timers[index]!.cancel()
  timers[3]!.cancel()
  jest.advanceTimersByTime(100)
  expect(fired.sort()).toEqual([1, 2, 4, 5, 6, 7, 8])
})

test('a callback may set and cancel timers', () => {
  const clock = new SystemClock()
  const fired: string[] = []
  const doomed = clock.setTimer(60, () => void fired.push('doomed'))
  clock.setTimer(30, () => {
    doomed.cancel()
    clock.setTimer(10, () => void fired.push('later'))
  })
  jest.advanceTimersByTime(200)
  expect(fired).toEqual(['later'])
})
