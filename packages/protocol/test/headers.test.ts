import { apis } from '../src/api-keys.js'
import { requestHeaderVersion, responseHeaderVersion } from '../src/headers.js'
import { kafkaCodec } from '../src/kafka-codec.js'

test('header versions follow the flexible versions, ApiVersions responses do not', () => {
  const { apiVersions, heartbeat, offsetDelete } = apis
  expect([3, 4].map((version) => requestHeaderVersion(heartbeat, version))).toEqual([1, 2])
  expect([3, 4].map((version) => responseHeaderVersion(heartbeat, version))).toEqual([0, 1])
  expect([2, 3].map((version) => requestHeaderVersion(apiVersions, version))).toEqual([1, 2])
  expect([2, 3, 4].map((version) => responseHeaderVersion(apiVersions, version))).toEqual([0, 0, 0])
  expect(requestHeaderVersion(offsetDelete, 0)).toBe(1)
  expect(requestHeaderVersion({ key: 7, flexibleSince: 3 }, 0)).toBe(0)
})

test('the header of an ApiVersions version from the future can be read', () => {
  const frame = Buffer.from(
    '0012' + '0063' + '00000005' + '0002' + '6363' + '01' + '0a02ffff',
    'hex',
  )
  const header = kafkaCodec.decodeRequestHeader(frame)
  expect(header).toEqual({
    apiKey: 18,
    apiVersion: 99,
    correlationId: 5,
    clientId: 'cc',
    bodyPosition: frame.length,
  })
  expect(() => kafkaCodec.decodeRequest(apis.apiVersions, 99, frame, frame.length)).toThrow(
    expect.objectContaining({ code: 'KFK_PROTOCOL_UNSUPPORTED_VERSION' }),
  )
})

test('an unknown API says which, and whom to answer', () => {
  const frame = Buffer.from('03e7' + '0001' + '00000007' + 'ffff', 'hex')
  expect(() => kafkaCodec.decodeRequestHeader(frame)).toThrow(
    expect.objectContaining({
      code: 'KFK_PROTOCOL_UNKNOWN_API',
      details: { apiKey: 999, apiVersion: 1, correlationId: 7 },
    }),
  )
})
