import { systemClock } from '../src/clock'

const day = 86_400_000

beforeEach(() => jest.useFakeTimers())
afterEach(() => jest.useRealTimers())

test('a timer may be longer than those of the system', () => {
  let calls = 0
  systemClock.setTimer(60 * day, () => calls++)
  jest.advanceTimersByTime(60 * day - 1)
  expect(calls).toBe(0)
  jest.advanceTimersByTime(1)
  expect(calls).toBe(1)
  expect(jest.getTimerCount()).toBe(0)
})

test.each([undefined, false, true])('keeps the process alive if asked to: %p', (keepsAlive) => {
  jest.useRealTimers()
  const made = jest.spyOn(global, 'setTimeout')
  const timer = systemClock.setTimer(day, () => undefined, { keepsAlive })
  const timeout = made.mock.results[0]!.value as NodeJS.Timeout
  made.mockRestore()
  timer.cancel()
  expect(timeout.hasRef()).toBe(keepsAlive === true)
})

test.each([Infinity, Number.MAX_SAFE_INTEGER])('%d ms do not pass', (delayMs) => {
  let calls = 0
  const timer = systemClock.setTimer(delayMs, () => calls++)
  jest.advanceTimersByTime(100 * day)
  expect({ calls, waiting: jest.getTimerCount() }).toEqual({ calls: 0, waiting: 1 })
  timer.cancel()
  expect(jest.getTimerCount()).toBe(0)
})
