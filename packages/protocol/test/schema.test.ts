import { apis } from '../src/api-keys.js'
import type { RequestInput, RequestOf, ResponseInput, ResponseOf } from '../src/api.js'
import { string, struct } from '../src/schema.js'

test('types follow the schema: nullable, optional, bigint and bytes', () => {
  const input: RequestInput<typeof apis.produce> = {
    acks: -1,
    timeoutMs: 1000,
    topicData: [{ name: 't', partitionData: [{ index: 0, records: new Uint8Array(1) }] }],
  }
  const decoded: RequestOf<typeof apis.heartbeat> = {
    groupId: 'g',
    generationId: 1,
    memberId: 'm',
    groupInstanceId: null,
  }
  // A decoded message can be encoded again.
  const again: RequestInput<typeof apis.heartbeat> = decoded
  const ids: ResponseInput<typeof apis.initProducerId> = {
    throttleTimeMs: 0,
    errorCode: 0,
    producerId: 7n,
    producerEpoch: 0,
  }
  // @ts-expect-error a required field is missing
  const missing: RequestInput<typeof apis.heartbeat> = { groupId: 'g', generationId: 1 }
  // @ts-expect-error a field that cannot be null
  const nothing: ResponseOf<typeof apis.heartbeat> = { throttleTimeMs: 0, errorCode: null }
  expect([input, again, ids, missing, nothing]).toHaveLength(5)
})

test('field names that Object.prototype has are refused', () => {
  expect(() => struct({ constructor: string() })).toThrow('impossible field name')
  expect(() => struct({ ['__proto__']: string() })).toThrow('impossible field name')
})
