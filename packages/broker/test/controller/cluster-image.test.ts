import { assert, json, property, uint8Array } from 'fast-check'
import { ClusterImage } from '../../src/controller/cluster-image'
import {
  decodeMetadataRecord,
  encodeMetadataRecord,
  type MetadataRecord,
} from '../../src/controller/metadata-records'
import { isTopicId, newTopicId } from '../../src/controller/topic-id'
import { BrokerError } from '../../src/errors'

const idA = newTopicId(() => new Uint8Array(16).fill(1))
const idB = newTopicId(() => new Uint8Array(16).fill(2))
const founded: MetadataRecord = {
  type: 'cluster-founded',
  clusterId: 'c1',
  controllerNodeId: 1,
  features: { 'kfk.metadata': 1 },
}
const log: MetadataRecord[] = [
  founded,
  {
    type: 'broker-registered',
    nodeId: 1,
    host: 'h',
    port: 1,
    rack: null,
    incarnation: 'i',
    epochCounter: 3,
  },
  {
    type: 'topic-created',
    name: 'a.b',
    id: idA,
    partitions: [[1], [2]],
    configs: { 'retention.ms': '5' },
  },
  { type: 'partitions-added', id: idA, from: 2, partitions: [[1]] },
  {
    type: 'topic-config-changed',
    id: idA,
    configs: { 'retention.ms': null, 'segment.bytes': '99' },
  },
  { type: 'producer-ids-granted', first: 0n, count: 1000, to: 1 },
  { type: 'topic-created', name: 'constructor', id: idB, partitions: [[1]], configs: {} },
  { type: 'topic-deleted', id: idB },
]

function replayed(records: readonly MetadataRecord[]): ClusterImage {
  const image = new ClusterImage()
  records.forEach((record, offset) => image.replay(record, offset))
  return image
}

/** All that an image says. */
function told(image: ClusterImage): unknown {
  return {
    clusterId: image.clusterId,
    topics: [...image.topics.values()],
    brokers: [...image.brokers.values()],
    nextProducerId: image.nextProducerId,
    nextOffset: image.nextOffset,
    controllerNodeId: image.controllerNodeId,
  }
}

describe('the image of the metadata log', () => {
  test('is what the records say', () => {
    const image = replayed(log)
    expect(told(image)).toMatchObject({
      clusterId: 'c1',
      controllerNodeId: 1,
      nextOffset: 8,
      nextProducerId: 1000n,
    })
    expect(image.topics.get('a.b')).toEqual({
      name: 'a.b',
      id: idA,
      internal: false,
      configs: new Map([['segment.bytes', '99']]),
      partitions: [
        { index: 0, replicas: [1] },
        { index: 1, replicas: [2] },
        { index: 2, replicas: [1] },
      ],
    })
    expect(image.topicById(idA)).toBe(image.topics.get('a.b'))
    expect(image.topics.has('constructor')).toBe(false)
    expect([...image.collidingTopics('a_b')]).toEqual(['a.b'])
    expect([...image.collidingTopics('constructor')]).toEqual([])
  })

  test('replaying again changes nothing, and through bytes it is the same image', () => {
    const image = replayed(log)
    const before = told(image)
    log.forEach((record, offset) => image.replay(record, offset))
    expect(told(image)).toEqual(before)
    expect(
      told(replayed(log.map((record) => decodeMetadataRecord(encodeMetadataRecord(record))))),
    ).toEqual(before)
  })

  test('says what each record changed', () => {
    const image = new ClusterImage()
    const changes = log.map((record, offset) => image.replay(record, offset))
    expect(
      changes.map(({ added, changed, removed, brokersChanged }) => [
        added.length,
        changed.length,
        removed.length,
        brokersChanged,
      ]),
    ).toEqual([
      [0, 0, 0, false],
      [0, 0, 0, true],
      [1, 0, 0, false],
      [0, 1, 0, false],
      [0, 1, 0, false],
      [0, 0, 0, false],
      [1, 0, 0, false],
      [0, 0, 1, false],
    ])
  })

  test('a record that does not fit is refused and changes nothing', () => {
    const misfits: MetadataRecord[] = [
      founded,
      { type: 'topic-created', name: 'a.b', id: idB, partitions: [[1]], configs: {} },
      { type: 'topic-created', name: 'other', id: idA, partitions: [[1]], configs: {} },
      { type: 'topic-deleted', id: idB },
      { type: 'partitions-added', id: idA, from: 2, partitions: [[1]] },
      { type: 'partitions-added', id: idB, from: 1, partitions: [[1]] },
      { type: 'topic-config-changed', id: idB, configs: {} },
      { type: 'producer-ids-granted', first: 999n, count: 1, to: 1 },
    ]
    const image = replayed(log)
    const before = told(image)
    for (const record of misfits) {
      expect(() => image.replay(record, 8)).toThrow(BrokerError)
      expect(told(image)).toEqual(before)
    }
    expect(() => image.replay({ type: 'topic-deleted', id: idA }, 9)).toThrow(/offset 8 is missing/)
    expect(() => new ClusterImage().replay(log[1]!, 0)).toThrow(/founding/)
    const future: MetadataRecord = { ...founded, features: { 'kfk.metadata': 2 } }
    expect(() => new ClusterImage().replay(future, 0)).toThrow(/upgrade this broker/)
  })
})

