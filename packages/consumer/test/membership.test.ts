import { apis } from '@kfk/protocol'
import { settle } from '../../client/test/manual-clock.js'
import { assignmentBytes } from '../src/group-protocol.js'
import { rangeAssignor, type ConsumerSettings, type TopicPartition } from '../src/index.js'
import { ConsumerCluster, places, take, text } from './consumer-cluster.js'

const t = (partition: number): TopicPartition => ({ topic: 't', partition })

/** A member of a group that notes what its listener hears. */
function member(cluster: ConsumerCluster, settings: ConsumerSettings<string> = {}) {
  const events: string[] = []
  const note = (what: string) => (partitions: readonly TopicPartition[]) => {
    events.push(`${what} ${places(partitions)}`.trim())
  }
  const consumer = cluster.consumer({
    topics: ['t'],
    group: 'g',
    ...settings,
    rebalance: {
      assigned: note('+'),
      revoked: note('-'),
      lost: note('lost'),
      ...settings.rebalance,
    },
  })
  return { consumer, events }
}

/** The group takes these from the member in the next round. */
function takeAway(cluster: ConsumerCluster, ...kept: number[]): void {
  cluster.share = () => assignmentBytes(kept.map(t))
  cluster.codes.heartbeat.push(27)
}

const values = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, at) => `${prefix}${at}`)

