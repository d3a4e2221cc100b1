import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { apis, errorCodes } from '@kfk/protocol'
import { BrokerError } from '../../src/errors'
import { BrokerGroup, until } from './broker-group'

let group: BrokerGroup
beforeEach(() => {
  group = new BrokerGroup()
})
afterEach(() => group.close())

const leadersOf = (topic: { partitions: { leaderId: number }[] } | undefined) =>
  topic?.partitions.map(({ leaderId }) => leaderId) ?? []

describe('three brokers', () => {
  test('topics made through any of them are the same everywhere, spread 3, 3 and 2', async () => {
    for (const nodeId of [1, 2, 3]) await group.start(nodeId)
    for (const nodeId of [1, 2, 3]) {
      const created = await group.create(nodeId, `topic-${nodeId}`, 8)
      expect(created).toMatchObject({ errorCode: 0, numPartitions: 8, replicationFactor: 1 })
      // Visible at once where it was asked for.
      expect((await group.topics(nodeId)).get(`topic-${nodeId}`)!.topicId).toBe(created.topicId)
    }
    await until(
      async () => (await group.topics(2)).size === 3 && (await group.topics(3)).size === 3,
    )
    const views = await Promise.all([1, 2, 3].map((nodeId) => group.topics(nodeId)))
    expect(views[1]).toEqual(views[0])
    expect(views[2]).toEqual(views[0])
    for (const topic of views[0]!.values()) {
      const leaders = leadersOf(topic)
      const perBroker = [1, 2, 3].map((id) => leaders.filter((leader) => leader === id).length)
      expect(perBroker.sort()).toEqual([2, 3, 3])
      // Unique per broker, and known to all: counter * 1024 + node id.
      for (const { leaderId, leaderEpoch } of topic.partitions) {
        expect(leaderEpoch).toBe(1024 + leaderId)
      }
    }
    const clusterIds = [...group.brokers.values()].map(({ clusterId }) => clusterId)
    expect(new Set(clusterIds).size).toBe(1)
    const metadata = await group.ask(3, apis.metadata, { topics: [] })
    expect(metadata).toMatchObject({ controllerId: 1, clusterId: clusterIds[0] })
    expect(metadata.brokers.map(({ nodeId }) => nodeId)).toEqual([1, 2, 3])
  })

  test('configs, partitions and deletions go through any broker too', async () => {
    for (const nodeId of [1, 2]) await group.start(nodeId)
    const { topicId } = await group.create(2, 'a')
    const altered = await group.ask(2, apis.incrementalAlterConfigs, {
      resources: [
        {
          resourceType: 2,
          resourceName: 'a',
          configs: [{ name: 'retention.ms', configOperation: 0, value: '1234' }],
        },
      ],
      validateOnly: false,
    })
    expect(altered.responses[0]).toMatchObject({ errorCode: 0 })
    const describe = (nodeId: number, resourceType: number, resourceName: string) =>
      group.ask(nodeId, apis.describeConfigs, {
        resources: [{ resourceType, resourceName, configurationKeys: null }],
        includeSynonyms: true,
        includeDocumentation: true,
      })
    const [described] = (await describe(2, 2, 'a')).results
    expect(described!.configs.find(({ name }) => name === 'retention.ms')).toMatchObject({
      value: '1234',
      configSource: 1,
      configType: 5,
    })
    const [ofBroker] = (await describe(2, 4, '2')).results
    expect(ofBroker!.configs.find(({ name }) => name === 'node.id')).toMatchObject({
      value: '2',
      readOnly: true,
    })
    expect((await describe(2, 4, '1')).results[0]!.errorCode).toBe(errorCodes.INVALID_REQUEST)
    expect((await describe(2, 2, 'none')).results[0]!.errorCode).toBe(
      errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
    )
    const grown = await group.ask(2, apis.createPartitions, {
      topics: [{ name: 'a', count: 5, assignments: null }],
      timeoutMs: 1000,
      validateOnly: false,
    })
    expect(grown.results[0]).toMatchObject({ name: 'a', errorCode: 0 })
    expect((await group.topics(2)).get('a')!.partitions).toHaveLength(5)
    const page = await group.ask(2, apis.describeTopicPartitions, {
      topics: [],
      responsePartitionLimit: 3,
    })
    expect(page.topics[0]!.partitions.map(({ partitionIndex }) => partitionIndex)).toEqual([
      0, 1, 2,
    ])
    expect(page.nextCursor).toEqual({ topicName: 'a', partitionIndex: 3 })
    const deleted = await group.ask(2, apis.deleteTopics, {
      topics: [{ name: null, topicId }],
      timeoutMs: 1000,
    })
    expect(deleted.responses[0]).toMatchObject({ name: 'a', topicId, errorCode: 0 })
    expect((await group.topics(2)).size).toBe(0)
  })

  test('producer ids of different brokers never meet, and a spare block outlives the controller', async () => {
    for (const nodeId of [1, 2]) await group.start(nodeId)
    const init = async (nodeId: number) => {
      const body = { transactionalId: null, transactionTimeoutMs: 1 }
      const { errorCode, producerId } = await group.ask(nodeId, apis.initProducerId, body)
      expect(errorCode).toBe(0)
      return producerId
    }
    const ids = [await init(1), await init(2), await init(2), await init(1)]
    expect(new Set(ids).size).toBe(4)
    // The spare is fetched in the background.
    const spare = join(await group.dataDir(2), 'kfk.producer-ids')
    await until(() => existsSync(spare))
    const stored = readFileSync(spare, 'utf8')
    await group.stop(1)
    await group.stop(2)
    await group.start(2)
    const later = await init(2)
    expect(ids).not.toContain(later)
    expect(BigInt(stored.split(' ')[2]!)).toBe(later)
  })
})

