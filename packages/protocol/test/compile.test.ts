import { apis } from '../src/api-keys.js'
import type { Api } from '../src/api.js'
import { messageCodec } from '../src/compile.js'

afterEach(() => {
  jest.restoreAllMocks()
})

test('where code generation is disallowed, the interpreter takes over', async () => {
  const refuse = jest.spyOn(globalThis, 'Function').mockImplementation(() => {
    throw new EvalError('Code generation from strings disallowed for this context')
  })
  // Fresh modules: whether code may be generated is remembered.
  await jest.isolateModulesAsync(async () => {
    const { kafkaCodec } = await import('../src/kafka-codec.js')
    const { heartbeat } = (await import('../src/api-keys.js')).apis
    for (const correlationId of [1, 2]) {
      const body = { errorCode: 27 }
      const [frame] = kafkaCodec.encodeResponse(heartbeat, 4, correlationId, body)
      expect(kafkaCodec.decodeResponse(heartbeat, 4, frame!.subarray(4))).toEqual({
        throttleTimeMs: 0,
        errorCode: 27,
      })
    }
  })
  expect(refuse).toHaveBeenCalledTimes(1)
})

test('every version of every message compiles', () => {
  for (const api of Object.values<Api>(apis)) {
    for (let version = api.versions[0]; version <= api.versions[1]; version += 1) {
      const codec = messageCodec(api, 'request', version)
      expect(messageCodec(api, 'request', version)).toBe(codec)
      expect(messageCodec(api, 'response', version)).toBeDefined()
    }
  }
})
