// Programs in TypeScript that were written for kafkajs compile against our declarations, and what is
// typed by ours can be given to what is typed by kafkajs's. The type check is the test; at run time
// nothing here connects.
import type * as kafkajs from 'kafkajs'
import type {
  Admin,
  AssignerProtocol,
  Consumer,
  ConsumerConfig,
  ConsumerCrashEvent,
  ConsumerRunConfig,
  EachBatchPayload,
  EachMessagePayload,
  ICustomPartitioner,
  InstrumentationEvent,
  KafkaConfig,
  KafkaMessage,
  logCreator,
  Message,
  PartitionAssigner,
  Producer,
  ProducerBatch,
  ProducerConfig,
  RecordMetadata,
  Transaction,
} from '../src/index.js'
import {
  CompressionTypes,
  ConfigResourceTypes,
  Kafka,
  KafkaJSError,
  KafkaJSNumberOfRetriesExceeded,
  logLevel,
  Partitioners,
  PartitionAssigners,
} from '../src/index.js'

/** Fails to compile unless the first can stand for the second. */
type Fits<_Given extends Wanted, Wanted> = true

/** Values of ours where kafkajs's types are wanted; enums and functions that take them aside. */
export type OursIsTheirs = [
  Fits<Producer['isIdempotent'], kafkajs.Producer['isIdempotent']>,
  Fits<Pick<Producer, 'connect' | 'disconnect' | 'events' | 'on'>, ProducerOfTheirs>,
  Fits<Transaction['sendOffsets'], kafkajs.Transaction['sendOffsets']>,
  Fits<Omit<Consumer, 'logger'>, Omit<kafkajs.Consumer, 'logger'>>,
  Fits<Pick<Admin, AdminCalls>, Pick<kafkajs.Admin, AdminCalls>>,
  Fits<RecordMetadata, kafkajs.RecordMetadata>,
  Fits<KafkaMessage, kafkajs.KafkaMessage>,
  Fits<EachMessagePayload, kafkajs.EachMessagePayload>,
  Fits<EachBatchPayload, kafkajs.EachBatchPayload>,
  Fits<ConsumerCrashEvent, kafkajs.ConsumerCrashEvent>,
  Fits<typeof AssignerProtocol, typeof kafkajs.AssignerProtocol>,
  Fits<KafkaJSError, Error>,
]

type ProducerOfTheirs = Pick<kafkajs.Producer, 'connect' | 'disconnect' | 'events' | 'on'>
type AdminCalls =
  | 'connect'
  | 'createPartitions'
  | 'createTopics'
  | 'deleteGroups'
  | 'deleteTopicRecords'
  | 'deleteTopics'
  | 'describeCluster'
  | 'describeGroups'
  | 'disconnect'
  | 'events'
  | 'fetchOffsets'
  | 'fetchTopicMetadata'
  | 'fetchTopicOffsets'
  | 'fetchTopicOffsetsByTimestamp'
  | 'listGroups'
  | 'listTopics'
  | 'on'
  | 'resetOffsets'
  | 'setOffsets'

/** What programs hand to kafkajs may be handed to us. */
export type TheirsIsOurs = [
  Fits<kafkajs.Message, Message>,
  Fits<kafkajs.ProducerConfig, ProducerConfig>,
  Fits<kafkajs.ConsumerRunConfig, ConsumerRunConfig>,
  Fits<Omit<kafkajs.ConsumerConfig, 'partitionAssigners'>, ConsumerConfig>,
  Fits<Omit<kafkajs.KafkaConfig, 'logLevel' | 'logCreator' | 'sasl'>, KafkaConfig>,
  Fits<kafkajs.ICustomPartitioner, ICustomPartitioner>,
  Fits<Omit<kafkajs.ProducerBatch, 'compression'>, ProducerBatch>,
]

const toLines: logCreator =
  (level) =>
  ({ namespace, label, log: { message, ...extra } }) => {
    if (level >= logLevel.INFO)
      lines.push(`${namespace} ${label} ${message} ${JSON.stringify(extra)}`)
  }
