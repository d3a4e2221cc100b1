import { kfk, RunningCommand, Sandbox } from './kfk-in-process'

const sandbox = new Sandbox()
let env: { KFK_BROKERS: string }
beforeAll(async () => {
  const broker = await sandbox.broker()
  env = { KFK_BROKERS: broker.brokers[0]! }
  await kfk(['topic', 'create', 'views', '-p', '2'], { env })
  for (const partition of ['0', '1']) {
    const lines = Array.from({ length: 10 }, (_, index) =>
      JSON.stringify({ value: index, timestamp: 1_000_000_000_000 + index * 1000 }),
    )
    const args = ['produce', 'views', '-q', '--json', '-p', partition]
    await kfk(args, { env, input: lines.join('\n') })
  }
})
afterAll(() => sandbox.close())

const run = (...args: string[]) => kfk(['groups', ...args], { env })
const consume = (group: string, ...args: string[]) =>
  kfk(['consume', 'views', '--group', group, '--from', 'earliest', ...args], { env })

/** Committed offsets of a group by partition. */
async function committed(group: string): Promise<unknown[]> {
  const { stdout } = await run('describe', group, '--json')
  const [{ partitions }] = JSON.parse(stdout) as [{ partitions: { committed: unknown }[] }]
  return partitions.map((each) => each.committed)
}

it('shows members, what they own, and lag while they run', async () => {
  const args = ['consume', 'views', '--group', 'live', '--from', 'earliest', '--format', '%p:%o']
  const member = new RunningCommand(args, { env })
  await Promise.all([member.stdout.has(/0:9\n/), member.stdout.has(/1:9\n/)])
  const { code, stdout } = await run('describe', 'live')
  expect(code).toBe(0)
  expect(stdout).toMatch(/^live {2}Stable, cooperative-sticky, 1 member, lag/)
  expect(stdout).toMatch(/^views +0 +(?:10|-) +10 +(?:0|-) {2}kfk-cli {2}\S+ {2}\S+$/m)
  const listed: unknown = JSON.parse((await run('list', '--json')).stdout)
  expect(listed).toContainEqual({ group: 'live', protocolType: 'consumer', state: 'Stable' })
  const reset = await run('reset', 'live', '--to', 'earliest', '--execute')
  expect(reset.code).toBe(1)
  expect(reset.stderr).toMatch(/"live" is in use: it has 1 member \(Stable\)/)
  const deleted = await run('delete', 'live')
  expect(deleted.code).toBe(1)
  expect(deleted.stderr).toMatch(/NON_EMPTY_GROUP.*\n {5}stop its members first/)
  expect(await member.stop()).toBe(0)
})

it('reset only shows what would change, until it is told to do it', async () => {
  await consume('moved', '--to-end')
  const dry = await run('reset', 'moved', '--to', 'earliest')
  expect(dry.code).toBe(0)
  expect(dry.stdout).toMatch(/^views +0 +10 +0\nviews +1 +10 +0\nnothing was changed/m)
  expect(await committed('moved')).toEqual([10, 10])
  const done = await run('reset', 'moved', '--to', 'earliest', '--execute')
  expect(done.stdout).toContain('group moved was reset')
  expect(await committed('moved')).toEqual([0, 0])
})

it.each([
  [
    ['--to', '4'],
    [4, 4],
  ],
  [
    ['--to', '99'],
    [10, 10],
  ],
  [
    ['--to', 'latest', '--topic', 'views:1'],
    [0, 10],
  ],
  [
    ['--to', '2001-09-09T01:46:43Z', '--topic', 'views'],
    [3, 3],
  ],
  [
    ['--to', 'time:1000000007000'],
    [7, 7],
  ],
  [
    ['--to', '2100-01-01'],
    [10, 10],
  ],
])('reset %j puts the group at %j', async (args, offsets) => {
  const group = `to-${args[1]!}`
  await run('reset', group, '--to', 'earliest', '--topic', 'views', '--execute')
  const { code, stdout } = await run('reset', group, ...args, '--execute', '--json')
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject({ group, executed: true })
  expect(await committed(group)).toEqual(offsets)
})

it('what cannot be reset is an error', async () => {
  const unknown = await run('reset', 'nobody', '--to', 'earliest')
  expect(unknown.code).toBe(1)
  expect(unknown.stderr).toMatch(/no committed offsets\n {5}--topic names topics/)
  const partition = await run('reset', 'nobody', '--to', 'earliest', '--topic', 'views:7')
  expect(partition.code).toBe(1)
  expect(partition.stderr).toContain('topic "views" has no partition 7')
})

it('deletes a group with its offsets', async () => {
  await consume('doomed', '--to-end')
  expect(await run('delete', 'doomed')).toMatchObject({ code: 0, stdout: 'deleted doomed\n' })
  const gone = await run('describe', 'doomed')
  expect(gone.code).toBe(1)
  expect(gone.stderr).toMatch(/there is no group "doomed"\n {5}`kfk groups list`/)
  expect((await run('delete', 'doomed')).stderr).toContain('GROUP_ID_NOT_FOUND')
})
