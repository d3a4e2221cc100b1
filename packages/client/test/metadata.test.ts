import { apis } from '@kfk/protocol'
import { createClient } from '../src/index.js'
import type { ClientOptions } from '../src/index.js'
import { FakeCluster } from './fake-broker.js'
import { ManualClock, settle } from './manual-clock.js'

function clientOf(cluster: FakeCluster, options: ClientOptions = {}) {
  return createClient({ broker: cluster, retry: { initialMs: 0, maxMs: 0 }, ...options })
}

const metadataRequests = (cluster: FakeCluster): number => cluster.requestsOf(apis.metadata).length

describe('metadata', () => {
  test('lookups at the same time share one request, later ones the cache', async () => {
    const cluster = new FakeCluster({ topics: { a: 2, b: 1 } })
    await using client = clientOf(cluster)
    const found = await Promise.all(['a', 'b', 'a', 'b'].map((name) => client.metadata.topic(name)))
    expect(found.map(({ name, partitions }) => [name, partitions.length])).toEqual([
      ['a', 2],
      ['b', 1],
      ['a', 2],
      ['b', 1],
    ])
    await client.metadata.topic('a')
    expect(metadataRequests(cluster)).toBe(1)
    expect(client.metadata.cached('a')).toBe(found[0])
  })

  test('one failing name does not fail the others of the request', async () => {
    const cluster = new FakeCluster({ topics: { a: 1 } })
    await using client = clientOf(cluster)
    const [good, bad] = await Promise.allSettled([
      client.metadata.topic('a'),
      client.metadata.topic('missing'),
    ])
    expect(good.status).toBe('fulfilled')
    expect(bad).toMatchObject({
      reason: { kafkaName: 'UNKNOWN_TOPIC_OR_PARTITION', retriable: true },
    })
  })

  test('invalidate and refresh ask again', async () => {
    const cluster = new FakeCluster({ topics: { a: 1 }, brokers: 2 })
    await using client = clientOf(cluster)
    expect(await client.metadata.leader('a', 0)).toEqual({ nodeId: 1, leaderEpoch: 0 })
    Object.assign(cluster.partition('a', 0), { leaderId: 2, leaderEpoch: 1 })
    expect(await client.metadata.leader('a', 0)).toEqual({ nodeId: 1, leaderEpoch: 0 })
    client.metadata.invalidate('a')
    expect(await client.metadata.leader('a', 0)).toEqual({ nodeId: 2, leaderEpoch: 1 })
  })

  test('a broker that has not heard of the new leader does not bring the old one back', async () => {
    const cluster = new FakeCluster({ topics: { a: 1 }, brokers: 2 })
    await using client = clientOf(cluster)
    Object.assign(cluster.partition('a', 0), { leaderId: 2, leaderEpoch: 5 })
    await client.metadata.topic('a')
    Object.assign(cluster.partition('a', 0), { leaderId: 1, leaderEpoch: 4 })
    await client.metadata.topic('a', { refresh: true })
    expect(await client.metadata.leader('a', 0)).toEqual({ nodeId: 2, leaderEpoch: 5 })
  })

  test('a topic that was deleted and created again is another topic', async () => {
    const cluster = new FakeCluster({ topics: { a: 1 } })
    await using client = clientOf(cluster)
    cluster.partition('a', 0).leaderEpoch = 5
    const old = await client.metadata.topic('a')
    const created = cluster.createTopic('a', 2)
    const fresh = await client.metadata.topic('a', { refresh: true })
    expect(fresh.topicId).toBe(created.id)
    expect(fresh.partitions.map(({ leaderEpoch }) => leaderEpoch)).toEqual([0, 0])
    await expect(client.metadata.topicById(old.topicId)).rejects.toMatchObject({
      kafkaName: 'UNKNOWN_TOPIC_ID',
    })
    expect((await client.metadata.topicById(created.id)).name).toBe('a')
  })

  test('an old answer serves once more while a new one is fetched', async () => {
    const cluster = new FakeCluster({ topics: { a: 1 } })
    const clock = new ManualClock()
    const client = clientOf(cluster, { clock, metadataMaxAgeMs: 1000 })
    await client.metadata.topic('a')
    cluster.createTopic('a', 3)
    await clock.advance(1001)
    expect((await client.metadata.topic('a')).partitions).toHaveLength(1)
    await settle()
    expect((await client.metadata.topic('a')).partitions).toHaveLength(3)
    expect(metadataRequests(cluster)).toBe(2)
  })

  test('missing topics are created only where that is wanted', async () => {
    const cluster = new FakeCluster({ autoCreate: true })
    await using client = clientOf(cluster)
    await expect(client.metadata.topic('a', { autoCreate: false })).rejects.toThrow(
      'does not exist',
    )
    expect(cluster.topics.has('a')).toBe(false)
    await expect(client.metadata.topic('a')).rejects.toMatchObject({ retriable: true })
    expect((await client.metadata.topic('a')).name).toBe('a')
  })

  test('a partition without a leader is a retriable error, and asks again next time', async () => {
    const cluster = new FakeCluster({ topics: { a: 1 } })
    await using client = clientOf(cluster)
    cluster.partition('a', 0).leaderId = -1
    await expect(client.metadata.leader('a', 0)).rejects.toMatchObject({
      kafkaName: 'LEADER_NOT_AVAILABLE',
      retriable: true,
    })
    cluster.partition('a', 0).leaderId = 1
    await expect(client.metadata.leader('a', 0)).resolves.toMatchObject({ nodeId: 1 })
  })

  test('topics named like properties of objects are ordinary topics', async () => {
    const cluster = new FakeCluster()
    for (const name of ['constructor', '__proto__']) cluster.createTopic(name, 1)
    await using client = clientOf(cluster)
    for (const name of ['constructor', '__proto__']) {
      expect((await client.metadata.topic(name)).name).toBe(name)
    }
  })

  test('names that no broker accepts never leave', async () => {
    const cluster = new FakeCluster()
    await using client = clientOf(cluster)
    for (const name of ['', '..', 'a b', 'x'.repeat(250)]) {
      await expect(client.metadata.topic(name)).rejects.toMatchObject({
        code: 'KFK_CLIENT_INVALID_ARGUMENT',
      })
    }
    expect(cluster.requests).toHaveLength(0)
  })
})

describe('coordinators', () => {
  test.each([[[0, 6]], [[0, 3]]] as const)(
    'are cached until invalidated (versions %j)',
    async (range) => {
      const cluster = new FakeCluster({ versions: { FindCoordinator: range } })
      await using client = clientOf(cluster)
      const asked = (): number => cluster.requestsOf(apis.findCoordinator).length
      const found = await Promise.all([client.findCoordinator('g'), client.findCoordinator('g')])
      expect(found[0]).toEqual({ nodeId: 1, host: '127.0.0.1', port: 9001 })
      expect(asked()).toBe(1)
      client.invalidateCoordinator('g')
      await client.findCoordinator('g')
      expect(asked()).toBe(2)
    },
  )

  test('an error is not cached', async () => {
    const cluster = new FakeCluster()
    await using client = clientOf(cluster)
    let errorCode = 15
    cluster.respond(apis.findCoordinator, () => {
      const answer = {
        key: 'g',
        nodeId: 1,
        host: '127.0.0.1',
        port: 9001,
        errorCode,
        errorMessage: null,
      }
      errorCode = 0
      return { coordinators: [answer] }
    })
    await expect(client.findCoordinator('g')).rejects.toMatchObject({ retriable: true })
    await expect(client.findCoordinator('g')).resolves.toMatchObject({ nodeId: 1 })
  })
})
