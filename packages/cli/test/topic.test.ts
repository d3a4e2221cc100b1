import { memoryCoordination } from '@kfk/coordination'
import { kfk, Sandbox } from './kfk-in-process'

const sandbox = new Sandbox()
let env: { KFK_BROKERS: string }
beforeAll(async () => {
  const broker = await sandbox.broker()
  env = { KFK_BROKERS: broker.brokers[0]! }
})
afterAll(() => sandbox.close())

const run = (...args: string[]) => kfk(['topic', ...args], { env })

it('creates, lists, describes and deletes a topic', async () => {
  const created = await run('create', 'views', '-p', '3', '-c', 'retention.ms=3600000')
  expect(created).toEqual({ code: 0, stdout: 'created views: 3 partitions\n', stderr: '' })
  const list = await run('list')
  expect(list.stdout).toMatch(/^TOPIC {2}PARTITIONS {2}ID\nviews +3 +\S{22}\n$/)
  await kfk(['produce', 'views', '-p', '1', '-q'], { env, input: 'a\nb\n' })
  const { stdout } = await run('describe', 'views')
  expect(stdout).toMatch(/^views {2}id \S{22}, 3 partitions\nconfigs:\n/)
  expect(stdout).toMatch(/^ {2}retention.ms=3600000$/m)
  expect(stdout).toMatch(/^ +1 +1 +\d+ +1 +1 +0 +2 +2$/m)
  expect(await run('delete', 'views')).toMatchObject({ code: 0, stdout: 'deleted views\n' })
  expect((await run('list', '--json')).stdout).not.toContain('views')
})

it('prints JSON of everything', async () => {
  const created = await run('create', 'j', '--partitions', '2', '--json')
  const [one] = JSON.parse(created.stdout) as { topicId: string }[]
  expect(one).toMatchObject({ topic: 'j', existed: false, partitions: 2 })
  const listed: unknown = JSON.parse((await run('list', '--json')).stdout)
  expect(listed).toContainEqual({
    ...{ topic: 'j', topicId: one!.topicId, partitions: 2, internal: false, withoutLeader: 0 },
  })
  const described: unknown = JSON.parse((await run('describe', 'j', '--json')).stdout)
  expect(described).toMatchObject([
    {
      ...{ topic: 'j', topicId: one!.topicId },
      partitions: [
        { partition: 0, leader: 1, replicas: [1], isr: [1], startOffset: 0, endOffset: 0 },
        { partition: 1, leader: 1, replicas: [1], isr: [1], startOffset: 0, endOffset: 0 },
      ],
    },
  ])
  const all = await run('describe', 'j', '--all-configs', '--json')
  const [{ configs }] = JSON.parse(all.stdout) as [{ configs: { name: string }[] }]
  expect(configs.map(({ name }) => name)).toContain('segment.bytes')
  const deleted: unknown = JSON.parse((await run('delete', 'j', '--json')).stdout)
  expect(deleted).toEqual([{ topic: 'j', deleted: true }])
})

it('an existing topic is an error, unless it may exist', async () => {
  await run('create', 'twice')
  const again = await run('create', 'twice')
  expect(again.code).toBe(1)
  expect(again.stderr).toMatch(/TOPIC_ALREADY_EXISTS.*\n {5}--if-not-exists/)
  const allowed = await run('create', 'twice', '--if-not-exists')
  expect(allowed).toMatchObject({ code: 0, stdout: 'exists already: twice\n' })
})

it('a missing topic is an error that names it', async () => {
  for (const command of ['describe', 'delete']) {
    const { code, stderr } = await run(command, 'missing')
    expect(code).toBe(1)
    expect(stderr).toMatch(/missing.*\n {5}`kfk topic list`/)
  }
})

it.each([['../etc'], ['a b'], ['..'], ['']])('refuses the name %j', async (name) => {
  const { code, stderr } = await run('create', name)
  expect(code).toBe(2)
  expect(stderr).toMatch(/^kfk: .*topic name/i)
})

it('takes the name of a property of every object', async () => {
  expect(await run('create', 'constructor')).toMatchObject({ code: 0 })
  expect((await run('describe', 'constructor')).stdout).toContain('constructor  id')
  expect(await run('delete', 'constructor')).toMatchObject({ code: 0 })
})

it('a bad config is told with what is allowed', async () => {
  const unknown = await run('create', 'bad', '-c', 'retention=1')
  expect(unknown.code).toBe(1)
  expect(unknown.stderr).toContain('INVALID_CONFIG')
})

it('a topic can be described while a broker of the cluster is away', async () => {
  const coordination = memoryCoordination()
  const first = await sandbox.broker({ nodeId: 1, coordination })
  const second = await sandbox.broker({ nodeId: 2, coordination })
  const apart = { env: { KFK_BROKERS: first.brokers[0]! } }
  await kfk(['topic', 'create', 'spread', '-p', '2'], apart)
  await second.close()
  const { code, stdout } = await kfk(['topic', 'describe', 'spread'], apart)
  expect(code).toBe(0)
  expect(stdout).toMatch(/^ +\d +1 +\d+ +1 +1 +0 +0 +0$/m)
  expect(stdout).toMatch(/^ +\d +(?:none|2) +-?\d+ +2 +\S* +- +- +-$/m)
})
