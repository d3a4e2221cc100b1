import { readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { apiByKey } from '../src/api-keys.js'
import { kafkaCodec } from '../src/kafka-codec.js'

const directory = path.join(__dirname, 'golden', 'captured')

/** The frames that scripts/record-frames.mjs kept, with what each is. */
function captured(): {
  name: string
  api: number
  version: number
  request: boolean
  hex: string
}[] {
  return readdirSync(directory).flatMap((file) => {
    const text = readFileSync(path.join(directory, file), 'utf8')
    return [...text.matchAll(/^# +(\d+) v *(\d+) (request|response)\n([0-9a-f]+)$/gm)].map(
      (match) => ({
        name: `${file} ${match[1]!} v${match[2]!} ${match[3]!}`,
        api: Number(match[1]),
        version: Number(match[2]),
        request: match[3] === 'request',
        hex: match[4]!,
      }),
    )
  })
}

const frames = captured().filter(({ api }) => apiByKey.has(api))

/** Brokers and tools of administration send these, not the clients: the facts of Kafka check them. */
const uncaptured = new Set([
  ...['AddPartitionsToTxn', 'AddOffsetsToTxn', 'EndTxn', 'WriteTxnMarkers', 'TxnOffsetCommit'],
  ...['DescribeProducers', 'DescribeTransactions', 'ListTransactions', 'AllocateProducerIds'],
  ...['ConsumerGroupHeartbeat', 'AlterConfigs', 'ListConfigResources', 'ElectLeaders'],
  ...['AlterPartitionReassignments', 'ListPartitionReassignments', 'DescribeQuorum'],
  ...['UpdateFeatures', 'SaslHandshake', 'SaslAuthenticate', 'DescribeAcls', 'CreateAcls'],
  ...['DeleteAcls', 'DescribeClientQuotas', 'DescribeUserScramCredentials'],
])

test('every API of these clients is there', () => {
  const seen = new Set(frames.map(({ api }) => api))
  const missing = [...apiByKey.values()].filter(({ key }) => !seen.has(key))
  expect(missing.map(({ name }) => name).filter((name) => !uncaptured.has(name))).toEqual([])
})

test.each(frames)('$name: decoded and encoded again, the same bytes', (frame) => {
  const api = apiByKey.get(frame.api)!
  const bytes = Buffer.from(frame.hex, 'hex')
  let again: Uint8Array[]
  if (frame.request) {
    const header = kafkaCodec.decodeRequestHeader(bytes)
    expect([header.apiKey, header.apiVersion]).toEqual([frame.api, frame.version])
    const body = kafkaCodec.decodeRequest(api, frame.version, bytes, header.bodyPosition)
    again = kafkaCodec.encodeRequest(api, header, body)
  } else {
    const body = kafkaCodec.decodeResponse(api, frame.version, bytes)
    again = kafkaCodec.encodeResponse(api, frame.version, kafkaCodec.peekCorrelationId(bytes), body)
  }
  expect(Buffer.concat(again).subarray(4).toString('hex')).toBe(frame.hex)
})
