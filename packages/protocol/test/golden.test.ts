import { readFileSync } from 'node:fs'
import path from 'node:path'
import { apis } from '../src/api-keys.js'
import { kafkaCodec } from '../src/kafka-codec.js'

/** Reads bytes with a comment per field. */
function golden(name: string): string {
  const text = readFileSync(path.join(__dirname, 'golden', `${name}.hex`), 'utf8')
  return text.replace(/#.*$/gm, '').replace(/\s/g, '')
}

function hex(chunks: readonly Uint8Array[]): string {
  return Buffer.concat(chunks).toString('hex')
}

const { heartbeat, produce, metadata, fetch, apiVersions, describeTopicPartitions, deleteTopics } =
  apis

test('Heartbeat request 4', () => {
  const header = { apiVersion: 4, correlationId: 42, clientId: 'kfk' }
  const body = { groupId: 'group', generationId: 7, memberId: 'member' }
  expect(hex(kafkaCodec.encodeRequest(heartbeat, header, body))).toBe(
    golden('heartbeat-request-v4'),
  )
})

test('Produce request 3', () => {
  const header = { apiVersion: 3, correlationId: 1, clientId: null }
  const partitionData = [
    { index: 0, records: Buffer.from('deadbeef', 'hex') },
    { index: 1, records: null },
  ]
  const body = { acks: -1, timeoutMs: 30_000, topicData: [{ name: 'topic', partitionData }] }
  expect(hex(kafkaCodec.encodeRequest(produce, header, body))).toBe(golden('produce-request-v3'))
})

test('Metadata response 1', () => {
  const partition = {
    errorCode: 5,
    partitionIndex: 0,
    leaderId: -1,
    replicaNodes: [1, 2],
    isrNodes: [],
  }
  const body = {
    brokers: [{ nodeId: 1, host: '127.0.0.1', port: 9092 }],
    controllerId: 1,
    topics: [{ errorCode: 0, name: 't', isInternal: true, partitions: [partition] }],
  }
  expect(hex(kafkaCodec.encodeResponse(metadata, 1, 9, body))).toBe(golden('metadata-response-v1'))
})

test('Fetch response 12', () => {
  const partition = {
    partitionIndex: 0,
    errorCode: 6,
    highWatermark: 2 ** 53 - 1,
    logStartOffset: 0,
    abortedTransactions: [{ producerId: 2n ** 63n - 1n, firstOffset: 2 ** 32 + 2 }],
    records: Buffer.from('cafe', 'hex'),
    currentLeader: { leaderId: 2, leaderEpoch: 5 },
  }
  const body = { throttleTimeMs: 0, responses: [{ topic: 't', partitions: [partition] }] }
  expect(hex(kafkaCodec.encodeResponse(fetch, 12, 3, body))).toBe(golden('fetch-response-v12'))
})

test('ApiVersions response 3', () => {
  const body = {
    errorCode: 0,
    apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 4 }],
    supportedFeatures: [{ name: 'ff', minVersion: 1, maxVersion: 2 }],
    finalizedFeaturesEpoch: 3n,
    zkMigrationReady: true,
  }
  expect(hex(kafkaCodec.encodeResponse(apiVersions, 3, 5, body))).toBe(
    golden('api-versions-response-v3'),
  )
})

test('DescribeTopicPartitions request 0', () => {
  const header = { apiVersion: 0, correlationId: 6, clientId: null }
  const body = { topics: [{ name: 'é' }], cursor: { topicName: 't', partitionIndex: 3 } }
  expect(hex(kafkaCodec.encodeRequest(describeTopicPartitions, header, body))).toBe(
    golden('describe-topic-partitions-request-v0'),
  )
})

test('DeleteTopics request 6', () => {
  const header = { apiVersion: 6, correlationId: 7, clientId: '' }
  const topicId = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex').toString('base64url')
  const body = { topics: [{ topicId }], timeoutMs: 5000 }
  expect(hex(kafkaCodec.encodeRequest(deleteTopics, header, body))).toBe(
    golden('delete-topics-request-v6'),
  )
})
