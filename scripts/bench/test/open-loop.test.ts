import { planLoad } from '../cluster/open-loop.mjs'

test('as many records are planned as rate and time ask for', () => {
  expect(planLoad({ ratePerSecond: 100_000, seconds: 2 }).records).toBe(200_000)
  expect(planLoad({ ratePerSecond: 200, seconds: 0.5 }).records).toBe(100)
})

test('a burst is due at its tick and not before', () => {
  const plan = planLoad({ ratePerSecond: 10_000, seconds: 1 })
  expect(plan).toMatchObject({ perTick: 10, tickUs: 1000 })
  expect([-1, 0, 999, 1000].map((elapsed) => plan.dueBy(elapsed))).toEqual([0, 10, 10, 20])
  expect([0, 9, 10].map((number) => plan.dueUs(number))).toEqual([0, 0, 1000])
})

test('a stall moves no plan: all that fell due meanwhile is due at its own time', () => {
  const plan = planLoad({ ratePerSecond: 1000, seconds: 10 })
  expect(plan.dueBy(3_000_000) - plan.dueBy(1_000_000)).toBe(2000)
  expect(plan.dueUs(1500)).toBe(1_500_000)
})

test('nothing is due beyond the end', () => {
  expect(planLoad({ ratePerSecond: 1000, seconds: 1 }).dueBy(5e6)).toBe(1000)
})
