import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { SocketStream } from '../src/network/socket-stream.js'
import { seededBytes } from './seeded-bytes.js'

let server: Server
let client: Socket
beforeEach(async () => {
  server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(() => {
  client.destroy()
  server.close()
})

/** A socket as a Node without the property would have it, which nobody promises. */
function withoutHandle(socket: Socket): Socket {
  return new Proxy(socket, {
    get(target, name) {
      if (name === '_handle') return undefined
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

type Ways = readonly [string, (socket: Socket) => Socket][]
const ways: Ways = [
  ['taken over', (socket) => socket],
  ['as it is', withoutHandle],
]

async function accept(way: (socket: Socket) => Socket) {
  const accepting = once(server, 'connection')
  client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' })
  const [accepted] = (await accepting) as [Socket]
  const stream = new SocketStream(way(accepted))
  const received: Uint8Array[] = []
  const borrowed: boolean[] = []
  const hears: (() => void)[] = []
  const hear = (): void => {
    for (const each of hears.splice(0)) each()
  }
  stream.ondata = (chunk, isBorrowed) => {
    received.push(Buffer.from(chunk))
    borrowed.push(isBorrowed)
    hear()
  }
  /** Resolves when so many bytes have come. */
  const until = async (byteCount: number): Promise<Buffer> => {
    for (;;) {
      const all = Buffer.concat(received)
      if (all.length >= byteCount) return all
      await new Promise<void>((resolve) => hears.push(resolve))
    }
  }
  return { stream, received, borrowed, until, hear }
}

describe.each(ways)('a socket %s', (_name, way) => {
  test('gives what comes, in order, also what came while it was paused', async () => {
    const { stream, until } = await accept(way)
    const bytes = seededBytes(7)(300_000)
    stream.start()
    client.write(bytes.subarray(0, 100_000))
    await until(100_000)
    stream.pause()
    client.write(bytes.subarray(100_000))
    stream.resume()
    expect((await until(bytes.length)).equals(bytes)).toBe(true)
    expect(stream.peer).toMatch(/^127\.0\.0\.1:\d+$/)
  })

  test('sends small and large writes in order, and tells when they have left', async () => {
    const { stream } = await accept(way)
    stream.start()
    const bytes = seededBytes(8)(500_000)
    const sent: number[] = []
    const writes = [
      [bytes.subarray(0, 10), bytes.subarray(10, 30)],
      [bytes.subarray(30, 100_000), bytes.subarray(100_000, 400_000)],
      [bytes.subarray(400_000, 400_001), bytes.subarray(400_001)],
    ]
    const left = new Promise<void>((resolve) => {
      for (const [at, chunks] of writes.entries()) {
        stream.write(chunks, (given) => {
          expect(given).toBe(chunks)
          if (sent.push(at) === writes.length) resolve()
        })
      }
    })
    const parts: Buffer[] = []
    for await (const part of client) {
      parts.push(part as Buffer)
      if (Buffer.concat(parts).length === bytes.length) break
    }
    expect(Buffer.concat(parts).equals(bytes)).toBe(true)
    await left
    expect(sent.sort()).toEqual([0, 1, 2])
  })

  test.each(['client', 'broker'])('is forgotten by its server when the %s closes', async (side) => {
    const { stream } = await accept(way)
    const closed = new Promise<void>((resolve) => (stream.onclose = resolve))
    stream.start()
    client.on('error', () => undefined)
    if (side === 'client') client.destroy()
    else stream.end()
    await closed
    // It ends only when all its connections have.
    await new Promise((resolve) => server.close(resolve))
    expect(server.listening).toBe(false)
  })
})

test('one that was taken over reads into memory that it is given, and lends the rest', async () => {
  const { stream, received, borrowed, until, hear } = await accept((socket) => socket)
  const own = Buffer.alloc(1000)
  let filled = 0
  stream.space = () =>
    received.length > 0 && filled < own.length ? own.subarray(filled) : undefined
  stream.onfilled = (byteCount) => {
    filled += byteCount
    hear()
  }
  stream.start()
  client.write(Buffer.alloc(10, 1))
  await until(10)
  client.write(Buffer.alloc(1000, 2))
  while (filled < own.length) await new Promise((resolve) => setImmediate(resolve))
  expect(own.equals(Buffer.alloc(1000, 2))).toBe(true)
  expect([received.length, borrowed]).toEqual([1, [true]])
})

test('one as it is gives chunks away', async () => {
  const { stream, borrowed, until } = await accept(withoutHandle)
  stream.start()
  client.write('0123456789')
  expect((await until(10)).toString()).toBe('0123456789')
  expect(new Set(borrowed)).toEqual(new Set([false]))
})
