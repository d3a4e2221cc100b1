import { apis } from '@kfk/protocol'
import { settle } from '../../client/test/manual-clock.js'
import { assignmentBytes } from '../src/group-protocol.js'
import type { BatchView, Consumer, ConsumerSettings } from '../src/index.js'
import { ConsumerCluster, places, text } from './consumer-cluster.js'

/** A batch whose handler has not ended. */
interface InHand {
  readonly batch: BatchView
  readonly values: readonly string[]
  readonly end: () => void
}

/** A member of a group that reads by `runBatches`; its handlers end when the test says so. */
class Member {
  readonly events: string[] = []
  /** Values as they were handed out. */
  readonly seen: string[] = []
  readonly inHand: InHand[] = []
  readonly consumer: Consumer
  readonly reading: Promise<void>

  constructor(cluster: ConsumerCluster, settings: ConsumerSettings<string> = {}) {
    const group = { topics: ['t'], group: 'g', ...settings }
    const note = (what: string) => (taken: Parameters<typeof places>[0]) =>
      void this.events.push(`${what} ${places(taken)}`.trim())
    const rebalance = { assigned: note('+'), revoked: note('-'), lost: note('lost') }
    this.consumer = cluster.consumer({ ...group, rebalance })
    this.reading = this.consumer.runBatches((batch) => this.#handle(batch))
  }

  #handle(batch: BatchView): Promise<void> {
    const values = Array.from(batch, text)
    this.seen.push(...values)
    return new Promise((resolve) => {
      const end = (): void => {
        this.inHand.splice(this.inHand.indexOf(entry), 1)
        resolve()
      }
      const entry = { batch, values, end }
      this.inHand.push(entry)
    })
  }

  /** Ends the handler that has this value. */
  end(value: string): void {
    this.inHand.find(({ values }) => values.includes(value))!.end()
  }
}

/** The group gives the member these partitions in the next round. */
function share(cluster: ConsumerCluster, ...partitions: number[]): void {
  cluster.share = () => assignmentBytes(partitions.map((partition) => ({ topic: 't', partition })))
  cluster.codes.heartbeat.push(27)
}

function clusterOf(partitions: number, batchCount: number): ConsumerCluster {
  const cluster = new ConsumerCluster({ topics: { t: partitions } })
  for (let partition = 0; partition < partitions; partition++) {
    for (let at = 0; at < batchCount; at++) {
      cluster.append('t', partition, [`${partition}-${at}a`, `${partition}-${at}b`])
    }
  }
  return cluster
}

test('a revocation waits for the handler, commits its batch, and hands nothing more out', async () => {
  const cluster = clusterOf(2, 2)
  const member = new Member(cluster, { autoCommit: { intervalMs: 1_000_000 } })
  await cluster.until(() => member.inHand.length === 2)
  share(cluster, 1)
  await cluster.clock.advance(30_000)
  // The other partition goes on meanwhile.
  member.end('1-0a')
  await cluster.until(() => member.seen.includes('1-1a'))
  expect(cluster.committed.get('t/0')).toBeUndefined()
  expect(member.events).toEqual(['+ t-0 t-1'])
  member.end('0-0a')
  await cluster.until(() => member.events.includes('- t-0'))
  expect(cluster.committed.get('t/0')).toBe(2)
  await cluster.clock.advance(10_000)
  expect(member.seen).not.toContain('0-1a')
  // It comes back: the next batch comes, the first does not.
  share(cluster, 0, 1)
  await cluster.until(() => member.seen.includes('0-1a'))
  expect(member.seen.filter((value) => value.startsWith('0'))).toEqual([
    ...['0-0a', '0-0b', '0-1a', '0-1b'],
  ])
  while (member.inHand.length > 0) member.inHand[0]!.end()
  await member.consumer.close()
  await member.reading
})

test('a handler that hangs is waited for as long as the group does; its memory stays its own', async () => {
  const cluster = clusterOf(1, 2)
  const giveBack = jest.spyOn(cluster.client, 'giveBack')
  const member = new Member(cluster, { rebalanceTimeoutMs: 20_000 })
  await cluster.until(() => member.inHand.length === 1)
  const [hanging] = member.inHand
  share(cluster)
  await cluster.until(() => cluster.generation === 2)
  await cluster.clock.advance(20_000)
  expect(member.events.slice(0, 2)).toEqual(['+ t-0', '- t-0'])
  expect(hanging!.batch.signal.aborted).toBe(true)
  expect(Array.from(hanging!.batch, text)).toEqual(['0-0a', '0-0b'])
  expect(giveBack).not.toHaveBeenCalled()
  const commits = cluster.requestsOf(apis.offsetCommit).length
  await expect(hanging!.batch.commit()).rejects.toMatchObject({ kafkaName: 'ILLEGAL_GENERATION' })
  // It was not committed: in the next assignment it comes again, beside the one that hangs.
  share(cluster, 0)
  await cluster.until(() => member.seen.length === 4)
  expect(member.seen).toEqual(['0-0a', '0-0b', '0-0a', '0-0b'])
  hanging!.end()
  await settle()
  expect(() => Array.from(hanging!.batch)).toThrow('after its handler')
  expect(member.consumer.position({ topic: 't', partition: 0 })).toBe(0n)
  expect(cluster.requestsOf(apis.offsetCommit)).toHaveLength(commits)
  expect(Array.from(member.inHand[0]!.batch, text)).toEqual(['0-0a', '0-0b'])
  while (member.inHand.length > 0) member.inHand[0]!.end()
  await member.consumer.close()
  await member.reading
})

test.each([1, 2, 3, 4, 5])(
  'whatever moves while handlers run, each record is handed out once and in order (%i)',
  async (seed) => {
    let state = seed * 7919
    const upTo = (limit: number): number => {
      state = (Math.imul(state, 48271) >>> 0) % 0x7fffffff
      return state % limit
    }
    const cluster = clusterOf(3, 12)
    const member = new Member(cluster, { autoCommit: { intervalMs: 700 } })
    for (let step = 0; step < 60; step++) {
      if (upTo(4) === 0) share(cluster, ...[0, 1, 2].filter(() => upTo(2) === 0))
      if (member.inHand.length > 0 && upTo(3) > 0) member.inHand[upTo(member.inHand.length)]!.end()
      if (upTo(2) === 0) await settle()
      else await cluster.clock.advance(upTo(4000))
    }
    expect(member.events.filter((event) => event.startsWith('-')).length).toBeGreaterThan(1)
    share(cluster, 0, 1, 2)
    await cluster.until(() => {
      if (member.inHand.length > 0) member.inHand[0]!.end()
      return member.seen.length >= 72 && member.inHand.length === 0
    })
    await member.consumer.close()
    await member.reading
    for (const partition of [0, 1, 2]) {
      const wanted = Array.from({ length: 24 }, (_, at) => `${partition}-${at >> 1}${'ab'[at & 1]}`)
      expect(member.seen.filter((value) => value.startsWith(`${partition}-`))).toEqual(wanted)
      expect(cluster.committed.get(`t/${partition}`)).toBe(24)
    }
    expect(member.events).not.toContain('lost')
  },
)
