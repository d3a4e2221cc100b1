import { readFileSync } from 'node:fs'
import path from 'node:path'
import {
  decodeConsumerAssignment,
  decodeConsumerSubscription,
} from '../src/messages/consumer-protocol.js'
import {
  groupMetadataKey,
  groupMetadataValue,
  offsetCommitKey,
  offsetCommitValue,
} from '../src/messages/offsets-topic.js'
import { ZERO_UUID } from '../src/schema.js'
import { decodeVersioned, encodeVersioned, peekVersion } from '../src/versioned.js'

test('keys have the bytes of Kafka, and their prefix tells the kind', () => {
  const commit = encodeVersioned(offsetCommitKey, 1, { group: 'g', topic: 't', partition: 2 })
  expect(commit.toString('hex')).toBe('0001' + '000167' + '000174' + '00000002')
  const group = encodeVersioned(groupMetadataKey, 2, { group: 'g' })
  expect(group.toString('hex')).toBe('0002' + '000167')
  expect([commit, group].map(peekVersion)).toEqual([1, 2])
  expect(decodeVersioned(offsetCommitKey, commit)).toEqual({
    group: 'g',
    topic: 't',
    partition: 2,
  })
})

test('an offset commit survives versions 3 and 4', () => {
  const value = { offset: 42, leaderEpoch: 5, metadata: 'm', commitTimestamp: 1_700_000_000_000 }
  const bytes = encodeVersioned(offsetCommitValue, 3, value)
  expect(bytes.toString('hex')).toBe(
    '0003' + '000000000000002a' + '00000005' + '00016d' + '0000018bcfe56800',
  )
  const decoded = { ...value, expireTimestamp: -1, topicId: ZERO_UUID }
  expect(decodeVersioned(offsetCommitValue, bytes)).toEqual(decoded)
  const topicId = 'AAAAAAAAAAAAAAAAAAAAAQ'
  expect(
    decodeVersioned(
      offsetCommitValue,
      encodeVersioned(offsetCommitValue, 4, { ...value, topicId }),
    ),
  ).toEqual({ ...decoded, topicId })
})

test('a group survives, and an unknown version is refused', () => {
  const group = {
    protocolType: 'consumer',
    generation: 3,
    protocol: 'range',
    leader: null,
    currentStateTimestamp: 5,
    members: [
      {
        memberId: 'm',
        groupInstanceId: null,
        clientId: 'c',
        clientHost: '/127.0.0.1',
        rebalanceTimeout: 1,
        sessionTimeout: 2,
        subscription: Buffer.from('s'),
        assignment: Buffer.from('a'),
      },
    ],
  }
  const bytes = encodeVersioned(groupMetadataValue, 3, group)
  expect(decodeVersioned(groupMetadataValue, bytes)).toEqual(group)
  bytes.writeInt16BE(5, 0)
  expect(() => decodeVersioned(groupMetadataValue, bytes)).toThrow(
    expect.objectContaining({ code: 'KFK_PROTOCOL_UNSUPPORTED_VERSION' }),
  )
})

test('what Kafka wrote is read, and written again byte for byte', () => {
  const text = readFileSync(path.join(__dirname, 'golden', 'offsets-topic.txt'), 'utf8')
  const assigned: string[] = []
  for (const line of text.trim().split('\n').slice(1)) {
    const [key, value] = line.split(' ').map((hex) => Buffer.from(hex, 'hex')) as [Buffer, Buffer]
    const version = peekVersion(value)
    if (peekVersion(key) === 1) {
      const commit = decodeVersioned(offsetCommitValue, value)
      expect(commit.metadata).toBe('')
      expect(encodeVersioned(offsetCommitValue, version, commit)).toEqual(value)
      expect(encodeVersioned(offsetCommitKey, 1, decodeVersioned(offsetCommitKey, key))).toEqual(
        key,
      )
    } else {
      const group = decodeVersioned(groupMetadataValue, value)
      expect(encodeVersioned(groupMetadataValue, version, group)).toEqual(value)
      expect(group.protocol === null).toBe(group.members.length === 0 && group.leader === null)
      for (const { subscription, assignment, clientId } of group.members) {
        const [topic] = decodeConsumerSubscription(subscription).topics
        const { assignedPartitions } = decodeConsumerAssignment(assignment)
        assigned.push(`${clientId} ${topic!} ${assignedPartitions[0]!.partitions.join()}`)
      }
    }
  }
  expect(assigned).toEqual(['rdkafka kcat-topic 0', 'java java-topic 0,1'])
})
