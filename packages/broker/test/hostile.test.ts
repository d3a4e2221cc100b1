import { connect, type Socket } from 'node:net'
import { once } from 'node:events'
import { apis, kafkaCodec } from '@kfk/protocol'
import { seededBytes } from './seeded-bytes.js'
import { batchOf, Harness, type RawClient } from './harness.js'
import type { Broker } from '../src/index.js'

/*
 * What a broker must stand from anyone who can reach its port: the connection that misbehaves is
 * closed or ignored, memory does not follow what was claimed, and the others are served all the
 * time.
 */

const harness = new Harness()
afterEach(() => harness.close())

const mib = 1024 * 1024

async function open(broker: Broker): Promise<Socket> {
  const socket = connect({ host: broker.host, port: broker.port })
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}

function frameOf(size: number, ...bytes: number[]): Buffer {
  const frame = Buffer.alloc(4 + bytes.length)
  frame.writeInt32BE(size)
  frame.set(bytes, 4)
  return frame
}

/** The proof that others are served: a record goes in and comes out. */
async function served(client: RawClient): Promise<void> {
  const { baseOffset, errorCode } = await client.produce('events', batchOf(['still here']))
  expect(errorCode).toBe(0)
  expect((await client.fetch('events', baseOffset)).records!.length).toBeGreaterThan(0)
}

async function setUp(config: Record<string, string> = {}) {
  const warnings: string[] = []
  const note = (message: string) => void warnings.push(message)
  const broker = await harness.broker({
    config,
    logger: { debug: note, info: () => undefined, warn: note, error: note },
  })
  const client = await harness.client(broker)
  await client.topic('events')
  return { broker, client, warnings }
}

const closed = (socket: Socket): Promise<unknown> =>
  socket.closed ? Promise.resolve() : once(socket, 'close')

test.each([
  ['2 GiB', 0x7fffffff],
  ['more than socket.request.max.bytes', 104_857_601],
  ['a negative size', -1],
  ['nothing', 0],
])('a frame of %s closes its connection at once', async (_name, size) => {
  const { broker, client, warnings } = await setUp()
  const socket = await open(broker)
  socket.write(frameOf(size))
  await closed(socket)
  expect(warnings).toEqual([expect.stringMatching(/^closed 127\.0\.0\.1:\d+: /)])
  await served(client)
})

test('200 connections that claim 64 MB each and send 8 bytes cost nothing', async () => {
  const { broker, client } = await setUp()
  const before = process.memoryUsage()
  const sockets = await Promise.all(Array.from({ length: 200 }, () => open(broker)))
  for (const socket of sockets) socket.write(frameOf(64 * mib, 0, 0, 0, 9))
  await served(client)
  const after = process.memoryUsage()
  expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(64 * mib)
  expect(after.rss - before.rss).toBeLessThan(64 * mib)
  for (const socket of sockets) socket.destroy()
})

test('large requests that stall do not keep others from sending large ones', async () => {
  const config = {
    'queued.max.request.bytes': String(4 * mib),
    'message.max.bytes': String(8 * mib),
  }
  const { broker, client } = await setUp(config)
  const sockets = await Promise.all(Array.from({ length: 8 }, () => open(broker)))
  for (const socket of sockets) {
    socket.write(Buffer.concat([frameOf(64 * mib, 0, 0, 0, 9), Buffer.alloc(mib)]))
  }
  await served(client)
  const large = batchOf(['x'.repeat(3 * mib)])
  expect(await client.produce('events', large)).toMatchObject({ errorCode: 0 })
  for (const socket of sockets) socket.destroy()
})

test('counts that no message can hold cost nothing', async () => {
  const { broker, client } = await setUp()
  const header = (apiKey: number, version: number, flexible: boolean): number[] => [
    ...[0, apiKey, 0, version, 0, 0, 0, 1, 0, 1, 0x78],
    ...(flexible ? [0] : []),
  ]
  const twentyMillion = [0x01, 0x31, 0x2d, 0x00]
  const twentyMillionVarint = [0x80, 0xda, 0xc4, 0x09]
  const bodies = [
    // Metadata 1: topics
    [...header(3, 1, false), ...twentyMillion],
    // Metadata 9: compact topics
    [...header(3, 9, true), ...twentyMillionVarint],
    // ApiVersions 3: tagged fields in the header
    [...header(18, 3, false), ...twentyMillionVarint],
    // Fetch 12: topics after the fixed fields
    [...header(1, 12, true), ...new Array<number>(21).fill(0), ...twentyMillionVarint],
  ]
  for (const body of bodies) {
    for (const padding of [0, 100_000]) {
      const socket = await open(broker)
      const before = process.memoryUsage().rss
      const start = performance.now()
      const frame = Buffer.concat([Buffer.from(body), Buffer.alloc(padding)])
      socket.write(Buffer.concat([frameOf(frame.length), frame]))
      await closed(socket)
      expect(process.memoryUsage().rss - before).toBeLessThan(64 * mib)
      expect(performance.now() - start).toBeLessThan(20_000)
    }
  }
  await served(client)
})

