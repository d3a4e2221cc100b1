// What the store takes of the process's files and threads when nobody says.
import { affordableOpenFiles, affordableSyncs } from '../src/process-limits'

const limits = (soft: string) =>
  `Limit                     Soft Limit           Hard Limit           Units\n` +
  `Max processes             96365                96365                processes\n` +
  `Max open files            ${soft}                20000                files\n`

test.each([
  [limits('20000'), 5000],
  [limits('1024'), 512],
  [limits('1048576'), 8192],
  [limits('unlimited'), 512],
  ['', 512],
])('open files', (text, expected) => {
  expect(affordableOpenFiles(text)).toBe(expected)
})

test('this machine has limits that can be read, or none that are told', () => {
  expect(affordableOpenFiles()).toBeGreaterThanOrEqual(512)
})

test.each([
  ['4', 3],
  ['32', 31],
  ['1', 1],
  ['0', 1],
  ['many', 1],
  ['5000', 1023],
])('syncs at once with UV_THREADPOOL_SIZE=%s: %i', (size, expected) => {
  expect(affordableSyncs(size)).toBe(expected)
})
