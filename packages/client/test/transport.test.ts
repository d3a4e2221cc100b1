import { createServer as createTcpServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { createClient, tcpTransport, tlsTransport } from '../src/index.js'
import { FakeCluster } from './fake-broker.js'

/** Self-signed for 127.0.0.1 and localhost until 2126; guards nothing. */
const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgQ5VwXgAS/rIK9uW3
zBPZBuQiPYpB1uI5T9iAiFxRD/mhRANCAAQO0f2UAXloR8hZ5DMz+CqrNa+0Yk7i
Zp14T/xfJvZOAc7Dorx1PRonPeuP3aBKQhwCKEdpjRX7RA5ms3ElnjwT
-----END PRIVATE KEY-----`
const cert = `-----BEGIN CERTIFICATE-----
MIIBmjCCAUGgAwIBAgIUE/KfLqAYHsshXl1W7EH47aRpm1IwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTExNTI0NVoYDzIxMjYxMDI4
MTE1MjQ1WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQO0f2UAXloR8hZ5DMz+CqrNa+0Yk7iZp14T/xfJvZOAc7Dorx1PRon
PeuP3aBKQhwCKEdpjRX7RA5ms3ElnjwTo28wbTAdBgNVHQ4EFgQUlLxJ874T7Mwl
/XxwetOQ8NQzKZEwHwYDVR0jBBgwFoAUlLxJ874T7Mwl/XxwetOQ8NQzKZEwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARhwR/AAABgglsb2NhbGhvc3QwCgYIKoZI
zj0EAwIDRwAwRAIgYfdgc8h+uJLi/Lgwcq0ZGv2j7G1q+7mi26+RGO9bs5MCIGQ7
HxLiAbwp9YfBwCAQAm9zB/d1KpKC7yBYSvSAVn9C
-----END CERTIFICATE-----`

/** Puts the fake cluster behind a real socket. */
function serve(cluster: FakeCluster): (socket: Socket) => void {
  return (socket) => {
    socket.on('error', () => {})
    const connected = cluster.transport.connect(
      { host: '127.0.0.1', port: 9001 },
      { timeoutMs: 1000 },
    )
    void connected.then((stream) => {
      stream.ondata = (chunk) => {
        socket.write(chunk)
        return true
      }
      stream.onclose = () => socket.destroy()
      socket.on('data', (chunk) => stream.write([chunk]))
      socket.on('close', () => stream.close())
    })
  }
}

async function withServer(server: Server, use: (address: string) => Promise<void>): Promise<void> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    await use(`127.0.0.1:${(server.address() as AddressInfo).port}`)
  } finally {
    await new Promise((resolve) => server.close(resolve))
  }
}

const big = 5000

describe.each([
  ['TCP', () => tcpTransport(), (cluster: FakeCluster) => createTcpServer(serve(cluster))],
  [
    'TLS',
    () => tlsTransport({ ca: cert }),
    (cluster: FakeCluster) => createTlsServer({ key, cert }, serve(cluster)),
  ],
] as const)('%s', (_name, transport, createServer) => {
  test('carries small and large answers, and closes without a trace', async () => {
    const cluster = new FakeCluster({ topics: { small: 1, big } })
    await withServer(createServer(cluster), async (brokers) => {
      await using client = createClient({ brokers, transport: transport() })
      expect((await client.metadata.topic('small')).partitions).toHaveLength(1)
      const topics = await Promise.all(Array.from({ length: 6 }, () => client.metadata.topics()))
      for (const [, found] of topics) {
        expect(found!.partitions.map(({ index }) => index)).toEqual(
          Array.from({ length: big }, (_, index) => index),
        )
      }
    })
  })

  test('a cut connection is opened again', async () => {
    const cluster = new FakeCluster({ topics: { small: 1 } })
    await withServer(createServer(cluster), async (brokers) => {
      await using client = createClient({
        brokers,
        transport: transport(),
        retry: { initialMs: 1, maxMs: 1 },
      })
      await client.metadata.topic('small')
      cluster.disconnectAll()
      await client.retrying(() => client.metadata.topic('small', { refresh: true }))
      expect(cluster.connectionsOpened).toBe(2)
    })
  })

  test('connecting can be aborted', async () => {
    const abort = new AbortController()
    abort.abort(new Error('never mind'))
    await expect(
      transport().connect(
        { host: '127.0.0.1', port: 9 },
        { timeoutMs: 1000, signal: abort.signal },
      ),
    ).rejects.toMatchObject({ code: 'KFK_CLIENT_ABORTED' })
  })
})

test('over TCP bytes land where the receiver wants them, the others in chunks', async () => {
  const sent = Buffer.from(Array.from({ length: 300_000 }, (_, at) => at % 251))
  const server = createTcpServer((socket) => socket.end(sent))
  await withServer(server, async (address) => {
    const [host, port] = address.split(':') as [string, string]
    const stream = await tcpTransport().connect({ host, port: +port }, { timeoutMs: 5000 })
    const wanted = Buffer.alloc(100_000)
    const received = Buffer.alloc(sent.length)
    let length = 0
    let filled = 0
    stream.space = () => {
      const within = length >= 50_000 && filled < wanted.length
      return within ? wanted.subarray(filled) : undefined
    }
    stream.onfilled = (byteCount) => {
      wanted.copy(received, length, filled, filled + byteCount)
      filled += byteCount
      length += byteCount
    }
    stream.ondata = (chunk) => {
      received.set(chunk, length)
      length += chunk.length
      return true
    }
    await new Promise<void>((resolve) => (stream.onclose = () => resolve()))
    expect(filled).toBe(wanted.length)
    expect(received.equals(sent)).toBe(true)
    expect(length).toBe(sent.length)
  })
})

test('memory of a chunk of which nothing was kept is used for the next, that of others is not', async () => {
  const server = createTcpServer((socket) => socket.pipe(socket))
  await withServer(server, async (address) => {
    const [host, port] = address.split(':') as [string, string]
    const stream = await tcpTransport().connect({ host, port: +port }, { timeoutMs: 5000 })
    const chunks: Uint8Array[] = []
    const answers = [false, true, true]
    const echo = async (text: string): Promise<void> => {
      const next = new Promise<void>((resolve) => {
        stream.ondata = (chunk) => {
          chunks.push(chunk)
          resolve()
          return answers[chunks.length - 1]!
        }
      })
      stream.write([Buffer.from(text)])
      await next
    }
    for (const text of ['one', 'two', 'six']) await echo(text)
    expect(chunks.map((chunk) => Buffer.from(chunk).toString())).toEqual(['two', 'two', 'six'])
    stream.close()
  })
})

test('TLS does not accept a certificate that nobody vouches for', async () => {
  const cluster = new FakeCluster()
  const server = createTlsServer({ key, cert }, serve(cluster))
  await withServer(server, async (brokers) => {
    const client = createClient({ brokers, transport: tlsTransport(), retry: { retries: 0 } })
    await expect(client.metadata.cluster()).rejects.toMatchObject({
      code: 'KFK_CLIENT_UNREACHABLE',
      message: expect.stringContaining('self-signed'),
    })
  })
})
