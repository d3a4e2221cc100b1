// Our admin client against our broker and against Apache Kafka: the same calls, the same outcomes.
import { createAdmin, createClient, type Admin, type Client } from '@kfk/client'
import { createConsumer } from '@kfk/consumer'
import { createProducer } from '@kfk/producer'
import { eventually, peers, startInteropBroker, startJavaKafka, withPeer } from '../../src/index'

interface Cluster {
  readonly bootstrap: string
  stop(): Promise<unknown>
}

function behaves(name: string, start: () => Promise<Cluster>): void {
  describe(name, () => {
    let cluster: Cluster
    let client: Client
    let admin: Admin
    beforeAll(async () => {
      cluster = await start()
      client = createClient({ brokers: cluster.bootstrap, clientId: 'ours' })
      admin = createAdmin({ client })
    })
    afterAll(async () => {
      await client.close()
      await cluster.stop()
    })

    const configOf = async (type: 'topic' | 'broker', of: string, key: string) => {
      const wanted = [{ type, name: of, keys: [key] }]
      const [found] = await admin.describeConfigs(wanted, { synonyms: true })
      return found!.entries[0]
    }

    async function fill(topic: string, count: number): Promise<void> {
      await using producer = createProducer({ client })
      const values = Array.from({ length: count }, (_, n) => ({ value: `${n}`, partition: 0 }))
      await producer.send(topic, values)
    }

    test('configs of topics: set, append, subtract, unset, validated alone, refused', async () => {
      await admin.createTopics(['configured', 'other'])
      const change = { type: 'topic', name: 'configured' } as const
      const set = { 'retention.ms': '1000' }
      await admin.alterConfigs([{ ...change, set }], { validateOnly: true })
      expect(await configOf('topic', 'configured', 'retention.ms')).toMatchObject({
        source: 'default',
      })
      const append = { 'cleanup.policy': 'compact' }
      await admin.alterConfigs([{ ...change, set, append }])
      const retention = () => configOf('topic', 'configured', 'retention.ms')
      await eventually('the change', async () => (await retention())!.value === '1000' || undefined)
      expect(await retention()).toMatchObject({
        source: 'topic',
        readOnly: false,
        synonyms: [{ name: 'retention.ms', value: '1000', source: 'topic' }],
      })
      const policy = () => configOf('topic', 'configured', 'cleanup.policy')
      expect((await policy())!.value).toBe('delete,compact')
      const subtract = { 'cleanup.policy': 'delete' }
      await admin.alterConfigs([{ ...change, unset: ['retention.ms'], subtract }])
      await eventually('the end', async () => (await policy())!.value === 'compact' || undefined)
      expect((await retention())!.source).toBe('default')
      const bad = { type: 'topic', name: 'other', set: { 'retention.ms': 'never' } } as const
      const refused = admin.alterConfigs([{ ...change, set }, bad])
      await expect(refused).rejects.toMatchObject({
        kafkaName: 'INVALID_CONFIG',
        details: { failed: [{ name: 'other', kafkaCode: 40 }] },
      })
      // The other one is changed all the same.
      await eventually('it', async () => (await retention())!.value === '1000' || undefined)
    })

    test('configs of brokers: of one, of all, and those that stay', async () => {
      const key = 'log.cleaner.delete.retention.ms'
      const change = (broker: string, value: string) =>
        admin.alterConfigs([{ type: 'broker', name: broker, set: { [key]: value } }])
      await change('', '5000')
      await change('1', '7000')
      const wanted = ['dynamic-broker', 'dynamic-default-broker', 'default']
      const found = await eventually('both', async () => {
        const entry = await configOf('broker', '1', key)
        return entry!.value === '7000' && entry!.synonyms.length === 3 ? entry : undefined
      })
      expect(found).toMatchObject({ source: 'dynamic-broker', readOnly: false })
      expect(found.synonyms.map(({ source }) => source)).toEqual(wanted)
      const unset = [key]
      await admin.alterConfigs([{ type: 'broker', name: '1', unset }])
      await admin.alterConfigs([{ type: 'broker', name: '', unset }])
      await eventually(
        'neither',
        async () => (await configOf('broker', '1', key))!.source === 'default' || undefined,
      )
      const fixed = admin.alterConfigs([{ type: 'broker', name: '1', set: { 'node.id': '7' } }])
      await expect(fixed).rejects.toMatchObject({ kafkaName: 'INVALID_REQUEST' })
      const listed = await admin.listConfigResources({ types: ['broker', 'topic'] })
      expect(listed).toContainEqual({ type: 'broker', name: '1' })
      expect(listed).toContainEqual({ type: 'topic', name: 'configured' })
    })

    test('records are deleted, and directories show what is left', async () => {
      await admin.createTopics([{ name: 'kept', partitions: 2 }])
      await fill('kept', 5)
      const place = { topic: 'kept', partition: 0 }
      expect(await admin.deleteRecords([{ ...place, before: 2n }])).toEqual([
        { ...place, lowWatermark: 2n },
      ])
      const both = [
        { ...place, before: 99n },
        { topic: 'kept', partition: 1, before: 'end' as const },
      ]
      await expect(admin.deleteRecords(both)).rejects.toMatchObject({
        kafkaName: 'OFFSET_OUT_OF_RANGE',
        details: { failed: [{ name: 'kept-0' }] },
      })
      expect(await admin.deleteRecords([{ ...place, before: 'end' }])).toEqual([
        { ...place, lowWatermark: 5n },
      ])
      const [dir] = await admin.describeLogDirs({ topics: ['kept'] })
      expect(dir).toMatchObject({ nodeId: 1 })
      expect(dir!.totalBytes).toBeGreaterThan(dir!.usableBytes!)
      const sizes = dir!.partitions.map(({ topic, partition }) => `${topic}-${partition}`)
      expect(sizes.sort()).toEqual(['kept-0', 'kept-1'])
    })

    test('quorum, features, leaders', async () => {
      const quorum = await admin.describeQuorum()
      expect(quorum).toMatchObject({ leaderId: 1, voters: [{ nodeId: 1 }], observers: [] })
      expect(quorum.voters[0]!.logEndOffset).toBeGreaterThan(0n)
      const features = await admin.describeFeatures()
      const metadata = features.find(({ name: feature }) => feature === 'metadata.version')!
      expect(metadata.level).toBeLessThanOrEqual(metadata.supported!.max)
      await admin.updateFeatures([{ name: 'metadata.version', level: metadata.level }])
      const refused = admin.updateFeatures([{ name: 'metadata.version', level: 1000 }])
      await expect(refused).rejects.toMatchObject({ kafkaName: 'INVALID_UPDATE_VERSION' })
      await admin.createTopics(['led'])
      const led = { topic: 'led', partition: 0 }
      await eventually('its leader', () => client.metadata.leader('led', 0))
      expect(await admin.electLeaders([led])).toEqual([{ ...led, elected: false }])
      expect(await admin.electLeaders()).toEqual([])
      await expect(admin.electLeaders([{ topic: 'led', partition: 9 }])).rejects.toMatchObject({
        kafkaName: 'UNKNOWN_TOPIC_OR_PARTITION',
      })
    })

    test('members are removed and committed offsets forgotten', async () => {
      await admin.createTopics(['read'])
      await fill('read', 2)
      const group = { group: 'readers', topics: ['read'], from: 'earliest' } as const
      await using consumer = createConsumer({ client, ...group, autoCommit: false })
      for await (const { offset } of consumer) if (offset === 1n) break
      await consumer.commit([{ topic: 'read', partition: 0, offset: 2n }])
      const place = { topic: 'read', partition: 0 }
      await expect(admin.deleteGroupOffsets('readers', [place])).rejects.toMatchObject({
        kafkaName: 'GROUP_SUBSCRIBED_TO_TOPIC',
      })
      await expect(
        admin.removeGroupMembers('readers', [{ memberId: 'nobody' }]),
      ).rejects.toMatchObject({ kafkaName: 'UNKNOWN_MEMBER_ID' })
      await consumer.close()
      await admin.removeGroupMembers('readers')
      expect(await admin.listGroupOffsets('readers')).toMatchObject([{ ...place, offset: 2n }])
      await admin.deleteGroupOffsets('readers', [place])
      expect(await admin.listGroupOffsets('readers')).toEqual([])
    })
  })
}

behaves('our admin on kfk', startInteropBroker)

withPeer(peers.kafka(), 'our admin on Apache Kafka', () => {
  behaves('with the same calls', startJavaKafka)

  test('producers and transactions', async () => {
    const kafka = await startJavaKafka()
    const client = createClient({ brokers: kafka.bootstrap })
    const admin = createAdmin({ client })
    try {
      await admin.createTopics(['written'])
      await using producer = createProducer({ client })
      await producer.send('written', { value: 'v' })
      const [active] = await admin.describeProducers([{ topic: 'written', partition: 0 }])
      expect(active).toMatchObject({ topic: 'written', producerEpoch: 0, lastSequence: 0 })
      expect(active!.transactionStart).toBeUndefined()
      expect(await admin.listTransactions({ states: ['Ongoing'] })).toEqual([])
      await expect(admin.describeTransactions(['nobody'])).rejects.toMatchObject({
        kafkaName: 'TRANSACTIONAL_ID_NOT_FOUND',
      })
    } finally {
      await client.close()
      await kafka.stop()
    }
  })
})
