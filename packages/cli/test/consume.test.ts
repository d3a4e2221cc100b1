import { kfk, RunningCommand, Sandbox } from './kfk-in-process'

const sandbox = new Sandbox()
let env: { KFK_BROKERS: string }
let lastTopic = 0
beforeAll(async () => {
  const broker = await sandbox.broker()
  env = { KFK_BROKERS: broker.brokers[0]! }
})
afterAll(() => sandbox.close())

/**
 * A topic with records `0`, `1`... spread over its partitions; keys are `k0`..., timestamps whole
 * seconds.
 */
async function topicWith(count: number, partitions = 1): Promise<string> {
  const topic = `consumed-${++lastTopic}`
  await kfk(['topic', 'create', topic, '-p', String(partitions)], { env })
  const lines = Array.from({ length: count }, (_, index) =>
    JSON.stringify({
      ...{ key: `k${index}`, value: String(index), partition: index % partitions },
      ...{ timestamp: 1_000_000_000_000 + index * 1000, headers: { n: index } },
    }),
  )
  await kfk(['produce', topic, '--json', '-q'], { env, input: lines.join('\n') })
  return topic
}

const consume = (...args: string[]) => kfk(['consume', ...args], { env })
const sortedLines = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map(Number)
    .sort((a, b) => a - b)
const numbers = (count: number) => Array.from({ length: count }, (_, index) => index)

it('prints what there is of several topics and ends', async () => {
  const [first, second] = [await topicWith(10, 3), await topicWith(5)]
  const { code, stdout, stderr } = await consume(first, second, '--to-end')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(sortedLines(stdout)).toEqual([...numbers(10), ...numbers(5)].sort((a, b) => a - b))
})

it('an empty topic ends at once', async () => {
  expect(await consume(await topicWith(0), '--to-end')).toMatchObject({ code: 0, stdout: '' })
})

it('prints at most so many', async () => {
  const topic = await topicWith(10)
  const { code, stdout } = await consume(topic, '--from', 'earliest', '--max', '3')
  expect({ code, stdout }).toEqual({ code: 0, stdout: '0\n1\n2\n' })
})

it('prints by a format', async () => {
  const topic = await topicWith(2)
  const { stdout } = await consume(topic, '--to-end', '--format', '%t\\t%p %o %k=%v %h %T 100%%')
  expect(stdout).toBe(
    [
      `${topic}\t0 0 k0=0 n=0 1000000000000 100%\n`,
      `${topic}\t0 1 k1=1 n=1 1000000001000 100%\n`,
    ].join(''),
  )
})

it('prints JSON that produce takes back', async () => {
  const topic = await topicWith(2)
  const { stdout } = await consume(topic, '--to-end', '--json')
  const records = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown)
  expect(records[1]).toEqual({
    ...{ topic, partition: 0, offset: 1, timestamp: '2001-09-09T01:46:41.000Z' },
    ...{ key: 'k1', value: '1', headers: { n: '1' } },
  })
  const copy = `${topic}-copy`
  expect((await kfk(['produce', copy, '--json'], { env, input: stdout })).code).toBe(0)
  const again = await consume(copy, '--to-end', '--json')
  expect(again.stdout.replaceAll(copy, topic)).toBe(stdout)
})

it('JSON keeps bytes that are no text, repeated headers and tombstones', async () => {
  const topic = await topicWith(0)
  const headers = [
    ['a', '1'],
    ['a', null],
  ]
  const input = JSON.stringify({ key: { base64: '/w==' }, value: null, headers })
  await kfk(['produce', topic, '--json', '-q'], { env, input })
  const { stdout } = await consume(topic, '--to-end', '--json')
  expect(JSON.parse(stdout)).toMatchObject({ key: { base64: '/w==' }, value: null, headers })
})

it.each([
  ['2001-09-09T01:46:48Z', 2],
  ['1000000008000', 2],
  ['2100-01-01', 0],
])('begins at the time %s', async (from, count) => {
  const topic = await topicWith(10)
  const { stdout } = await consume(topic, '--from', from, '--to-end')
  expect(stdout).toBe(count === 0 ? '' : '8\n9\n')
})

it('reads single partitions', async () => {
  const topic = await topicWith(9, 3)
  const { stdout } = await consume(topic, '--partition', '0,2', '--to-end')
  expect(sortedLines(stdout)).toEqual([0, 2, 3, 5, 6, 8])
  const missing = await consume(topic, '--partition', '7')
  expect(missing.code).toBe(1)
  expect(missing.stderr).toContain('has no partition 7: it has 3')
})

it('a missing topic is an error, and is not created', async () => {
  const { code, stderr } = await consume('missing', '--from', 'earliest')
  expect(code).toBe(1)
  expect(stderr).toMatch(/missing.*\n {5}`kfk topic list`/)
  expect((await kfk(['topic', 'list'], { env })).stdout).not.toContain('missing')
})

it('a group goes on behind what was printed', async () => {
  const topic = await topicWith(10)
  const args = [topic, '--group', 'readers', '--from', 'earliest']
  expect((await consume(...args, '--max', '4')).stdout).toBe('0\n1\n2\n3\n')
  expect((await consume(...args, '--max', '1')).stdout).toBe('4\n')
  expect((await consume(...args, '--to-end')).stdout).toBe('5\n6\n7\n8\n9\n')
  const { stdout } = await kfk(['groups', 'describe', 'readers'], { env })
  expect(stdout).toMatch(/readers {2}Empty, 0 members, lag 0/)
})

it('waits for more, and Ctrl-C ends it cleanly', async () => {
  const topic = await topicWith(2)
  const run = new RunningCommand(['consume', topic, '--from', 'earliest'], { env })
  await run.stdout.has(/1\n/)
  await kfk(['produce', topic, '-q'], { env, input: 'later\n' })
  await run.stdout.has(/later\n/)
  expect(await run.stop()).toBe(0)
  expect(run.stderr.text).toBe('')
})

it('ends quietly when nobody reads any more', async () => {
  const topic = await topicWith(2)
  const run = new RunningCommand(['consume', topic, '--from', 'earliest'], { env })
  await run.stdout.has(/1\n/)
  run.breakPipe()
  expect(await run.ended).toBe(0)
  expect(run.stderr.text).toBe('')
})
