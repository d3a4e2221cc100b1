import { apis, kafkaCodec } from '@kfk/protocol'
import type { Api, RequestInput, ResponseOf } from '@kfk/protocol'
import { defineHandler, type BrokerServices, type Handler } from '../src/context.js'
import type { ByteStream } from '../src/network/byte-stream.js'
import { Connection } from '../src/network/connection.js'
import { Dispatcher } from '../src/network/dispatcher.js'
import { FramePool } from '../src/network/frame-pool.js'
import { RequestMemory } from '../src/network/request-memory.js'
import type { Logger } from '../src/context.js'

/** The client's end of a stream that is no socket. */
class FakeStream implements ByteStream {
  readonly peer = '127.0.0.1:4711'
  unsentBytes = 0
  readonly writes: Uint8Array[][] = []
  paused = false
  destroyed = false
  ended = false
  ondata: (chunk: Uint8Array, borrowed: boolean) => void = () => undefined
  space: () => Uint8Array | undefined = () => undefined
  onfilled: (byteCount: number) => void = () => undefined
  ondrain: () => void = () => undefined
  onclose: () => void = () => undefined
  write(chunks: readonly Uint8Array[]): void {
    this.writes.push([...chunks])
  }
  pause(): void {
    this.paused = true
  }
  resume(): void {
    this.paused = false
  }
  destroy(): void {
    this.destroyed = true
  }
  end(): void {
    this.ended = true
  }
}

interface Held {
  readonly name: string
  answer(): void
}

/** Handlers that answer when told to: Heartbeat is serial, Produce is pipelined. */
function setUp() {
  const held: Held[] = []
  const warnings: string[] = []
  const hold = <T>(name: string, response: T) =>
    new Promise<T>((resolve) => held.push({ name, answer: () => resolve(response) }))
  const handlers: Handler[] = [
    defineHandler<typeof apis.heartbeat>({
      api: apis.heartbeat,
      versions: [0, 4],
      handle: (_context, { memberId }) => {
        if (memberId === 'now') return { errorCode: 1, throttleTimeMs: 0 }
        if (memberId === 'throw') throw new Error('a bug')
        return hold(memberId, { errorCode: 2, throttleTimeMs: 0 })
      },
    }),
    defineHandler<typeof apis.produce>({
      api: apis.produce,
      versions: [0, 13],
      pipelined: true,
      handle: (_context, { timeoutMs, acks }) =>
        acks === 0 ? undefined : hold(String(timeoutMs), { responses: [] }),
    }),
    defineHandler<typeof apis.apiVersions>({
      api: apis.apiVersions,
      versions: [0, 4],
      handle: () => ({ errorCode: 0, apiKeys: [] }),
    }),
  ]
  const logger = {
    ...console,
    warn: (message: string) => void warnings.push(message),
    error: (message: string) => void warnings.push(message),
  } as Logger
  const advertised = [{ apiKey: 18, minVersion: 0, maxVersion: 4 }]
  const stream = new FakeStream()
  let closed = 0
  const connection = new Connection(stream, {
    decoder: kafkaCodec.createFrameDecoder({ maxFrameBytes: 1_000_000 }),
    delegate: new Dispatcher({
      codec: kafkaCodec,
      handlers,
      services: { logger, advertised } as unknown as BrokerServices,
      onClosed: () => void closed++,
    }),
    memory: new RequestMemory(1_000_000),
    frames: new FramePool(),
    answers: new FramePool(),
  })
  return { held, warnings, stream, connection, closed: () => closed }
}

function frame<A extends Api>(
  api: A,
  apiVersion: number,
  correlationId: number,
  body: RequestInput<A>,
): Buffer {
  const header = { apiVersion, correlationId, clientId: 'test' }
  return Buffer.concat(kafkaCodec.encodeRequest(api, header, body))
}

const heartbeat = (correlationId: number, memberId: string): Buffer =>
  frame(apis.heartbeat, 3, correlationId, { groupId: 'g', generationId: 1, memberId })
const produce = (correlationId: number, acks = 1): Buffer =>
  frame(apis.produce, 9, correlationId, { acks, timeoutMs: correlationId, topicData: [] })

