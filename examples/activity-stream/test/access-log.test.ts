import { parseAccessLogLine, Rejected } from '../src/access-log'
import { linesOf, maxLineBytes } from '../src/input-lines'
import { sampleLog } from '../src/sample-log'
import { searchOf } from '../src/search-referrer'

const good =
  '83.149.9.216 - frank [17/May/2015:12:05:03 +0200] "GET /a%20b?c=d HTTP/1.1" 200 203023 "http://x.org/" "Moz \\"q\\" 5.0"'

test('a good line gives every field, with the time in UTC', () => {
  expect(parseAccessLogLine(good)).toEqual({
    visitor: '83.149.9.216',
    user: 'frank',
    timeMs: Date.UTC(2015, 4, 17, 10, 5, 3),
    method: 'GET',
    path: '/a%20b?c=d',
    protocol: 'HTTP/1.1',
    status: 200,
    bytes: 203023,
    referrer: 'http://x.org/',
    userAgent: 'Moz "q" 5.0',
  })
})

test('a dash is nothing', () => {
  const line = '::1 - - [01/Jan/2026:00:00:00 -0130] "HEAD / HTTP/1.0" 304 - "-" "-"'
  const entry = parseAccessLogLine(line)
  expect([entry.user, entry.bytes, entry.referrer, entry.userAgent]).toEqual([
    null,
    null,
    null,
    null,
  ])
  expect(entry.timeMs).toBe(Date.UTC(2026, 0, 1, 1, 30))
})

test.each([
  ['', 'empty line'],
  [good.slice(0, -1), 'user agent has no closing quote'],
  [good.replace('May', 'Foo'), 'time is not dd/Mon/yyyy:hh:mm:ss +hhmm'],
  [good.replace('17/May', '31/Feb'), 'time does not exist'],
  [good.replace(' 200 ', ' 2x0 '), 'status is not a number from 100 to 599'],
  [good.replace('203023', 'many'), 'bytes is neither a number nor -'],
  [good.replace('GET ', ''), 'request is not METHOD path HTTP/version'],
  [`${good} more`, 'something follows the user agent'],
  ['just words', 'no user'],
  ['a b c d e', 'no time'],
])('a bad line is refused with what is wrong: %s', (line, reason) => {
  expect(() => parseAccessLogLine(line)).toThrow(new Rejected(reason))
})

test.each([
  ['http://www.google.com/url?q=', undefined],
  ['http://www.google.co.uk/search?q=Commit++Log', { engine: 'google', words: 'commit log' }],
  ['https://r.search.yahoo.com/search?p=caf%C3%A9', { engine: 'yahoo', words: 'café' }],
  ['http://google.com.evil.example/?q=x', undefined],
  ['http://notgoogle.com/?q=x', undefined],
  ['http://www.google.com/?q=%20-%20', undefined],
  ['not a url', undefined],
  [null, undefined],
])('words of a search: %s', (referrer, expected) => {
  expect(searchOf(referrer)).toEqual(expected)
})

async function collect(chunks: readonly string[]): Promise<(string | undefined)[]> {
  const bytes = chunks.map((chunk) => Buffer.from(chunk))
  const lines: (string | undefined)[] = []
  for await (const line of linesOf(
    (async function* () {
      yield* bytes
    })(),
  ))
    lines.push(line)
  return lines
}

test('lines are the same however the bytes arrive', async () => {
  const text = 'one\r\ntwo\n\nföur'
  const expected = ['one', 'two', '', 'föur']
  expect(await collect([text])).toEqual(expected)
  expect(await collect([...text])).toEqual(expected)
  expect(await collect(['one\n'])).toEqual(['one'])
})

test('an endless line costs nothing and does not harm its neighbours', async () => {
  const chunk = 'x'.repeat(maxLineBytes)
  expect(await collect(['a\n', chunk, chunk, chunk, '\nb\n'])).toEqual(['a', undefined, 'b'])
})

test('the sample is the same for the same seed, and almost all of it is good', () => {
  const sample = [...sampleLog({ seed: 1, lines: 5000 })]
  expect([...sampleLog({ seed: 1, lines: 5000 })]).toEqual(sample)
  expect([...sampleLog({ seed: 2, lines: 5000 })]).not.toEqual(sample)
  const refused = sample.filter((line) => {
    try {
      parseAccessLogLine(line)
      return false
    } catch {
      return true
    }
  })
  expect(refused.length).toBeGreaterThan(0)
  expect(refused.length).toBeLessThan(20)
})