describe('decoding metadata records', () => {
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value))

  test('random bytes and random JSON give a BrokerError, never anything else', () => {
    const refuses = (bytes: Uint8Array) => {
      try {
        decodeMetadataRecord(bytes)
      } catch (error) {
        return error instanceof BrokerError && error.code === 'KFK_BROKER_CLUSTER'
      }
      return false
    }
    assert(property(uint8Array({ maxLength: 200 }), refuses))
    assert(property(json(), (text) => refuses(Buffer.from(text))))
    expect(() => decodeMetadataRecord(null)).toThrow(BrokerError)
  })

  test('every field of every type is checked', () => {
    for (const record of log) {
      const plain = JSON.parse(Buffer.from(encodeMetadataRecord(record)).toString()) as Record<
        string,
        unknown
      >
      for (const name of Object.keys(plain)) {
        for (const bad of [undefined, {}, -5, true]) {
          if (typeof bad === 'object' && typeof plain[name] === 'object') continue
          expect(() => decodeMetadataRecord(encode({ ...plain, [name]: bad }))).toThrow(BrokerError)
        }
      }
    }
  })

  test('names that would leave the data directory, bad ids and bad replicas are refused', () => {
    const topic = {
      type: 'topic-created',
      version: 1,
      name: 't',
      id: idA,
      partitions: [[1]],
      configs: {},
    }
    expect(decodeMetadataRecord(encode(topic))).toMatchObject({ name: 't' })
    for (const bad of [
      { name: '../x' },
      { name: '..' },
      { name: 'a/b' },
      { name: 'x'.repeat(250) },
      { id: 'AAAAAAAAAAAAAAAAAAAAAA' },
      { id: 'AAAAAAAAAAAAAAAAAAAAAB' },
      { partitions: [] },
      { partitions: [[]] },
      { partitions: [[1, 1]] },
      { partitions: [[1024]] },
      { configs: { a: 1 } },
    ]) {
      expect(() => decodeMetadataRecord(encode({ ...topic, ...bad }))).toThrow(BrokerError)
    }
    expect(() => decodeMetadataRecord(encode({ ...topic, version: 2 }))).toThrow(
      /upgrade this broker/,
    )
    expect(() => decodeMetadataRecord(encode({ ...topic, type: 'x' }))).toThrow(/unknown type/)
  })
})

test('topic ids are canonical version 4 uuids that do not begin with a dash', () => {
  let seed = 0
  const randomBytes = (count: number) =>
    Uint8Array.from({ length: count }, () => (seed = (seed * 75 + 74) % 65_537) & 0xff)
  for (let index = 0; index < 500; index++) {
    const id = newTopicId(randomBytes)
    expect(isTopicId(id)).toBe(true)
    expect(id.startsWith('-')).toBe(false)
    expect(Buffer.from(id, 'base64url')[6]! >> 4).toBe(4)
  }
})
