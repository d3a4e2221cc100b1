import { apis } from '../src/api-keys.js'
import type { Api } from '../src/api.js'

afterEach(() => {
  jest.restoreAllMocks()
  jest.resetModules()
})

test('where code generation is disallowed, the interpreter takes over', () => {
  const refuse = jest.spyOn(globalThis, 'Function').mockImplementation(() => {
    throw new EvalError('Code generation from strings disallowed for this context')
  })
  jest.isolateModules(() => {
    // A fresh module: whether code may be generated is remembered.
    const { kafkaCodec } =
      require('../src/kafka-codec.js') as typeof import('../src/kafka-codec.js')
    const fresh = require('../src/api-keys.js') as typeof import('../src/api-keys.js')
    for (const correlationId of [1, 2]) {
      const [frame] = kafkaCodec.encodeResponse(fresh.apis.heartbeat, 4, correlationId, {
        errorCode: 27,
      })
      expect(kafkaCodec.decodeResponse(fresh.apis.heartbeat, 4, frame!.subarray(4))).toEqual({
        throttleTimeMs: 0,
        errorCode: 27,
      })
    }
  })
  expect(refuse).toHaveBeenCalledTimes(1)
})

test('every version of every message compiles', () => {
  const { messageCodec } = require('../src/compile.js') as typeof import('../src/compile.js')
  for (const api of Object.values<Api>(apis)) {
    for (let version = api.versions[0]; version <= api.versions[1]; version += 1) {
      const codec = messageCodec(api, 'request', version)
      expect(messageCodec(api, 'request', version)).toBe(codec)
      expect(messageCodec(api, 'response', version)).toBeDefined()
    }
  }
})