const lines: string[] = []

/** A service as kafkajs's documentation writes them. */
class Service {
  readonly kafka = new Kafka({
    clientId: 'my-app',
    brokers: () => Promise.resolve(['kafka1:9092', 'kafka2:9092']),
    ssl: { rejectUnauthorized: false },
    connectionTimeout: 3000,
    requestTimeout: 25000,
    enforceRequestTimeout: false,
    retry: { initialRetryTime: 100, retries: 8 },
    logLevel: logLevel.INFO,
    logCreator: toLines,
  })
  readonly producer: Producer = this.kafka.producer({
    createPartitioner: Partitioners.LegacyPartitioner,
    allowAutoTopicCreation: false,
    transactionTimeout: 30000,
  })
  readonly consumer: Consumer = this.kafka.consumer({
    groupId: 'test-group',
    partitionAssigners: [PartitionAssigners.roundRobin, myAssigner],
    retry: { restartOnFailure: (error) => Promise.resolve(error instanceof KafkaJSError) },
  })

  async run(): Promise<void> {
    const { CRASH, GROUP_JOIN } = this.consumer.events
    this.consumer.on(CRASH, ({ payload: { error, groupId, restart } }) => {
      if (error instanceof KafkaJSNumberOfRetriesExceeded) lines.push(String(error.retryCount))
      lines.push(`${groupId} ${restart}`)
    })
    const remove = this.consumer.on(GROUP_JOIN, (event) => {
      lines.push(...Object.keys(event.payload.memberAssignment))
    })
    const anything = (event: InstrumentationEvent<unknown>): void => void lines.push(event.type)
    for (const type of Object.values(this.consumer.events)) this.consumer.on(type, anything)
    await this.consumer.subscribe({ topics: ['a', /^b-.*/i], fromBeginning: true })
    await this.consumer.run({
      partitionsConsumedConcurrently: 3,
      eachBatch: async ({ batch, resolveOffset, heartbeat, isRunning, isStale }) => {
        for (const message of batch.messages) {
          if (!isRunning() || isStale()) break
          lines.push(`${message.key?.toString()} ${message.headers?.trace?.toString()}`)
          resolveOffset(message.offset)
          await heartbeat()
        }
      },
    })
    this.consumer.seek({ topic: 'a', partition: 0, offset: '-2' })
    remove()
  }

  async admin(): Promise<void> {
    const admin = this.kafka.admin()
    const created: boolean = await admin.createTopics({
      waitForLeaders: true,
      topics: [{ topic: 'a', configEntries: [{ name: 'cleanup.policy', value: 'compact' }] }],
    })
    const { high, low } = (await admin.fetchTopicOffsets('a'))[0]!
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: 'a', configNames: ['retention.ms'] }],
    })
    lines.push(high, low, String(created), resources[0]!.configEntries[0]!.configValue)
    const sent = await this.producer.send({
      topic: 'a',
      compression: CompressionTypes.GZIP,
      messages: [{ key: 'k', value: Buffer.from('v'), headers: { trace: ['1', '2'] } }],
    })
    lines.push(sent[0]!.baseOffset ?? '')
  }
}

const myAssigner: PartitionAssigner = ({ cluster }) => ({
  name: 'Mine',
  version: 1,
  assign: ({ members, topics }) => {
    lines.push(String(topics.flatMap((topic) => cluster.findTopicPartitionMetadata(topic)).length))
    return Promise.resolve(
      members.map(({ memberId }) => ({ memberId, memberAssignment: Buffer.alloc(0) })),
    )
  },
  protocol: ({ topics }) => ({ name: 'Mine', metadata: Buffer.from(topics.join()) }),
})

test('nothing is contacted before it is asked for', () => {
  const service = new Service()
  expect(service.producer.isIdempotent()).toBe(false)
  expect(service.consumer.paused()).toEqual([])
  expect(service.producer.events.CONNECT).toBe('producer.connect')
})
