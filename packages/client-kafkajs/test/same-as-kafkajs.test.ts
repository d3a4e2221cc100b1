// Pieces of kafkajs that can be compared with it one by one.
import * as kafkajs from 'kafkajs'
import { errorByCode } from '@kfk/protocol'
import { protocolError } from '../src/error-translation.js'
import * as ours from '../src/index.js'

const { errorCodes } = jest.requireActual<{
  errorCodes: { code: number; type: string; retriable: boolean }[]
}>('kafkajs/src/protocol/error.js')

test('the same is exported', () => {
  const theirs = Object.keys(kafkajs).filter((name) => name !== 'default')
  expect(Object.keys(ours).sort()).toEqual(theirs.sort())
})

test('enums have the same values', () => {
  const names = [
    'AclOperationTypes',
    'AclPermissionTypes',
    'AclResourceTypes',
    'CompressionTypes',
    'ConfigResourceTypes',
    'ConfigSource',
    'logLevel',
    'ResourcePatternTypes',
  ] as const
  for (const name of names) expect(ours[name]).toMatchObject(kafkajs[name])
})

test('error codes have the same names', () => {
  const known = errorCodes.filter(({ code }) => errorByCode(code) !== undefined)
  expect(known.length).toBeGreaterThan(80)
  for (const { code, type, retriable } of known) {
    expect(protocolError(code)).toMatchObject({
      name: 'KafkaJSProtocolError',
      code,
      type,
      retriable,
    })
  }
})

test('both partitioners choose what kafkajs chooses', () => {
  const partitionMetadata = [0, 1, 2, 3, 4].map((partitionId) => ({
    partitionErrorCode: 0,
    partitionId,
    leader: partitionId === 3 ? -1 : 1,
    replicas: [1],
    isr: [1],
  }))
  for (const name of ['DefaultPartitioner', 'LegacyPartitioner'] as const) {
    const mine = ours.Partitioners[name]()
    const theirs = kafkajs.Partitioners[name]()
    for (let length = 0; length < 300; length++) {
      const key = Buffer.from(Array.from({ length }, (_, index) => (index * 89 + length) & 0xff))
      const args = { topic: 'a', partitionMetadata, message: { key, value: null } }
      expect([name, length, mine(args)]).toEqual([name, length, theirs(args)])
      const text = { ...args, message: { key: `kéy ${length}`, value: null } }
      expect(mine(text)).toBe(theirs(text))
    }
    const keyless = { topic: 'a', partitionMetadata, message: { value: null } }
    const first = [1, 2, 3, 4].map(() => mine(keyless))
    expect([...first].sort()).toEqual([0, 1, 2, 4])
    expect([1, 2, 3, 4].map(() => mine(keyless))).toEqual(first)
    expect(mine({ ...keyless, message: { key: 'a', value: null, partition: 7 } })).toBe(7)
  }
})

test('subscriptions and assignments have the same bytes', () => {
  const subscription = { version: 0, topics: ['a', 'b'], userData: Buffer.from('mine') }
  const assignment = { version: 0, assignment: { a: [0, 2], b: [1] }, userData: Buffer.alloc(0) }
  const { MemberMetadata, MemberAssignment } = ours.AssignerProtocol
  const theirs = kafkajs.AssignerProtocol
  const metadata = theirs.MemberMetadata.encode(subscription)
  expect(MemberMetadata.encode(subscription)).toEqual(metadata)
  expect(MemberMetadata.decode(metadata)).toEqual(theirs.MemberMetadata.decode(metadata))
  const assigned = theirs.MemberAssignment.encode(assignment)
  expect(MemberAssignment.encode(assignment)).toEqual(assigned)
  expect(MemberAssignment.decode(assigned)).toEqual(theirs.MemberAssignment.decode(assigned))
  expect(MemberAssignment.decode(Buffer.alloc(0))).toBeNull()
})

test('round robin deals as kafkajs does', async () => {
  const counts: Record<string, number> = { a: 3, b: 4 }
  const findTopicPartitionMetadata = (topic: string) =>
    Array.from({ length: counts[topic]! }, (_, partitionId) => ({
      partitionErrorCode: 0,
      partitionId,
      leader: 1,
      replicas: [1],
      isr: [1],
    }))
  const cluster = { findTopicPartitionMetadata, isConnected: () => true }
  const logger = new ours.Kafka({ brokers: ['a:1'] }).logger()
  const mine = ours.PartitionAssigners.roundRobin({ cluster, groupId: 'g', logger })
  const theirs = kafkajs.PartitionAssigners.roundRobin({
    cluster: cluster as unknown as kafkajs.Cluster,
    groupId: 'g',
    logger: logger as unknown as kafkajs.Logger,
  })
  const topics = ['a', 'b']
  expect(mine.protocol({ topics })).toEqual(theirs.protocol({ topics }))
  const members = ['z', 'x', 'y'].map((memberId) => ({
    memberId,
    memberMetadata: mine.protocol({ topics }).metadata,
  }))
  expect(await mine.assign({ members, topics })).toEqual(await theirs.assign({ members, topics }))
})

test('logs have the same lines', () => {
  const lines = [kafkajs, ours].map((client) => {
    const written: unknown[] = []
    type Entry = { namespace?: string; log: { timestamp: string } }
    const logCreator = (level: number) => (entry: Entry) => {
      // kafkajs's own log has no name at all.
      const namespace = entry.namespace ?? ''
      written.push({ level, ...entry, namespace, log: { ...entry.log, timestamp: '' } })
    }
    const { Kafka, logLevel } = client as unknown as typeof ours
    const logger = new Kafka({ brokers: [], logLevel: logLevel.WARN, logCreator }).logger()
    logger.info('not this')
    logger.error('this', { more: 1 })
    const named = logger.namespace('Part')
    logger.setLogLevel(logLevel.INFO)
    named.info('now this')
    logger.namespace('Quiet', logLevel.ERROR).warn('not this')
    return written
  })
  expect(lines[0]).toHaveLength(2)
  expect(lines[1]).toEqual(lines[0])
})
