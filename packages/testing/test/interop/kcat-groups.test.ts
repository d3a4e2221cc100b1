// kcat's consumer groups (-G) against our broker.
import { createAdmin } from '@kfk/client'
import {
  eventually,
  kcat,
  peers,
  startInteropBroker,
  startProcess,
  withPeer,
  type InteropBroker,
  type RunningProcess,
} from '../../src/index'

withPeer(peers.kcat(), 'kcat -G', () => {
  let broker: InteropBroker
  const running: RunningProcess[] = []
  beforeAll(async () => {
    broker = await startInteropBroker()
  })
  afterEach(async () => {
    await Promise.all(running.splice(0).map((member) => member.stop('SIGKILL')))
  })
  afterAll(() => broker.stop())

  function member(group: string, topic: string, ...args: string[]): RunningProcess {
    const settings = [
      'session.timeout.ms=30000',
      'heartbeat.interval.ms=100',
      'auto.offset.reset=earliest',
      ...args,
    ].flatMap((setting) => ['-X', setting])
    const started = startProcess('kcat', [
      ...['-b', broker.bootstrap, '-G', group, '-u', '-f', 'record %p %o %s\\n'],
      ...settings,
      topic,
    ])
    running.push(started)
    return started
  }

  async function produce(topic: string, from: number, to: number): Promise<void> {
    for (let partition = 0; partition < 4; partition++) {
      const lines = []
      for (let n = from; n < to; n++) if (n % 4 === partition) lines.push(`v${n}\n`)
      const args = ['-P', '-t', topic, '-p', String(partition)]
      const { code } = await kcat(broker.bootstrap, args, { stdin: lines.join('') })
      expect(code).toBe(0)
    }
  }

  const read = (members: readonly RunningProcess[]): string[] =>
    members.flatMap((each) =>
      [...each.output().matchAll(/^record \d+ \d+ (v\d+)$/gm)].map((match) => match[1]!),
    )

  const readAll = (count: number, ...members: RunningProcess[]): Promise<string[]> =>
    eventually(`${count} records`, () => {
      const values = read(members)
      return new Set(values).size >= count ? values : undefined
    })

  /** Who has how many partitions, as the coordinator sees it. */
  async function members(group: string): Promise<{ state: string; count: number }> {
    await using admin = createAdmin({ brokers: broker.bootstrap })
    const [found] = await admin.describeGroups([group])
    return { state: found!.state, count: found!.members.length }
  }

  const settled = (group: string, count: number): Promise<true> =>
    eventually(`${group} has ${count} members`, async () => {
      const now = await members(group)
      return now.count === count && (count === 0 || now.state === 'Stable') ? true : undefined
    })

  test.each(['range,roundrobin', 'cooperative-sticky'])(
    'members come and go (%s): each record is read once, and a successor goes on',
    async (strategy) => {
      const topic = `shared-${strategy.slice(0, 5)}`
      const group = `group-${strategy.slice(0, 5)}`
      await using admin = createAdmin({ brokers: broker.bootstrap })
      await admin.createTopics([{ name: topic, partitions: 4 }])
      const setting = `partition.assignment.strategy=${strategy}`
      await produce(topic, 0, 200)
      const first = member(group, topic, setting)
      await readAll(200, first)
      const second = member(group, topic, setting)
      await settled(group, 2)
      await produce(topic, 200, 400)
      await readAll(400, first, second)
      expect(read([second]).length).toBe(100)
      await first.stop('SIGTERM')
      await settled(group, 1)
      await produce(topic, 400, 600)
      const values = await readAll(600, first, second)
      await second.stop('SIGTERM')
      await settled(group, 0)
      expect(values).toHaveLength(600)
      const lag = await admin.listGroupOffsets(group)
      expect(lag.map(({ offset }) => offset)).toEqual([150n, 150n, 150n, 150n])
      expect(await members(group)).toEqual({ state: 'Empty', count: 0 })
    },
  )

  test('a member that dies without a word is given up after its session', async () => {
    await using admin = createAdmin({ brokers: broker.bootstrap })
    await admin.createTopics([{ name: 'orphaned', partitions: 4 }])
    const first = member('bereft', 'orphaned', 'session.timeout.ms=6000')
    await settled('bereft', 1)
    const second = member('bereft', 'orphaned')
    await settled('bereft', 2)
    first.child.kill('SIGKILL')
    await settled('bereft', 1)
    await produce('orphaned', 0, 40)
    expect(await readAll(40, second)).toHaveLength(40)
  })
})
