import fc from 'fast-check'
import { LoaderError } from '../src/errors.js'
import { imbalance, manifestText, parseManifest, type Manifest } from '../src/manifest.js'

const file = {
  staged: '_kfk/tmp/views+run/0~00000000000000000000~0',
  final: 'views/dt=2026-05-17/hour=10/views+0+00000000000000000000+00000000000000000005+0.jsonl.gz',
  kind: 'records',
  bytes: 10,
  records: 3,
  crc32: '0000abcd',
  firstTimeMs: 1,
  lastTimeMs: 2,
} as const
const manifest: Manifest = {
  version: 1,
  topic: 'views',
  topicId: 'id',
  partition: 0,
  from: 0,
  to: 5,
  run: 'run',
  createdMs: 3,
  records: 3,
  rejected: 1,
  control: 1,
  missing: 0,
  files: [file, { ...file, kind: 'rejected', records: 1, firstTimeMs: null, lastTimeMs: null }],
}

test('a manifest is read back as it was written', () => {
  expect(parseManifest(manifestText(manifest), 'm')).toEqual(manifest)
})

test.each([
  ['an offset that is in nothing', { control: 0 }, '5 offsets, but 3 records + 1 rejected + 0'],
  ['a record that is in no file', { records: 4, control: 0 }, '4 records, but the files have 3'],
  ['a rejected one', { rejected: 2, control: 0 }, '2 rejected, but the files have 1'],
])('%s is seen', (_name, change, problem) => {
  expect(imbalance({ ...manifest, ...change })).toContain(problem)
  const parsed = () => parseManifest(manifestText({ ...manifest, ...change }), 'the/path')
  expect(parsed).toThrow(`the manifest the/path cannot be used: ${problem}`)
})

test.each([
  ['another version', { version: 2 }],
  ['a version that is none', { version: { toString: '' } }],
  ['no topic', { topic: 5 }],
  ['a negative offset', { from: -1 }],
  ['an end before its beginning', { to: 0, records: 0, rejected: 0, control: 0, files: [] }],
  ['no files', { files: null }],
  ['a path out of the target', { files: [{ ...file, final: 'views/../../etc/passwd' }] }],
  ['a path into another topic', { files: [{ ...file, final: 'other/dt=1/x' }] }],
  ['a staged file outside of staging', { files: [{ ...file, staged: 'views/dt=1/x' }] }],
  ['a checksum that is none', { files: [{ ...file, crc32: 'x' }] }],
])('a manifest with %s is damaged', (_name, change) => {
  const text = JSON.stringify({ ...manifest, ...change })
  const damaged = expect.objectContaining({ code: 'KFK_LOADER_DAMAGED', details: { path: 'm' } })
  expect(() => parseManifest(text, 'm')).toThrow(damaged)
})

test('garbage is an error, never a manifest', () => {
  const fields = Object.keys(manifest)
  const mutated = fc
    .tuple(fc.constantFrom(...fields), fc.jsonValue())
    .map(([name, value]) => JSON.stringify({ ...manifest, [name]: value }))
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json(), mutated), (text) => {
      try {
        const parsed = parseManifest(text, 'm')
        expect(imbalance(parsed)).toBe(undefined)
        expect(parsed.to).toBeGreaterThan(parsed.from)
      } catch (error) {
        expect(error).toBeInstanceOf(LoaderError)
      }
    }),
    { seed: 1, numRuns: 500 },
  )
})
