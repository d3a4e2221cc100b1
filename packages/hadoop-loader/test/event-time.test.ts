import { eventTimeOf, Unplaceable } from '../src/event-time.js'

const record = { timestamp: 1000 }
const at = (value: unknown, field = 'time') => eventTimeOf(record, value, field.split('.'))

test('without a field it is the timestamp of the record', () => {
  expect(eventTimeOf(record, {}, undefined)).toBe(1000)
  expect(() => eventTimeOf({ timestamp: -1 }, {}, undefined)).toThrow(Unplaceable)
})

test.each([
  ['2026-05-17T10:05:03Z', Date.UTC(2026, 4, 17, 10, 5, 3)],
  ['2026-05-17T10:05:03.123456Z', Date.UTC(2026, 4, 17, 10, 5, 3, 123)],
  ['2026-05-17T10:05:03+02:00', Date.UTC(2026, 4, 17, 8, 5, 3)],
  ['2026-05-17T10:05:03+0200', Date.UTC(2026, 4, 17, 8, 5, 3)],
  ['2026-05-17 10:05:03+02:00', Date.UTC(2026, 4, 17, 8, 5, 3)],
  ['2026-05-17T10:05', Date.UTC(2026, 4, 17, 10, 5)],
  ['2026-05-17 10:05:03', Date.UTC(2026, 4, 17, 10, 5, 3)],
  ['2026-05-17', Date.UTC(2026, 4, 17)],
  [1779012303000, 1779012303000],
  [1779012303000.75, 1779012303000],
  [0, 0],
])('%s is a time, in UTC unless it says otherwise', (value, expected) => {
  expect(at({ time: value })).toBe(expected)
})

test.each([
  '17/May/2026:10:05:03 +0200',
  'May 17, 2026',
  '1779012303',
  '2026-13-01',
  '2026-05-17T25:00Z',
  '+012026-05-17',
  '',
  -1,
  Infinity,
  1e18,
  true,
  [],
  {},
])('%p is no time', (value) => {
  expect(() => at({ time: value })).toThrow('field "time" is not a time')
})

test('a path looks into objects, and only at what they have themselves', () => {
  expect(at({ a: { b: { c: 5 } } }, 'a.b.c')).toBe(5)
  for (const value of [{}, { a: null }, { a: [] }, { a: { b: 'x' } }, null, 'a', 7]) {
    expect(() => at(value, 'a.b.c')).toThrow('no field "a.b.c"')
  }
  expect(() => at({}, 'constructor.length')).toThrow('no field')
  expect(() => at({}, '__proto__')).toThrow('no field')
})
