import { type apis, errorCodes, type ResponseOf, ZERO_UUID } from '@kfk/protocol'
import { StaticBrokerConfig } from '../../src/config/broker-config'
import { topicConfigs } from '../../src/config/topic-configs'
import { ClusterImage } from '../../src/controller/cluster-image'
import { Controller, type ControllerCommand } from '../../src/controller/controller'
import { isTopicId } from '../../src/controller/topic-id'

type CreateTopics = Extract<ControllerCommand, { api: 'createTopics' }>['request']

type Created = ResponseOf<typeof apis.createTopics>['topics'][number]
type Deleted = ResponseOf<typeof apis.deleteTopics>['responses'][number]
type Grown = ResponseOf<typeof apis.createPartitions>['results'][number]
type Altered = ResponseOf<typeof apis.incrementalAlterConfigs>['responses'][number]

/** A controller whose decisions are replayed at once, as the runtime does after the commit. */
class Harness {
  readonly image = new ClusterImage()
  readonly controller: Controller
  liveBrokers = [1, 2, 3]
  #random = 0

  constructor(config: Record<string, string> = {}) {
    this.controller = new Controller({
      image: this.image,
      config: StaticBrokerConfig.parse(config),
      randomBytes: (count) => Uint8Array.from({ length: count }, () => (this.#random += 7) & 0xff),
    })
    this.image.replay(
      {
        type: 'cluster-founded',
        clusterId: 'c',
        controllerNodeId: 1,
        features: { 'kfk.metadata': 1 },
      },
      0,
    )
  }

  run<Response>(command: ControllerCommand): Response {
    const before = this.image.nextOffset
    const { records, response } = this.controller.handle(command, { liveBrokers: this.liveBrokers })
    expect(this.image.nextOffset).toBe(before)
    records.forEach((record, index) => this.image.replay(record, before + index))
    return response as Response
  }

  create(topics: Partial<CreateTopics['topics'][number]>[], validateOnly = false): Created[] {
    const defaults = {
      name: 't',
      numPartitions: -1,
      replicationFactor: -1,
      assignments: [],
      configs: [],
    }
    const request = {
      topics: topics.map((topic) => ({ ...defaults, ...topic })),
      validateOnly,
      timeoutMs: 1,
    }
    return this.run<{ topics: Created[] }>({ api: 'createTopics', request }).topics
  }

  delete(topics: { name?: string; topicId?: string }[], topicNames: string[] = []): Deleted[] {
    const request = {
      topics: topics.map(({ name = null, topicId = ZERO_UUID }) => ({ name, topicId })),
      topicNames,
      timeoutMs: 1,
    }
    return this.run<{ responses: Deleted[] }>({ api: 'deleteTopics', request }).responses
  }

  grow(name: string, count: number, assignments: number[][] | null = null): Grown {
    const wanted = {
      name,
      count,
      assignments: assignments?.map((brokerIds) => ({ brokerIds })) ?? null,
    }
    const request = { topics: [wanted], validateOnly: false, timeoutMs: 1 }
    return this.run<{ results: Grown[] }>({ api: 'createPartitions', request }).results[0]!
  }

  alter(
    resourceName: string,
    name: string,
    value: string | null,
    options: { type?: number; operation?: number } = {},
  ): Altered {
    const configs = [{ name, value, configOperation: options.operation ?? 0 }]
    const resources = [{ resourceType: options.type ?? 2, resourceName, configs }]
    const request = { resources, validateOnly: false }
    return this.run<{ responses: Altered[] }>({ api: 'incrementalAlterConfigs', request })
      .responses[0]!
  }
}

describe('creating topics', () => {
  test('answers with id, counts and all configs; the topic is there after replay', () => {
    const harness = new Harness({ 'num.partitions': '8' })
    const [topic] = harness.create([
      { name: 'clicks', configs: [{ name: 'retention.ms', value: '5' }] },
    ])
    expect(topic).toMatchObject({
      name: 'clicks',
      errorCode: 0,
      errorMessage: null,
      numPartitions: 8,
      replicationFactor: 1,
    })
    expect(isTopicId(topic!.topicId)).toBe(true)
    expect(topic!.configs).toHaveLength(topicConfigs.size)
    expect(topic!.configs).toContainEqual({
      name: 'retention.ms',
      value: '5',
      readOnly: false,
      configSource: 1,
      isSensitive: false,
    })
    const image = harness.image.topics.get('clicks')!
    expect(image.id).toBe(topic!.topicId)
    const perBroker = [1, 2, 3].map(
      (id) => image.partitions.filter(({ replicas }) => replicas[0] === id).length,
    )
    expect(perBroker.sort()).toEqual([2, 3, 3])
  })

  test.each([
    [{ name: '' }, 'INVALID_TOPIC_EXCEPTION', /empty/],
    [{ name: '..' }, 'INVALID_TOPIC_EXCEPTION', /not allowed/],
    [{ name: 'a/b' }, 'INVALID_TOPIC_EXCEPTION', /ASCII/],
    [{ name: 'x'.repeat(250) }, 'INVALID_TOPIC_EXCEPTION', /249/],
    [{ name: '__kfk_metadata' }, 'INVALID_REQUEST', /prohibited/],
    [{ name: '__cluster_metadata' }, 'INVALID_REQUEST', /prohibited/],
    [{ name: 'there' }, 'TOPIC_ALREADY_EXISTS', /already exists/],
    [
      { name: 'dotted_name' },
      'INVALID_TOPIC_EXCEPTION',
      /collides with existing topic: dotted.name/,
    ],
    [{ numPartitions: 0 }, 'INVALID_PARTITIONS', /larger than 0/],
    [{ numPartitions: 10_001 }, 'INVALID_PARTITIONS', /at most 10000/],
    [{ replicationFactor: 0 }, 'INVALID_REPLICATION_FACTOR', /larger than 0/],
    [{ replicationFactor: 4 }, 'INVALID_REPLICATION_FACTOR', /only 3 broker/],
    [{ replicationFactor: 2 }, 'INVALID_REPLICATION_FACTOR', /not supported yet/],
    [
      { configs: [{ name: 'nope', value: '1' }] },
      'INVALID_CONFIG',
      /Unknown topic config name: nope/,
    ],
    [{ configs: [{ name: 'retention.ms', value: 'x' }] }, 'INVALID_CONFIG', /64-bit integer/],
    [
      { configs: [{ name: 'remote.storage.enable', value: 'true' }] },
      'INVALID_CONFIG',
      /not supported/,
    ],
    [
      { numPartitions: 1, assignments: [{ partitionIndex: 0, brokerIds: [1] }] },
      'INVALID_REQUEST',
      /must be -1/,
    ],
    [
      { assignments: [{ partitionIndex: 1, brokerIds: [1] }] },
      'INVALID_REPLICA_ASSIGNMENT',
      /0-based/,
    ],
    [
      { assignments: [{ partitionIndex: 0, brokerIds: [] }] },
      'INVALID_REPLICA_ASSIGNMENT',
      /empty/,
    ],
    [
      { assignments: [{ partitionIndex: 0, brokerIds: [9] }] },
      'INVALID_REPLICA_ASSIGNMENT',
      /broker 9/,
    ],
    [
      { assignments: [{ partitionIndex: 0, brokerIds: [1, 1] }] },
      'INVALID_REPLICA_ASSIGNMENT',
      /twice/,
    ],
    [
      { assignments: [{ partitionIndex: 0, brokerIds: [1, 2] }] },
      'INVALID_REPLICATION_FACTOR',
      /not supported yet/,
    ],
  ] as const)('%j is refused with %s', (wanted, error, message) => {
    const harness = new Harness()
    harness.create([{ name: 'there' }, { name: 'dotted.name' }])
    const before = harness.image.nextOffset
    const [topic] = harness.create([wanted as object])
    expect(topic).toMatchObject({
      errorCode: errorCodes[error],
      errorMessage: expect.stringMatching(message),
      topicId: ZERO_UUID,
    })
    expect(harness.image.nextOffset).toBe(before)
  })

  test('in one request: duplicates are refused once, collisions with an earlier one too, the rest is created', () => {
    const harness = new Harness()
    const topics = harness.create([
      { name: 'a' },
      { name: 'b' },
      { name: 'a' },
      { name: 'c.d' },
      { name: 'c_d' },
    ])
    expect(topics.map(({ name, errorCode }) => [name, errorCode])).toEqual([
      ['a', errorCodes.INVALID_REQUEST],
      ['b', 0],
      ['c.d', 0],
      ['c_d', errorCodes.INVALID_TOPIC_EXCEPTION],
    ])
    expect([...harness.image.topics.keys()]).toEqual(['b', 'c.d'])
  })

  test('names that objects have are names like any other', () => {
    const harness = new Harness()
    const names = ['constructor', '__proto__', 'toString', 'hasOwnProperty']
    expect(
      harness.create(names.map((name) => ({ name }))).map(({ errorCode }) => errorCode),
    ).toEqual([0, 0, 0, 0])
    expect([...harness.image.topics.keys()]).toEqual(names)
  })

  test('validateOnly says what would be, and creates nothing', () => {
    const harness = new Harness()
    expect(harness.create([{ name: 'x', numPartitions: 4 }], true)).toMatchObject([
      { errorCode: 0, numPartitions: 4, topicId: ZERO_UUID },
    ])
    expect(harness.image.topics.size).toBe(0)
  })

  test('manual assignments are honoured, in the order of the partitions', () => {
    const harness = new Harness()
    const assignments = [
      { partitionIndex: 1, brokerIds: [3] },
      { partitionIndex: 0, brokerIds: [2] },
    ]
    harness.create([{ name: 'm', assignments }])
    expect(harness.image.topics.get('m')!.partitions.map(({ replicas }) => replicas)).toEqual([
      [2],
      [3],
    ])
  })

  test('a recreated topic has another id', () => {
    const harness = new Harness()
    const [first] = harness.create([{ name: 'a' }])
    harness.delete([{ name: 'a' }])
    const [second] = harness.create([{ name: 'a' }])
    expect(second!.errorCode).toBe(0)
    expect(second!.topicId).not.toBe(first!.topicId)
  })

  test('__consumer_offsets is compacted and flushed whoever creates it, and stays so', () => {
    const harness = new Harness({ 'log.flush.interval.messages': '1000' })
    harness.create([{ name: '__consumer_offsets', numPartitions: 50 }])
    const topic = harness.image.topics.get('__consumer_offsets')!
    expect(topic.internal).toBe(true)
    expect(Object.fromEntries(topic.configs)).toEqual({
      'cleanup.policy': 'compact',
      'flush.messages': '1',
    })
    expect(harness.alter('__consumer_offsets', 'flush.messages', '9').errorCode).toBe(
      errorCodes.INVALID_CONFIG,
    )
    expect(harness.alter('__consumer_offsets', 'segment.bytes', '9999').errorCode).toBe(0)
    expect(harness.delete([{ name: '__consumer_offsets' }])[0]!.errorCode).toBe(
      errorCodes.INVALID_TOPIC_EXCEPTION,
    )
    expect(harness.grow('__consumer_offsets', 60).errorCode).toBe(errorCodes.INVALID_PARTITIONS)
  })
})

describe('deleting topics', () => {
  test('by name, by id, and by the names of versions below 6', () => {
    const harness = new Harness()
    const created = harness.create([{ name: 'a' }, { name: 'b' }, { name: 'c' }])
    const id = created[1]!.topicId
    expect(harness.delete([{ name: 'a' }, { topicId: id }], ['c'])).toEqual([
      { name: 'c', topicId: created[2]!.topicId, errorCode: 0, errorMessage: null },
      { name: 'a', topicId: created[0]!.topicId, errorCode: 0, errorMessage: null },
      { name: 'b', topicId: id, errorCode: 0, errorMessage: null },
    ])
    expect(harness.image.topics.size).toBe(0)
  })

  test('unknown, twice, both or neither of name and id, switched off', () => {
    const harness = new Harness()
    const { topicId } = harness.create([{ name: 'a' }])[0]!
    const codes = (topics: { name?: string; topicId?: string }[]) =>
      harness.delete(topics).map(({ errorCode }) => errorCode)
    expect(
      codes([{ name: 'x' }, { topicId: 'x'.repeat(21) + 'A' }, {}, { name: 'a', topicId }]),
    ).toEqual([
      errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
      errorCodes.UNKNOWN_TOPIC_ID,
      errorCodes.INVALID_REQUEST,
      errorCodes.INVALID_REQUEST,
    ])
    // One answer, and nothing is deleted.
    expect(codes([{ name: 'a' }, { topicId }])).toEqual([errorCodes.INVALID_REQUEST])
    expect(codes([{ name: 'a' }, { name: 'a' }])).toEqual([errorCodes.INVALID_REQUEST])
    expect(codes([{ name: 'a' }])).toEqual([0])
    const off = new Harness({ 'delete.topic.enable': 'false' })
    off.create([{ name: 'a' }])
    expect(off.delete([{ name: 'a' }])[0]!.errorCode).toBe(errorCodes.TOPIC_DELETION_DISABLED)
  })
})

describe('adding partitions', () => {
  test('goes on round-robin, honours assignments, and never shrinks', () => {
    const harness = new Harness()
    harness.create([{ name: 'a', numPartitions: 2 }])
    expect(harness.grow('a', 8)).toEqual({ name: 'a', errorCode: 0, errorMessage: null })
    const partitions = () => harness.image.topics.get('a')!.partitions
    expect(
      [1, 2, 3]
        .map((id) => partitions().filter(({ replicas }) => replicas[0] === id).length)
        .sort(),
    ).toEqual([2, 3, 3])
    expect(harness.grow('a', 9, [[2]]).errorCode).toBe(0)
    expect(partitions()[8]).toEqual({ index: 8, replicas: [2] })
    expect(harness.grow('a', 9)).toMatchObject({
      errorCode: errorCodes.INVALID_PARTITIONS,
      errorMessage: 'Topic already has 9 partition(s).',
    })
    expect(harness.grow('a', 3).errorCode).toBe(errorCodes.INVALID_PARTITIONS)
    expect(harness.grow('a', 11, [[1]]).errorCode).toBe(errorCodes.INVALID_REPLICA_ASSIGNMENT)
    expect(harness.grow('a', 10_001).errorCode).toBe(errorCodes.INVALID_PARTITIONS)
    expect(harness.grow('x', 3).errorCode).toBe(errorCodes.UNKNOWN_TOPIC_OR_PARTITION)
  })
})

describe('altering configs', () => {
  test('sets, resets, and writes nothing when nothing changes', () => {
    const harness = new Harness()
    harness.create([{ name: 'a' }])
    expect(harness.alter('a', 'retention.ms', '7')).toEqual({
      errorCode: 0,
      errorMessage: null,
      resourceType: 2,
      resourceName: 'a',
    })
    expect(harness.image.topics.get('a')!.configs.get('retention.ms')).toBe('7')
    const before = harness.image.nextOffset
    harness.alter('a', 'retention.ms', '7')
    expect(harness.image.nextOffset).toBe(before)
    harness.alter('a', 'cleanup.policy', 'compact', { operation: 2 })
    expect(harness.image.topics.get('a')!.configs.get('cleanup.policy')).toBe('delete,compact')
    harness.alter('a', 'retention.ms', null, { operation: 1 })
    expect(harness.image.topics.get('a')!.configs.has('retention.ms')).toBe(false)
  })

  test('unknown topics, brokers and bad values are refused', () => {
    const harness = new Harness()
    harness.create([{ name: 'a' }])
    expect(harness.alter('x', 'retention.ms', '7').errorCode).toBe(
      errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
    )
    expect(harness.alter('1', 'node.id', '7', { type: 4 }).errorCode).toBe(
      errorCodes.INVALID_REQUEST,
    )
    expect(harness.alter('a', 'retention.ms', 'x')).toMatchObject({
      errorCode: errorCodes.INVALID_CONFIG,
      errorMessage: "Invalid value 'x' for retention.ms: allowed is a 64-bit integer",
    })
  })
})

describe('producer ids and registrations', () => {
  test('blocks never overlap', () => {
    const harness = new Harness()
    const grant = (brokerId: number) =>
      harness.run({ api: 'allocateProducerIds', request: { brokerId, brokerEpoch: 0n } })
    expect(grant(1)).toMatchObject({ errorCode: 0, producerIdStart: 0n, producerIdLen: 1000 })
    expect(grant(2)).toMatchObject({ errorCode: 0, producerIdStart: 1000n, producerIdLen: 1000 })
    expect(grant(9)).toMatchObject({ errorCode: errorCodes.BROKER_ID_NOT_REGISTERED })
  })

  test('a registration is recorded once, and an older run of a broker never', () => {
    const { controller, image } = new Harness()
    const broker = { nodeId: 2, host: 'h', port: 1, rack: null, incarnation: 'i', epochCounter: 5 }
    const [record] = controller.register(broker)
    image.replay(record!, 1)
    expect(controller.register(broker)).toEqual([])
    expect(controller.register({ ...broker, incarnation: 'j', epochCounter: 4 })).toEqual([])
    expect(controller.register({ ...broker, incarnation: 'j', epochCounter: 6 })).toHaveLength(1)
  })
})