test('garbage never disturbs the others', async () => {
  const { broker, client } = await setUp()
  const random = seededBytes(20_261_121)
  for (let round = 0; round < 200; round++) {
    const socket = await open(broker)
    const frame = random(10 + (round % 300))
    // Known APIs and versions, so that most get past the header.
    frame.writeInt16BE(round % 76, 0)
    frame.writeInt16BE(round % 13, 2)
    frame.writeInt16BE(0, 8)
    socket.write(Buffer.concat([frameOf(frame.length), frame]))
    if (round % 50 === 0) await served(client)
    socket.destroy()
  }
  await served(client)
})

test('flipped bytes of real requests never disturb the others', async () => {
  const { broker, client } = await setUp()
  const random = seededBytes(7)
  const header = { apiVersion: 11, correlationId: 1, clientId: 'x' }
  const request = Buffer.concat(
    kafkaCodec.encodeRequest(apis.produce, header, {
      acks: 0,
      timeoutMs: 10,
      topicData: [{ name: 'events', partitionData: [{ index: 0, records: batchOf(['a', 'b']) }] }],
    }),
  )
  for (let round = 0; round < 200; round++) {
    const socket = await open(broker)
    const damaged = Buffer.from(request)
    for (const byte of random(1 + (round % 4))) {
      const at = 4 + ((byte * 257 + round) % (damaged.length - 4))
      damaged[at]! ^= 1 << (round % 8)
    }
    socket.write(damaged)
    if (round % 50 === 0) await served(client)
    socket.destroy()
  }
  await served(client)
})

test('a silent client is closed after connections.max.idle.ms, an active one is not', async () => {
  const { broker, client } = await setUp({ 'connections.max.idle.ms': '1500' })
  const socket = await open(broker)
  const halfway = await open(broker)
  halfway.write(frameOf(1000, 0, 3))
  const gone = Promise.all([closed(socket), closed(halfway)])
  let waiting = true
  void gone.then(() => (waiting = false))
  while (waiting) await client.fetch('events', 0, { maxWaitMs: 100 })
  await served(client)
})

test('connections beyond max.connections are refused, and there is room again later', async () => {
  const { broker, client } = await setUp({ 'max.connections': '3' })
  const sockets = [await open(broker), await open(broker)]
  await served(client)
  const refused = await open(broker)
  await closed(refused)
  sockets[0]!.destroy()
  for (;;) {
    const next = await open(broker)
    next.write(
      Buffer.concat(
        kafkaCodec.encodeRequest(
          apis.apiVersions,
          { apiVersion: 0, correlationId: 1, clientId: null },
          {},
        ),
      ),
    )
    const answered = await Promise.race([
      once(next, 'data').then(() => true),
      closed(next).then(() => false),
    ])
    next.destroy()
    if (answered) break
  }
  sockets[1]!.destroy()
})

test('a client that does not read its answers holds up only itself', async () => {
  const { broker, client } = await setUp()
  await client.produce('events', batchOf(['x'.repeat(900_000)]))
  const socket = await open(broker)
  socket.pause()
  const before = process.memoryUsage().arrayBuffers
  const fetch = Buffer.concat(
    kafkaCodec.encodeRequest(
      apis.fetch,
      { apiVersion: 11, correlationId: 1, clientId: 'x' },
      {
        maxWaitMs: 0,
        minBytes: 1,
        topics: [
          {
            topic: 'events',
            partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: mib }],
          },
        ],
        forgottenTopicsData: [],
      },
    ),
  )
  for (let round = 0; round < 200; round++) socket.write(fetch)
  await served(client)
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * mib)
  socket.destroy()
})
