import { kfk, Sandbox } from './kfk-in-process'

const sandbox = new Sandbox()
let env: { KFK_BROKERS: string }
beforeAll(async () => {
  const broker = await sandbox.broker()
  env = { KFK_BROKERS: broker.brokers[0]! }
})
afterAll(() => sandbox.close())

const run = (...args: string[]) => kfk(args, { env })

async function json(...args: string[]): Promise<unknown> {
  const { code, stdout, stderr } = await run(...args, '--json')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout)
}

/** A topic of two partitions with five records in the first. */
async function topic(name: string): Promise<void> {
  await run('topic', 'create', name, '-p', '2')
  await kfk(['produce', name, '-p', '0', '-q'], { env, input: 'a\nb\nc\nd\ne\n' })
}

it('gives topics more partitions', async () => {
  await topic('grows')
  const altered = await run('topic', 'alter', 'grows', '--partitions', '4')
  expect(altered).toMatchObject({ code: 0, stdout: 'altered grows: 4 partitions\n' })
  expect(await json('topic', 'alter', 'grows', '-p', '5')).toEqual([
    { topic: 'grows', partitions: 5 },
  ])
  const fewer = await run('topic', 'alter', 'grows', '--partitions', '2')
  expect(fewer.code).toBe(1)
  expect(fewer.stderr).toContain('INVALID_PARTITIONS')
})

it('sets, describes and unsets configs of a topic', async () => {
  await topic('set')
  const of = ['topic', 'set'] as const
  const dry = await run('configs', 'set', ...of, 'retention.ms=1000', '--dry-run')
  expect(dry.stdout).toContain('nothing was changed')
  expect((await run('configs', 'describe', ...of)).stdout).not.toContain('retention.ms')
  const set = await run('configs', 'set', ...of, 'retention.ms=1000', 'segment.bytes=4096')
  expect(set.stdout).toBe('topic set: retention.ms=1000\ntopic set: segment.bytes=4096\n')
  const described = await run('configs', 'describe', ...of)
  expect(described.stdout).toMatch(/^retention.ms +1000 +topic +any time\nsegment.bytes +4096/m)
  expect((await run('configs', 'describe', 'broker', 'all')).stderr).toContain('nothing is set')
  expect(await json('configs', 'unset', ...of, 'segment.bytes')).toMatchObject({ changed: true })
  const left = (await json('configs', 'describe', ...of)) as { name: string; source: string }[]
  const own = left.filter(({ source }) => source === 'topic').map(({ name }) => name)
  expect(own).toEqual(['retention.ms'])
  const all = (await json('configs', 'describe', ...of, '--all')) as unknown[]
  expect(all.length).toBeGreaterThan(30)
  const bad = await run('configs', 'set', ...of, 'min.insync.replicas=2')
  expect(bad.code).toBe(1)
  expect(bad.stderr).toContain('min.insync.replicas')
  expect((await run('configs', 'set', ...of, 'retention.ms')).code).toBe(2)
})

it('sets configs of one broker and of all', async () => {
  await run('configs', 'set', 'broker', 'all', 'message.max.bytes=2000')
  await run('configs', 'set', 'broker', '1', 'message.max.bytes=3000')
  expect(await json('configs', 'describe', 'broker', 'all')).toMatchObject([{ value: '2000' }])
  const own = (await json('configs', 'describe', 'broker', '1')) as { name: string }[]
  expect(own.find(({ name }) => name === 'message.max.bytes')).toMatchObject({
    ...{ value: '3000', source: 'dynamic-broker' },
    synonyms: [{ value: '3000' }, { value: '2000' }, { source: 'default' }],
  })
  for (const name of ['all', '1']) {
    expect((await run('configs', 'unset', 'broker', name, 'message.max.bytes')).code).toBe(0)
  }
  expect((await run('configs', 'set', 'broker', '1', 'node.id=2')).code).toBe(1)
})

