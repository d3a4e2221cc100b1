import {
  hourFile,
  isTopicName,
  manifestFrom,
  manifestPath,
  rejectedFile,
  stagedFile,
  stagingDir,
  stagingPrefix,
} from '../src/file-layout.js'

const split = { topic: 'page-views', partition: 3, from: 42, to: 1042 }

test('names say what is in a file', () => {
  const hour = Date.UTC(2026, 4, 17, 9)
  const stem = 'page-views+3+00000000000000000042+00000000000000001042'
  expect(hourFile(split, hour, 1, '.jsonl.gz')).toBe(
    `page-views/dt=2026-05-17/hour=09/${stem}+1.jsonl.gz`,
  )
  expect(rejectedFile(split, '.jsonl')).toBe(`page-views/_rejected/${stem}.jsonl`)
  expect(manifestPath(split)).toBe('_kfk/page-views/3/00000000000000000042.json')
  expect(manifestFrom('00000000000000000042.json')).toBe(42)
  for (const other of ['checkpoint', '42.json', '00000000000000000042.json~']) {
    expect(manifestFrom(other)).toBe(undefined)
  }
})

test('topics that differ only in a dot and an underscore have files of different names', () => {
  const names = ['a.b', 'a_b'].map((topic) => hourFile({ ...split, topic }, 0, 0, '.jsonl'))
  expect(names.map((path) => path.split('/')[0])).toEqual(['a.b', 'a_b'])
  expect(new Set(names.map((path) => path.split('/').at(-1))).size).toBe(2)
})

test('no name is longer than 255 bytes, and long topics stay apart', () => {
  const run = '2026-05-17T10-00-00-000Z~12345678'
  const topics = ['x', 'y'].map((end) => 'a'.repeat(248) + end)
  const paths = topics.map((topic) => {
    const longest = { topic, partition: 2 ** 31, from: 2 ** 53, to: 2 ** 53 }
    return [
      hourFile(longest, 0, 999_999, '.jsonl.gz'),
      rejectedFile(longest, '.jsonl.gz'),
      manifestPath(longest),
      stagedFile(longest, run, 999_999),
    ]
  })
  for (const path of paths.flat()) {
    expect(Math.max(...path.split('/').map((part) => part.length))).toBeLessThanOrEqual(255)
  }
  expect(new Set(paths.flat()).size).toBe(8)
})

test('staging of a topic is told from that of every other, and from manifests of a topic called tmp', () => {
  expect(stagingDir('a', 'run')).toBe('_kfk/tmp/a+run')
  expect('a.b+run'.startsWith(stagingPrefix('a'))).toBe(false)
  expect(stagingDir('0', 'run')).not.toContain('_kfk/tmp/0/')
})

test.each(['', '.', '..', '../x', 'a/b', 'a b', 'a+b', 'ä', 'a'.repeat(250)])(
  '"%s" is no topic',
  (name) => expect(isTopicName(name)).toBe(false),
)

test.each(['constructor', '__proto__', 'a.b', 'a_b', '_x', '-', '...'])('"%s" is a topic', (name) =>
  expect(isTopicName(name)).toBe(true),
)
