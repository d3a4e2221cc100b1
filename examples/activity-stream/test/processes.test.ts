// The main job as a user runs it: the built program, brokers in processes of their own, real Redis, real HDFS.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import {
  peers,
  redisServerPeer,
  runProcess,
  startHdfs,
  startProcess,
  startRedisServer,
  withPeer,
} from '@kfk/testing'
import { sampleLog } from '../src/sample-log'

const program = path.resolve(__dirname, '../dist/main.js')

let out: string
let input: string
beforeEach(() => {
  out = fs.mkdtempSync(path.join(os.tmpdir(), 'kfk-processes-'))
  input = path.join(out, 'access.log')
  fs.writeFileSync(input, `${[...sampleLog({ seed: 3, lines: 6000 })].join('\n')}\n`)
})
afterEach(() => fs.rmSync(out, { recursive: true, force: true }))

async function mainJob(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runProcess(
    process.execPath,
    [program, '--input', input, '--out', path.join(out, 'out'), ...args],
    { timeoutMs: 150_000 },
  )
  expect(`${stderr}${code === 0 ? '' : stdout}`).toBe('')
  expect(stdout).toContain('All numbers agree.')
  return stdout
}

test('chaos: a broker, the loader and a member are killed, kafkajs is in the group', async () => {
  const printed = await mainJob('--chaos')
  expect(printed).toContain('a stock kafkajs client has joined the group')
  expect(printed).toMatch(/a broker was killed \(SIGKILL\); it serves again/)
  expect(printed).toContain('the loader was killed after its first commit (SIGKILL)')
  expect(await mainJob('--chaos')).toContain('nothing new: all 6,000 lines')
})

test('killed in the middle, the next run neither doubles nor loses', async () => {
  const args = [program, '--input', input, '--out', path.join(out, 'out')]
  const killed = startProcess(process.execPath, args)
  await killed.waitFor(/counted|reading/)
  await killed.waitFor(/counted/)
  await killed.stop('SIGKILL')
  const printed = await mainJob()
  expect(printed).toMatch(/lines {4}6,000 read/)
})

test('standard input, and a view that says what is wrong', async () => {
  const { code, stdout } = await runProcess(
    process.execPath,
    [program, '--input', '-', '--out', path.join(out, 'out')],
    { stdin: fs.readFileSync(input), timeoutMs: 120_000 },
  )
  expect([code, stdout.includes('All numbers agree.')]).toEqual([0, true])
  const wrong = await runProcess(process.execPath, [program, '--input', path.join(out, 'none')])
  expect([wrong.code, wrong.stdout]).toEqual([2, ''])
  expect(wrong.stderr).toMatch(/^Cannot read --input .*: there is no such file\.\n$/)
})

test('--keep leaves the brokers up and says how to look around', async () => {
  const args = [program, '--input', input, '--out', path.join(out, 'out'), '--keep']
  const kept = startProcess(process.execPath, args)
  try {
    const [, command = ''] = await kept.waitFor(/npx kfk (topic describe .*)\n/, 60_000)
    const kfk = path.resolve(__dirname, '../../../packages/cli/dist/bin.js')
    const looked = await runProcess(process.execPath, [kfk, ...command.trim().split(' ')])
    expect(looked.stdout + looked.stderr).toContain('page-views')
    expect((await kept.stop('SIGINT')).code).toBe(0)
  } finally {
    await kept.stop('SIGKILL')
  }
})

withPeer(redisServerPeer(), 'over Redis', () => {
  test('three broker processes; chaos over them', async () => {
    const redis = await startRedisServer()
    try {
      const printed = await mainJob('--coordination', redis.url, '--chaos')
      expect(printed).toContain('3 broker processes')
      expect(printed).toMatch(/brokers +1: [\d,]+ +2: [\d,]+ +3: [\d,]+/)
    } finally {
      await redis.close()
    }
  })
})

withPeer(peers.hdfs(), 'into HDFS', () => {
  test('the hours are there, and the numbers agree', async () => {
    const hdfs = await startHdfs()
    try {
      await mainJob('--hdfs', `${hdfs.nameNode}/activity`)
      const listed = await hdfs.dfs('-ls', '/activity/page-views')
      expect(listed.stdout).toMatch(/\/activity\/page-views\/dt=2026-05-17/)
    } finally {
      await hdfs.stop()
    }
  })
})