describe('a member of a group', () => {
  test('joins once: no second rebalance follows from looking at the topics', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 2 } })
    const { consumer, events } = member(cluster, { topicRefreshMs: 1000 })
    await consumer.start()
    await cluster.until(() => events.length === 1)
    await cluster.clock.advance(20_000)
    expect(cluster.generation).toBe(1)
    expect(cluster.requestsOf(apis.heartbeat).length).toBeGreaterThan(5)
    await consumer.close()
    expect(events).toEqual(['+ t-0 t-1', '- t-0 t-1'])
    expect(cluster.requestsOf(apis.leaveGroup)).toHaveLength(1)
  })

  test('as the leader rejoins when partitions are added, or a missing topic appears', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    const { consumer, events } = member(cluster, { topics: ['t', 'later'], topicRefreshMs: 1000 })
    await consumer.start()
    await cluster.until(() => events.length === 1)
    cluster.fake.createTopic('later', 1)
    await cluster.until(() => events.length === 2)
    cluster.fake.topics
      .get('t')!
      .partitions.push(new ConsumerCluster({ topics: { x: 1 } }).fake.partition('x', 0))
    await cluster.until(() => events.length === 3)
    expect(events).toEqual(['+ t-0', '+ later-0', '+ t-1'])
    await consumer.close()
  })

  test('a topic is gone only when it is missed twice', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1, u: 1 } })
    const { consumer, events } = member(cluster, { topics: ['t', 'u'], topicRefreshMs: 5000 })
    await consumer.start()
    await cluster.until(() => events.length === 1)
    const deleted = cluster.fake.topics.get('u')!
    cluster.fake.topics.delete('u')
    await cluster.clock.advance(5500)
    cluster.fake.topics.set('u', deleted)
    await cluster.clock.advance(10_000)
    expect(events).toEqual(['+ t-0 u-0'])
    cluster.fake.topics.delete('u')
    await cluster.until(() => events.length > 1)
    expect(events[1]).toBe('- u-0')
    await consumer.close()
  })

  test('revocation waits for the record in hand, commits it, and drops what was fetched ahead', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 2 } })
    cluster.append('t', 0, values('a', 100))
    const { consumer, events } = member(cluster)
    let release: () => void = () => undefined
    const held = new Promise<void>((resolve) => (release = resolve))
    const seen: string[] = []
    const done = consumer.run(async (record, { signal }) => {
      seen.push(text(record))
      if (seen.length < 3) return
      await held
      expect(signal.aborted).toBe(true)
    })
    await cluster.until(() => seen.length === 3)
    takeAway(cluster, 1)
    await cluster.until(() => cluster.generation === 2)
    await cluster.clock.advance(10_000)
    expect(cluster.committed.get('t/0')).not.toBe(3)
    expect(cluster.generation).toBe(2)
    release()
    await cluster.until(() => cluster.generation === 3)
    expect(cluster.committed.get('t/0')).toBe(3)
    expect(events).toEqual(['+ t-0 t-1', '- t-0', '+', '+'])
    expect(seen).toHaveLength(3)
    await consumer.close()
    await done
  })

  test('a handler that never ends holds the group up for the rebalance timeout at most', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    cluster.append('t', 0, ['a', 'b'])
    const { consumer, events } = member(cluster, { rebalanceTimeoutMs: 20_000 })
    const batches = consumer.batches({ maxRecords: 1 })
    const first = (await batches.next()).value!
    takeAway(cluster)
    await cluster.until(() => cluster.generation === 2)
    await cluster.clock.advance(20_000)
    expect(cluster.generation).toBe(3)
    expect(events).toEqual(['+ t-0', '- t-0', '+', '+'])
    expect(first.signal.aborted).toBe(true)
    // Its commit would move the offset of the new owner: it is not even sent.
    const commits = cluster.requestsOf(apis.offsetCommit).length
    await expect(first.commit()).rejects.toMatchObject({ kafkaName: 'ILLEGAL_GENERATION' })
    expect(cluster.requestsOf(apis.offsetCommit)).toHaveLength(commits)
    await batches.return()
    await consumer.close()
  })

  test.each([
    ['UNKNOWN_MEMBER_ID', 25],
    ['ILLEGAL_GENERATION', 22],
  ])(
    '%s while processing: work stops at once, nothing is committed, and it joins anew',
    async (_, code) => {
      const cluster = new ConsumerCluster({ topics: { t: 1 } })
      cluster.append('t', 0, ['a', 'b', 'c'])
      const { consumer, events } = member(cluster, { autoCommit: { intervalMs: 100_000 } })
      const iterator = consumer[Symbol.asyncIterator]()
      expect(text((await iterator.next()).value!)).toBe('a')
      cluster.codes.heartbeat.push(code)
      await cluster.until(() => events.includes('lost t-0'))
      expect(cluster.requestsOf(apis.offsetCommit)).toEqual([])
      // The assignment of the new generation begins where the group stands.
      expect(text((await iterator.next()).value!)).toBe('a')
      expect(events).toEqual(['+ t-0', 'lost t-0', '+ t-0'])
      await iterator.return()
      await consumer.close()
    },
  )

  test('a loss is not held up by a handler that hangs in a revocation', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 2 } })
    cluster.append('t', 0, ['a'])
    const { consumer, events } = member(cluster)
    const batches = consumer.batches()
    await batches.next()
    takeAway(cluster, 1)
    await cluster.until(() => consumer.assignment().length === 1)
    cluster.codes.heartbeat.push(25)
    cluster.share = undefined
    await cluster.until(() => events.length === 3)
    expect(events.slice(1)).toEqual(['lost t-0 t-1', '+ t-0 t-1'])
    await batches.return()
    await consumer.close()
  })

  test('eager: everything is given up before it joins again', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 2 } })
    const { consumer, events } = member(cluster, { assignors: [rangeAssignor] })
    await consumer.start()
    await cluster.until(() => events.length === 1)
    cluster.codes.heartbeat.push(27)
    await cluster.until(() => events.length === 3)
    expect(events).toEqual(['+ t-0 t-1', '- t-0 t-1', '+ t-0 t-1'])
    await consumer.close()
  })

  test('heartbeats go on while a listener takes its time', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    let go: () => void = () => undefined
    const gate = new Promise<void>((resolve) => (go = resolve))
    const { consumer } = member(cluster, { rebalance: { assigned: () => gate } })
    await consumer.start()
    await cluster.until(() => consumer.assignment().length === 1)
    cluster.codes.heartbeat.push(27)
    await cluster.clock.advance(30_000)
    expect(cluster.requestsOf(apis.heartbeat).length).toBeGreaterThan(8)
    expect(cluster.generation).toBe(1)
    go()
    await cluster.until(() => cluster.generation === 2)
    await consumer.close()
  })

  test('what a listener throws ends the loops, and the session runs out', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    const assigned = (): never => {
      throw new Error('no room')
    }
    const { consumer } = member(cluster, { rebalance: { assigned } })
    await expect(take(consumer, 1)).rejects.toThrow('no room')
    const beats = cluster.requestsOf(apis.heartbeat).length
    await cluster.clock.advance(20_000)
    expect(cluster.requestsOf(apis.heartbeat)).toHaveLength(beats)
    await consumer.close()
    expect(cluster.requestsOf(apis.leaveGroup)).toHaveLength(1)
  })

  test('an instance id that somebody else has taken is a clear, final error', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    const { consumer, events } = member(cluster, { groupInstanceId: 'i1' })
    const reading = expect(take(consumer, 1)).rejects.toMatchObject({
      kafkaName: 'FENCED_INSTANCE_ID',
      message: expect.stringContaining('Give each consumer its own'),
    })
    await cluster.until(() => events.length === 1)
    cluster.codes.heartbeat.push(82)
    await cluster.until(() => events.length === 2)
    await reading
    expect(events).toEqual(['+ t-0', 'lost t-0'])
    await consumer.close()
    expect(cluster.requestsOf(apis.leaveGroup)).toEqual([])
  })

  test('a coordinator that loads or has moved is asked again, and no error is taken for "no offset"', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    cluster.append('t', 0, values('v', 5))
    cluster.committed.set('t/0', 3)
    cluster.codes.join.push(15, 16, 14)
    cluster.codes.sync.push(16)
    cluster.codes.offsetFetch.push(14, 16, 15, 14)
    const { consumer } = member(cluster, { from: 'latest' })
    const reading = take(consumer, 1)
    await cluster.until(() => cluster.codes.offsetFetch.length === 0)
    await cluster.clock.advance(1000)
    expect(await reading).toEqual(['v3'])
    expect(cluster.requestsOf(apis.listOffsets)).toEqual([])
    expect(cluster.requestsOf(apis.findCoordinator).length).toBeGreaterThan(5)
    await consumer.close()
  })

  test('a coordinator that was gone for a while: the member is still one afterwards', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    const { consumer, events } = member(cluster)
    await consumer.start()
    await cluster.until(() => events.length === 1)
    cluster.fake.down.add(1)
    cluster.fake.disconnectAll()
    await cluster.clock.advance(10_000)
    cluster.fake.down.delete(1)
    cluster.append('t', 0, ['a'])
    const reading = take(consumer, 1)
    await cluster.clock.advance(5000)
    expect(await reading).toEqual(['a'])
    expect(cluster.generation).toBe(1)
    await consumer.close()
  })
})