/** Correlation ids of the responses, write by write. */
function answered(stream: FakeStream): number[][] {
  return stream.writes.map((chunks) => {
    const frames = kafkaCodec
      .createFrameDecoder({ maxFrameBytes: 1_000_000 })
      .push(Buffer.concat(chunks))
    return frames.map((one) => kafkaCodec.peekCorrelationId(one))
  })
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('requests of one chunk are answered in one write, in order', () => {
  const { stream } = setUp()
  stream.ondata(Buffer.concat([1, 2, 3].map((id) => heartbeat(id, 'now'))), false)
  expect(answered(stream)).toEqual([[1, 2, 3]])
})

test('a request waits for the one before it, but Produce overlaps, in order', async () => {
  const { stream, held } = setUp()
  stream.ondata(Buffer.concat([produce(1), produce(2), produce(3), heartbeat(4, 'now')]), false)
  expect(held.map(({ name }) => name)).toEqual(['1', '2', '3'])
  held[2]!.answer()
  held[1]!.answer()
  await turn()
  expect(answered(stream)).toEqual([])
  held[0]!.answer()
  await turn()
  expect(answered(stream).flat()).toEqual([1, 2, 3, 4])
  expect(stream.writes.length).toBe(2)
})

test('a request whose client has gone ends all the same: its memory is free', async () => {
  const { stream, held, connection } = setUp()
  stream.ondata(produce(1), false)
  stream.onclose()
  const before = connection.unfinished
  held[0]!.answer()
  await turn()
  expect([before, connection.unfinished]).toEqual([1, 0])
})

test('a serial request holds up those behind it', async () => {
  const { stream, held } = setUp()
  stream.ondata(Buffer.concat([heartbeat(1, 'slow'), produce(2), produce(3)]), false)
  expect(held.map(({ name }) => name)).toEqual(['slow'])
  held[0]!.answer()
  await turn()
  expect(held.map(({ name }) => name)).toEqual(['slow', '2', '3'])
  expect(answered(stream)).toEqual([[1]])
})

test('what came before an unreadable request is answered, what comes after is not begun', () => {
  const { stream, held, closed } = setUp()
  const unreadable = heartbeat(2, 'now')
  unreadable.writeInt16BE(999, 4)
  const chunk = [heartbeat(1, 'now'), unreadable, heartbeat(3, 'late'), produce(4)]
  stream.ondata(Buffer.concat(chunk), false)
  expect(answered(stream)).toEqual([[1]])
  expect(held).toEqual([])
  expect([closed(), stream.destroyed]).toEqual([1, true])
})

test('frames may come in single bytes, and acks=0 has no response', async () => {
  const { stream } = setUp()
  for (const byte of Buffer.concat([produce(1, 0), heartbeat(2, 'now')])) {
    stream.ondata(Buffer.from([byte]), false)
  }
  await turn()
  expect(answered(stream).flat()).toEqual([2])
})

test('an unknown ApiVersions version gets version 0, error 35 and its own range', () => {
  const { stream } = setUp()
  const request = frame(apis.apiVersions, 4, 9, {
    clientSoftwareName: 'x',
    clientSoftwareVersion: '1',
  })
  request.writeInt16BE(99, 6)
  stream.ondata(request, false)
  const [response] = kafkaCodec
    .createFrameDecoder({ maxFrameBytes: 1000 })
    .push(Buffer.concat(stream.writes[0]!))
  const body: ResponseOf<typeof apis.apiVersions> = kafkaCodec.decodeResponse(
    apis.apiVersions,
    0,
    response!,
  )
  expect(body.errorCode).toBe(35)
  expect(body.apiKeys).toEqual([{ apiKey: 18, minVersion: 0, maxVersion: 4 }])
})

test.each([
  ['an unsupported version', () => Buffer.from(heartbeat(1, 'now')).fill(0x7f, 6, 8)],
  ['an unknown API', () => Buffer.from(heartbeat(1, 'now')).fill(0x7f, 4, 6)],
  ['an API without a handler', () => frame(apis.listGroups, 2, 1, {})],
  ['an impossible size', () => Buffer.from([0x7f, 0xff, 0xff, 0xff])],
  ['a negative size', () => Buffer.from([0xff, 0xff, 0xff, 0xff])],
  [
    'a body cut short',
    () => Buffer.concat([Buffer.from([0, 0, 0, 17]), heartbeat(1, 'now').subarray(4, 21)]),
  ],
  ['a handler that throws', () => heartbeat(1, 'throw')],
])('%s closes the connection with one line in the log', (_name, bytes) => {
  const { stream, warnings, closed } = setUp()
  stream.ondata(bytes(), false)
  expect(stream.destroyed).toBe(true)
  expect(closed()).toBe(1)
  expect(warnings).toHaveLength(1)
  expect(warnings[0]).toContain('127.0.0.1:4711')
})

test('a client that does not take its answers is not served further', async () => {
  const { stream, held } = setUp()
  stream.unsentBytes = 5_000_000
  stream.ondata(Buffer.concat([produce(1), produce(2)]), false)
  expect(held).toEqual([])
  expect(stream.paused).toBe(true)
  stream.unsentBytes = 0
  stream.ondrain()
  expect(held.map(({ name }) => name)).toEqual(['1', '2'])
  expect(stream.paused).toBe(false)
})

test('draining answers what runs, takes nothing new, and closes', async () => {
  const { stream, held, connection } = setUp()
  stream.ondata(Buffer.concat([heartbeat(1, 'slow'), heartbeat(2, 'now')]), false)
  connection.drain()
  stream.ondata(heartbeat(3, 'now'), false)
  expect(stream.ended).toBe(false)
  held[0]!.answer()
  await turn()
  expect(answered(stream)).toEqual([[1]])
  expect(stream.ended).toBe(true)
})

test('the signal is aborted when the client goes', () => {
  const { stream, connection } = setUp()
  const { signal } = connection
  stream.onclose()
  expect(signal.aborted).toBe(true)
})