it('shows offsets, deletes records and shows what is left on disk', async () => {
  await topic('records')
  const latest = await run('offsets', 'records')
  expect(latest.stdout).toMatch(/^records +0 +5 +-\nrecords +1 +0 +-$/m)
  const newest = await json('offsets', 'records:0', '--at', 'max-timestamp')
  expect(newest).toMatchObject([{ topic: 'records', partition: 0 }])
  const none = await json('offsets', 'records:0', '--at', '2100-01-01T00:00:00Z')
  expect(none).toMatchObject([{ offset: null, timestamp: null }])
  const shown = await run('records', 'delete', 'records:0', '--before', '2')
  expect(shown.stdout).toMatch(/^records +0 +0 +2 +2\nnothing was deleted/m)
  expect(await json('offsets', 'records:0', '--at', 'earliest')).toMatchObject([{ offset: 0 }])
  const done = await json('records', 'delete', 'records:0', '--before', '2', '--execute')
  expect(done).toMatchObject({ executed: true, deleted: [{ to: 2, records: 2 }] })
  expect(await json('offsets', 'records:0', '--at', 'earliest')).toMatchObject([{ offset: 2 }])
  const beyond = await run('records', 'delete', 'records:0', '--before', '9', '--execute')
  expect(beyond.code).toBe(1)
  await run('records', 'delete', 'records', '--before', 'end', '--execute')
  expect(await json('offsets', 'records', '--at', 'earliest')).toMatchObject([
    { offset: 5 },
    { offset: 0 },
  ])
  const dirs = await run('log-dirs', '--topic', 'records')
  expect(dirs.stdout).toMatch(/^broker 1 {2}.*2 partitions, \d+ bytes, \d+ bytes free$/m)
  expect(await json('log-dirs', '--topic', 'records', '--broker', '1')).toMatchObject([
    { nodeId: 1, partitions: [{ topic: 'records' }, { topic: 'records' }] },
  ])
})

it('shifts offsets of a group, forgets them, and removes its members', async () => {
  await topic('read')
  const consume = ['consume', 'read', '--group', 'g', '--from', 'earliest', '--to-end']
  expect((await run(...consume)).code).toBe(0)
  const reset = async (to: string) => {
    const { changes } = (await json('groups', 'reset', 'g', '--to', to, '--topic', 'read:0')) as {
      changes: { to: number }[]
    }
    return changes[0]!.to
  }
  expect(await reset('-2')).toBe(3)
  expect(await reset('+9')).toBe(5)
  expect(await reset('PT1H')).toBe(0)
  expect(await reset('P1DT1S')).toBe(0)
  const nothing = await run('groups', 'reset', 'fresh', '--to', '+1', '--topic', 'read')
  expect(nothing.stderr).toContain('nothing to shift')
  const forgotten = await run('groups', 'delete-offsets', 'g', 'read:0')
  expect(forgotten.stdout).toBe('group g has no offsets of 1 partition any more\n')
  const described = (await json('groups', 'describe', 'g')) as { partitions: unknown[] }[]
  expect(described[0]!.partitions).toMatchObject([{ partition: 1 }])
  expect(await json('groups', 'remove-members', 'g')).toEqual({ group: 'g', removed: 0 })
  const absent = await run('groups', 'remove-members', 'g', '--member', 'nobody')
  expect(absent.code).toBe(1)
  expect(absent.stderr).toContain('UNKNOWN_MEMBER_ID')
})

it('shows producers and transactions', async () => {
  await topic('written')
  const active = await json('transactions', 'producers', 'written:0')
  expect(active).toMatchObject([{ topic: 'written', partition: 0, lastSequence: 4 }])
  const shown = await run('transactions', 'producers', 'written')
  expect(shown.stdout).toMatch(/^written +0 +\d+ +0 +4 +\S+Z +-$/m)
  expect((await run('transactions', 'list')).stderr).toContain('there are none')
  expect(await json('transactions', 'list', '--state', 'Ongoing')).toEqual([])
  const unknown = await run('transactions', 'describe', 'nobody')
  expect(unknown.code).toBe(1)
  expect(unknown.stderr).toContain('TRANSACTIONAL_ID_NOT_FOUND')
})