describe('closing', () => {
  test('ends loops, commits, leaves, tells the listener; twice is once', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    cluster.append('t', 0, ['a', 'b', 'c'])
    const { consumer, events } = member(cluster)
    const seen: string[] = []
    const done = consumer.run(async (record) => {
      seen.push(text(record))
      if (seen.length === 2) void consumer.close()
      await settle()
    })
    await done
    await Promise.all([consumer.close(), consumer.close()])
    expect(seen).toEqual(['a', 'b'])
    expect(cluster.committed.get('t/0')).toBe(2)
    expect(events).toEqual(['+ t-0', '- t-0'])
    expect(cluster.requestsOf(apis.leaveGroup)).toHaveLength(1)
    // Loops end, everything else says why it cannot.
    expect(await take(consumer, 1)).toEqual([])
    await expect(consumer.start()).rejects.toMatchObject({ code: 'KFK_CLIENT_CLOSED' })
    await expect(consumer.commit([{ ...t(0), offset: 1n }])).rejects.toMatchObject({
      code: 'KFK_CLIENT_CLOSED',
    })
  })

  test('a listener may commit while the consumer closes; what it throws comes out after all is done', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    cluster.append('t', 0, ['a'])
    const { consumer } = member(cluster, {
      autoCommit: false,
      rebalance: {
        revoked: async () => {
          await consumer.commit([{ ...t(0), offset: 7n }])
          throw new Error('disk full')
        },
      },
    })
    await take(consumer, 1)
    await expect(consumer.close()).rejects.toThrow('disk full')
    expect(cluster.committed.get('t/0')).toBe(7)
    expect(cluster.requestsOf(apis.leaveGroup)).toHaveLength(1)
  })

  test('while joining: the JoinGroup that waits does not hold up the goodbye', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    const { consumer } = member(cluster)
    const join = cluster.fake.responders.get(apis.joinGroup.key)!
    cluster.fake.respond(apis.joinGroup, (request, body) =>
      body.memberId === '' ? (join(request, body as never) as never) : new Promise(() => undefined),
    )
    await consumer.start()
    await cluster.until(() => cluster.requestsOf(apis.joinGroup).length === 2)
    await consumer.close()
    expect(cluster.requestsOf(apis.leaveGroup)).toHaveLength(1)
  })

  test('before anything was read contacts nobody', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    await member(cluster).consumer.close()
    expect(cluster.fake.requests).toEqual([])
  })

  test('a handler that never ends is waited for as long as it was said, and not when the signal fires', async () => {
    for (const options of [{ timeoutMs: 2000 }, { signal: AbortSignal.abort() }]) {
      const cluster = new ConsumerCluster({ topics: { t: 1 } })
      cluster.append('t', 0, ['a', 'b'])
      const { consumer } = member(cluster)
      const iterator = consumer[Symbol.asyncIterator]()
      await iterator.next()
      const closing = consumer.close(options)
      await cluster.clock.advance('timeoutMs' in options ? 2000 : 0)
      await closing
      await iterator.return()
      await consumer.close()
    }
  })

  test('destroy tells nobody and commits nothing', async () => {
    const cluster = new ConsumerCluster({ topics: { t: 1 } })
    cluster.append('t', 0, ['a', 'b'])
    const { consumer, events } = member(cluster)
    await take(consumer, 2)
    await consumer.destroy()
    await cluster.clock.advance(60_000)
    expect(cluster.requestsOf(apis.leaveGroup)).toEqual([])
    expect(cluster.requestsOf(apis.offsetCommit)).toEqual([])
    expect(events).toEqual(['+ t-0'])
    expect(cluster.clock.pendingTimers).toBe(0)
  })
})