describe('the controller is away', () => {
  test('what exists is served, changes fail with a retriable error, and its return heals all', async () => {
    for (const nodeId of [1, 2, 3]) await group.start(nodeId)
    await group.create(1, 'before', 6)
    await until(async () => (await group.topics(2)).has('before'))
    await group.stop(1)
    // On a busy machine the others may have been away for a moment, too.
    await until(async () => {
      const leaders = leadersOf((await group.topics(2)).get('before'))
      return [-1, 2, 3].every((nodeId) => leaders.includes(nodeId)) && !leaders.includes(1)
    })
    const { controllerId } = await group.ask(2, apis.metadata, { topics: null })
    expect([2, 3]).toContain(controllerId)
    const failed = await group.create(2, 'during')
    expect([errorCodes.NOT_CONTROLLER, errorCodes.REQUEST_TIMED_OUT]).toContain(failed.errorCode)
    expect(failed.errorMessage).toMatch(/needs the controller, node 1/)
    // A broker that starts meanwhile serves what it knew.
    await group.stop(3)
    await group.start(3)
    expect((await group.topics(3)).has('before')).toBe(true)
    await group.start(1)
    // Until the others have heard where it is now, they refuse what may be tried again.
    const retriable: number[] = [errorCodes.NOT_CONTROLLER, errorCodes.REQUEST_TIMED_OUT]
    await until(async () => {
      const { errorCode } = await group.create(3, 'after')
      if (retriable.includes(errorCode)) return false
      // It may have been made by one whose answer did not come in time.
      expect([errorCodes.NONE, errorCodes.TOPIC_ALREADY_EXISTS]).toContain(errorCode)
      return true
    })
    await until(async () => (await group.topics(2)).has('after'))
    await until(async () => !leadersOf((await group.topics(2)).get('before')).includes(-1))
    const { partitions } = (await group.topics(2)).get('before')!
    expect(partitions.find(({ leaderId }) => leaderId === 1)!.leaderEpoch).toBe(2 * 1024 + 1)
  })

  test('a restart of everything keeps topics, ids and configs', async () => {
    for (const nodeId of [1, 2]) await group.start(nodeId)
    await group.create(2, 'kept', 3, { 'retention.ms': '77' })
    await group.create(1, 'constructor')
    await until(async () => (await group.topics(2)).size === 2)
    const before = await group.topics(1)
    const ids = (topics: typeof before) =>
      [...topics.values()].map(({ name, topicId }) => [name, topicId])
    for (const nodeId of [2, 1]) await group.stop(nodeId)
    for (const nodeId of [1, 2]) await group.start(nodeId)
    for (const nodeId of [1, 2]) {
      expect(ids(await group.topics(nodeId))).toEqual(ids(before))
      const resource = {
        resourceType: 2,
        resourceName: 'kept',
        configurationKeys: ['retention.ms'],
      }
      const { results } = await group.ask(nodeId, apis.describeConfigs, { resources: [resource] })
      expect(results[0]!.configs.map(({ value }) => value)).toEqual(['77'])
    }
  })
})

