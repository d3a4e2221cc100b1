import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { runMainJob } from '../src/main-job'
import { parseOptions, type Options } from '../src/options'
import { sampleLog } from '../src/sample-log'

let out: string
beforeEach(() => {
  out = fs.mkdtempSync(path.join(os.tmpdir(), 'kfk-main-job-'))
})
afterEach(() => fs.rmSync(out, { recursive: true, force: true }))

async function run(...args: string[]): Promise<{ agreed: boolean; printed: string }> {
  let printed = ''
  const options = parseOptions(['--out', out, ...args]) as Options
  const screen = { write: (text: string) => (printed += text) }
  const environment = { kfk: '', screen, untilStopped: () => Promise.resolve() }
  const agreed = await runMainJob(options, environment)
  return { agreed, printed }
}

test('page views in, counted online, loaded offline, and the numbers agree', async () => {
  const first = await run('--lines', '3000')
  expect(first.printed).toContain('All numbers agree.')
  expect(first.printed).toMatch(/was killed with \d+ partitions in hand; counter-4 has joined/)
  expect(first.printed).toMatch(/lines {4}3,000 read .* = 2,\d{3} accepted \+ \d+ rejected/)
  expect(first.printed).toContain('order      kept for every key')
  expect(first.agreed).toBe(true)
})

test('the same input again is nothing new; an input that has grown adds what is new', async () => {
  const input = path.join(out, 'access.log')
  const lines = [...sampleLog({ seed: 7, lines: 2500 })]
  fs.writeFileSync(input, `${lines.slice(0, 2000).join('\n')}\n`)
  await run('--input', input)
  const again = await run('--input', input)
  expect(again.printed).toContain('nothing new: all 2,000 lines of access.log')
  expect(again.agreed).toBe(true)
  fs.writeFileSync(input, `${lines.join('\n')}\n`)
  const grown = await run('--input', input)
  expect(grown.printed).toMatch(/2,500 read from access.log = .* \(2,000 of them in earlier runs\)/)
  expect(grown.agreed).toBe(true)
})

test('an input that was changed is refused, with what to do', async () => {
  const input = path.join(out, 'access.log')
  const lines = [...sampleLog({ seed: 7, lines: 2100 })]
  fs.writeFileSync(input, `${lines.join('\n')}\n`)
  await run('--input', input)
  lines[50] = lines[51]!
  fs.writeFileSync(input, `${lines.join('\n')}\n`)
  await expect(run('--input', input)).rejects.toThrow(/not those that were read before.*--out/)
})

test('an empty input is said to be empty', async () => {
  const { agreed, printed } = await run('--lines', '0')
  expect(printed).toContain('empty    there are no lines in a sample of 0 lines')
  expect(agreed).toBe(true)
})

test('counts without their log are refused, with what to do', async () => {
  await run('--lines', '100')
  fs.rmSync(path.join(out, 'data'), { recursive: true })
  await expect(run('--lines', '100')).rejects.toThrow(/state counts another log .* remove .*--out/)
})

test('a file that is not there is said plainly', async () => {
  await expect(run('--input', path.join(out, 'none'))).rejects.toThrow(/there is no such file/)
  expect(() => parseOptions(['--inptu', 'x'])).toThrow(/--help/)
  expect(() => parseOptions(['--hdfs', 'namenode'])).toThrow(/http:\/\/NAMENODE/)
})
