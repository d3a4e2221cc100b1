import { ConfigResourceTypes, Kafka, logLevel } from 'kafkajs'
import { BrokerGroup, until } from './broker-group'

test('kafkajs administers topics through any broker', async () => {
  const group = new BrokerGroup()
  for (const nodeId of [1, 2, 3]) await group.start(nodeId)
  for (const nodeId of [1, 2, 3]) {
    const brokers = [...group.brokers.get(nodeId)!.brokers]
    const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin()
    await admin.connect()
    const topic = `topic-${nodeId}`
    const topics = [
      { topic, numPartitions: 3, configEntries: [{ name: 'retention.ms', value: '5000' }] },
    ]
    expect(await admin.createTopics({ topics, waitForLeaders: true })).toBe(true)
    expect(await admin.createTopics({ topics })).toBe(false)
    await expect(admin.createTopics({ topics: [{ topic: 'a/b' }] })).rejects.toThrow()
    expect(await admin.listTopics()).toContain(topic)
    await admin.createPartitions({ topicPartitions: [{ topic, count: 5 }] })
    const described = await admin.describeConfigs({
      includeSynonyms: true,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }],
    })
    const { configEntries } = described.resources[0]!
    expect(configEntries.find(({ configName }) => configName === 'retention.ms')?.configValue).toBe(
      '5000',
    )
    await until(async () => {
      const {
        topics: [found],
      } = await admin.fetchTopicMetadata({ topics: [topic] })
      return found!.partitions.length === 5
    })
    await admin.deleteTopics({ topics: [topic] })
    await until(async () => !(await admin.listTopics()).includes(topic))
    await admin.disconnect()
  }
  await group.close()
})
