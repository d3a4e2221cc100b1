import { jsonLines } from '../src/formats/json-lines.js'
import { Unplaceable } from '../src/event-time.js'

function record(value: string | Uint8Array | null, more = {}) {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value
  const record = { offset: 7, timestamp: 99, key: null, value: bytes, headers: [], ...more }
  return { topic: 'views', partition: 3, record }
}
const line = (value: string | Uint8Array | null, options = {}, more = {}): string =>
  Buffer.from(jsonLines(options).encode(record(value, more)).bytes).toString()

test.each([
  '{"b":1,"a":2}',
  '{"id":12345678901234567890,"price":1.50}',
  ' [1, 2] ',
  '"text"',
  'null',
  '{"é":"漢字 😀"}',
])('%s is copied byte for byte', (value) => {
  expect(line(value)).toBe(`${value}\n`)
  expect(line(value, { envelope: true })).toContain(`,"value":${value}}\n`)
})

test('line breaks between the parts become blanks, those in a text stay escaped', () => {
  const value = '{\r\n  "a": 1,\n  "b": "x\\ny"\r}'
  expect(line(value)).toBe('{    "a": 1,   "b": "x\\ny" }\n')
  const wrapped = line(value, { envelope: true })
  expect(wrapped.slice(0, -1)).not.toMatch(/[\r\n]/)
  expect(JSON.parse(wrapped)).toMatchObject({ value: { a: 1, b: 'x\ny' } })
})

test.each([
  ['not JSON', '{"a":'],
  ['not JSON', ''],
  ['not JSON', '{} {}'],
  ['not JSON', '\uFEFF{}'],
  ['not UTF-8', Buffer.from([0x22, 0xff, 0x22])],
])('what is %s has no place', (reason, value) => {
  for (const envelope of [false, true]) {
    expect(() => line(value, { envelope })).toThrow(new Unplaceable(`the value is ${reason}`))
  }
})

test('a tombstone is nothing without an envelope', () => {
  expect(() => line(null)).toThrow('a tombstone has no value')
  expect(JSON.parse(line(null, { envelope: true }))).toMatchObject({ value: null })
})

test('an envelope says where the value comes from', () => {
  const headers = [
    { key: 'trace', value: Buffer.from('abc') },
    { key: 'none', value: null },
    { key: 'bytes', value: Buffer.from([0xff]) },
  ]
  expect(
    JSON.parse(line('{"a":1}', { envelope: true }, { key: Buffer.from('k"'), headers })),
  ).toEqual({
    topic: 'views',
    partition: 3,
    offset: 7,
    timestamp: 99,
    key: 'k"',
    headers: [
      ['trace', 'abc'],
      ['none', null],
      ['bytes', { base64: '/w==' }],
    ],
    value: { a: 1 },
  })
})
