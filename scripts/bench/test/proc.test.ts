import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { parseStat, parseStatus, usageOf, usageOfTree, usedBetween } from '../cluster/proc.mjs'

const stat = (name: string, user: number, system: number) =>
  `77 (${name}) S 1 77 77 0 -1 4194560 5000 0 3 0 ${user} ${system} 0 0 20 0 11 0 5000 1000000 9000`

test('processor time is found behind a name with spaces and brackets', () => {
  const seconds = { userSeconds: 1.23, systemSeconds: 0.45 }
  expect(parseStat(stat('node', 123, 45))).toEqual(seconds)
  expect(parseStat(stat('a) S 1 (b', 123, 45))).toEqual(seconds)
})

test('memory is in MB of a million bytes', () => {
  const status = 'Name:\tnode\nVmHWM:\t  200000 kB\nVmRSS:\t  100000 kB\nRssAnon:\t 7 kB\n'
  expect(parseStatus(status)).toEqual({ residentMb: 102.4, peakMb: 204.8 })
})

test('what is used is the difference, and the memory at the end', () => {
  const before = { userSeconds: 1, systemSeconds: 2, residentMb: 10 }
  const after = { userSeconds: 4, systemSeconds: 2.5, residentMb: 30 }
  expect(usedBetween(before, after)).toEqual({
    userSeconds: 3,
    systemSeconds: 0.5,
    residentMb: 30,
  })
  expect(usedBetween(before, undefined)).toBeUndefined()
})

test('a process that is gone has no usage', () => {
  expect(usageOf(2 ** 30)).toBeUndefined()
})

test('what a process has started counts as its own', async () => {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' })
  await once(child, 'spawn')
  const alone = usageOf(process.pid)
  const together = usageOfTree(process.pid)
  child.kill()
  if (alone === undefined) return
  expect(together!.peakMb).toBeGreaterThan(alone.peakMb!)
  expect(usageOfTree(2 ** 30)).toBeUndefined()
})