describe('coordination', () => {
  test('when it is emptied, the running brokers publish again and go on', async () => {
    for (const nodeId of [1, 2]) await group.start(nodeId)
    await group.create(1, 'before')
    const { clusterId } = group.brokers.get(1)!
    for (const key of ['cluster', 'controller']) {
      const { version } = (await group.coordination.get(key))!
      await group.coordination.compareAndSet(key, { expectedVersion: version, value: null })
    }
    await until(async () => (await group.coordination.get('cluster')) !== undefined)
    await until(async () => (await group.coordination.get('controller')) !== undefined)
    expect(JSON.parse((await group.coordination.get('cluster'))!.value)).toEqual({
      clusterId,
      controllerNodeId: 1,
    })
    expect((await group.create(2, 'after')).errorCode).toBe(0)
  })

  test('when it loses everything, sessions too, no broker counts as dead meanwhile', async () => {
    for (const nodeId of [1, 2]) await group.start(nodeId)
    await group.create(1, 'before', 4)
    await until(async () => (await group.topics(2)).has('before'))
    for (const connection of group.connections.values()) connection.cut()
    const { coordination } = group
    for (const key of ['cluster', 'controller']) {
      const { version } = (await coordination.get(key))!
      await coordination.compareAndSet(key, { expectedVersion: version, value: null })
    }
    await until(async () => (await coordination.list('')).length === 0)
    for (const connection of group.connections.values()) connection.heal()
    await until(async () => {
      const leaders = await Promise.all(
        [1, 2].map(async (nodeId) => (await group.topics(nodeId)).get('before')),
      )
      expect(leaders.flatMap(leadersOf)).not.toContain(-1)
      return (await coordination.list('')).length === 4
    })
    expect((await group.create(2, 'after')).errorCode).toBe(0)
  })

  test('cut off for longer than a session, a broker goes on with what it knew and registers again', async () => {
    for (const nodeId of [1, 2]) await group.start(nodeId)
    await group.create(1, 'before', 4)
    await until(async () => (await group.topics(2)).has('before'))
    group.connections.get(2)!.cut()
    await until(async () => leadersOf((await group.topics(1)).get('before')).includes(-1))
    // Cut off from coordination, not from its clients.
    expect(new Set(leadersOf((await group.topics(2)).get('before')))).toEqual(new Set([1, 2]))
    group.connections.get(2)!.heal()
    await until(async () => !leadersOf((await group.topics(1)).get('before')).includes(-1))
    expect(group.logged.some((line) => line.includes('registered again'))).toBe(true)
  })

  test('a data directory of another cluster is refused, before anything is served', async () => {
    await group.start(1)
    const other = new BrokerGroup()
    try {
      await other.start(2)
      await other.stop(2)
      const attempt = group.start(2, { dataDir: await other.dataDir(2) })
      await expect(attempt).rejects.toMatchObject({
        code: 'KFK_BROKER_CLUSTER',
        message: expect.stringMatching(
          /belongs to cluster .*, but coordination .* is that of cluster/,
        ),
      })
      await expect(attempt).rejects.toBeInstanceOf(BrokerError)
    } finally {
      await other.close()
    }
  })

  test('a node id that a live broker has is refused', async () => {
    await group.start(1)
    await group.start(2)
    const attempt = group.start(2, {
      dataDir: `${await group.dataDir(2)}-twin`,
      config: { 'broker.session.timeout.ms': '200' },
    })
    await expect(attempt).rejects.toMatchObject({
      code: 'KFK_BROKER_CLUSTER',
      message: expect.stringMatching(/node id 2 belongs to a live broker at 127.0.0.1:\d+/),
    })
  })

  test('a controller that has lost its metadata log is refused', async () => {
    await group.start(1)
    await group.stop(1)
    const attempt = group.start(1, { dataDir: `${await group.dataDir(1)}-new` })
    await expect(attempt).rejects.toMatchObject({
      code: 'KFK_BROKER_CLUSTER',
      message: expect.stringMatching(
        /keeps the metadata log of cluster .* restore the data directory/,
      ),
    })
  })

  test('away at the start, it is waited for and then named in the error', async () => {
    const coordination = group.coordination.connect()
    coordination.cut()
    const attempt = group.start(1, { coordination, config: { 'coordination.timeout.ms': '200' } })
    await expect(attempt).rejects.toMatchObject({
      code: 'KFK_BROKER_UNAVAILABLE',
      message: expect.stringMatching(/coordination \(memory\) does not answer/),
    })
    await coordination.close()
  })

  test('with a configured voter, others wait for it to found the cluster', async () => {
    const config = { 'controller.quorum.voters': '2' }
    const waiting = group.start(1, { config })
    await group.start(2, { config })
    await waiting
    const metadata = await group.ask(1, apis.metadata, { topics: [] })
    expect(metadata.controllerId).toBe(2)
    expect((await group.create(1, 'a')).errorCode).toBe(0)
  })
})
