import { createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { apis } from '@kfk/protocol'
import { ClientError, createClient } from '../src/index.js'
import type { ClientOptions } from '../src/index.js'
import { FakeCluster } from './fake-broker.js'
import { ManualClock, settle } from './manual-clock.js'

const noRetries = { retries: 0 }

function clientOf(cluster: FakeCluster, options: ClientOptions = {}) {
  return createClient({ broker: cluster, retry: { initialMs: 0, maxMs: 0 }, ...options })
}

async function rejection(promise: Promise<unknown>): Promise<ClientError> {
  return promise.then(
    () => {
      throw new Error('was expected to fail')
    },
    (error: unknown) => error as ClientError,
  )
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

describe('version negotiation', () => {
  test('the newest ApiVersions is tried first, then what the error-35 answer names', async () => {
    const cluster = new FakeCluster({ topics: { t: 1 }, apiVersionsMax: 2 })
    await using client = clientOf(cluster)
    await client.metadata.topic('t')
    expect(cluster.requestsOf(apis.apiVersions).map(({ apiVersion }) => apiVersion)).toEqual([2])
    expect(client.negotiatedVersion(apis.apiVersions)).toBe(2)
  })

  test('each request goes out at the smaller of both maxima', async () => {
    const cluster = new FakeCluster({ topics: { t: 1 }, versions: { Metadata: [0, 4] } })
    await using client = clientOf(cluster)
    await client.metadata.topic('t')
    expect(cluster.requestsOf(apis.metadata)[0]!.apiVersion).toBe(4)
    expect(client.negotiatedVersion(apis.metadata)).toBe(4)
    expect(client.negotiatedVersion(apis.metadata, 1)).toBe(4)
  })

  test('ranges that do not overlap are named, both', async () => {
    const cluster = new FakeCluster({ versions: { ListGroups: [9, 12] } })
    await using client = clientOf(cluster)
    const error = await rejection(client.request(apis.listGroups, {}, 'any'))
    expect(error).toMatchObject({ code: 'KFK_CLIENT_UNSUPPORTED_VERSION', retriable: false })
    expect(error.message).toMatch(/ListGroups versions 9 to 12.* 0 to 5/)
  })

  test('an API that the broker lacks is said to be lacking', async () => {
    const cluster = new FakeCluster({ versions: { ListGroups: [0, -1] } })
    await using client = clientOf(cluster)
    const error = await rejection(client.request(apis.listGroups, {}, 'any'))
    expect(error.message).toContain('does not offer ListGroups')
  })
})

describe('requests', () => {
  test('of one lane share a connection and are answered in order; lanes have their own', async () => {
    const cluster = new FakeCluster({ topics: { t: 1 } })
    await using client = clientOf(cluster)
    const order: number[] = []
    await Promise.all(
      Array.from({ length: 20 }, (_, at) => client.metadata.topics().then(() => order.push(at))),
    )
    expect(order).toEqual(Array.from({ length: 20 }, (_, at) => at))
    expect(cluster.connectionsOpened).toBe(1)
    await client.request(apis.metadata, { topics: null }, { nodeId: 1 }, { lane: 'other' })
    expect(cluster.connectionsOpened).toBe(2)
  })

  test('not more than maxInFlight are on the wire', async () => {
    const cluster = new FakeCluster({ topics: { t: 1 } })
    const client = clientOf(cluster, { maxInFlight: 2 })
    await client.metadata.topics()
    cluster.fault = () => 'hang'
    const before = cluster.requests.length
    const outcomes = Array.from({ length: 5 }, () => rejection(client.metadata.topics()))
    await settle()
    expect(cluster.requests.length - before).toBe(2)
    await client.close({ timeoutMs: 0 })
    for (const error of await Promise.all(outcomes)) expect(error.code).toBe('KFK_CLIENT_CLOSED')
  })

  test('an unanswered request times out and ends its connection; the next one opens another', async () => {
    const cluster = new FakeCluster({ topics: { t: 1 } })
    const clock = new ManualClock()
    const client = clientOf(cluster, { clock, requestTimeoutMs: 500 })
    await client.metadata.topics()
    cluster.fault = () => 'hang'
    const first = rejection(client.metadata.topics())
    await clock.advance(100)
    const second = rejection(client.metadata.topics())
    await clock.advance(400)
    expect(await first).toMatchObject({
      code: 'KFK_CLIENT_TIMEOUT',
      retriable: true,
      message: '127.0.0.1:9001 did not answer Metadata within 500 ms.',
    })
    expect(await second).toMatchObject({ code: 'KFK_CLIENT_DISCONNECTED', retriable: true })
    cluster.fault = () => undefined
    await client.metadata.topics()
    expect(cluster.connectionsOpened).toBe(2)
  })

  test('an aborted request rejects at once, and its late answer is dropped', async () => {
    const cluster = new FakeCluster({ topics: { t: 1 } })
    await using client = clientOf(cluster)
    await client.metadata.topics()
    const abort = new AbortController()
    const outcome = rejection(
      client.request(apis.metadata, { topics: null }, 'any', { signal: abort.signal }),
    )
    await Promise.resolve()
    abort.abort()
    expect((await outcome).code).toBe('KFK_CLIENT_ABORTED')
    expect(await client.metadata.topics()).toHaveLength(1)
    expect(cluster.connectionsOpened).toBe(1)
  })

  test('a body that the version cannot carry rejects that request only', async () => {
    const cluster = new FakeCluster({ topics: { t: 1 }, versions: { ListGroups: [0, 3] } })
    await using client = clientOf(cluster)
    cluster.respond(apis.listGroups, () => ({ errorCode: 0, groups: [] }))
    await expect(
      client.request(apis.listGroups, { statesFilter: ['Stable'] }, 'any'),
    ).rejects.toMatchObject({ code: 'KFK_PROTOCOL_UNSUPPORTED_VERSION' })
    await expect(client.request(apis.listGroups, {}, 'any')).resolves.toBeDefined()
  })

  test('closing waits for requests under way, up to its bound', async () => {
    const cluster = new FakeCluster({ topics: { t: 1 } })
    const client = clientOf(cluster)
    const answer = client.metadata.topics()
    await settle()
    await client.close()
    expect(await answer).toHaveLength(1)
    expect((await rejection(client.metadata.topics())).code).toBe('KFK_CLIENT_CLOSED')
  })
})

describe('bootstrap', () => {
  test('goes on to the next address when one does not answer', async () => {
    const cluster = new FakeCluster({ topics: { t: 1 }, brokers: 3 })
    cluster.down.add(1)
    cluster.down.add(2)
    await using client = clientOf(cluster)
    expect((await client.metadata.topic('t')).name).toBe('t')
  })

  test('a broker that went away is replaced by another for requests to any', async () => {
    const cluster = new FakeCluster({ topics: { t: 1 }, brokers: 2 })
    await using client = clientOf(cluster)
    await client.metadata.cluster()
    cluster.down.add(1)
    cluster.disconnectAll()
    await settle()
    expect((await client.metadata.cluster({ refresh: true })).brokers).toHaveLength(2)
  })

  test('nothing listening: the error names the address and says what to do', async () => {
    const server = createServer()
    const address = await listening(server)
    await new Promise((resolve) => server.close(resolve))
    const client = createClient({ brokers: address, retry: noRetries })
    const error = await rejection(client.metadata.cluster())
    expect(error).toMatchObject({ code: 'KFK_CLIENT_UNREACHABLE', retriable: true })
    expect(error.message).toContain(`Nothing listens on ${address}`)
    expect(error.message).toContain('kfk broker')
  })

  test('several failures are all told', async () => {
    const cluster = new FakeCluster({ brokers: 2 })
    cluster.down.add(1)
    cluster.down.add(2)
    const error = await rejection(clientOf(cluster).metadata.cluster())
    expect(error.message).toMatch(/None of 2 brokers.*\n.*9001.*\n.*9002/)
  })

  test('no address, or an impossible one, is refused at once', () => {
    expect(() => createClient({})).toThrow('brokers')
    expect(() => createClient({ brokers: [] })).toThrow('names no broker')
    expect(() => createClient({ brokers: 'http://host:9092' })).toThrow('host:port')
    expect(() => createClient({ brokers: 'host:99999' })).toThrow('host:port')
  })
})

describe('peers that are not brokers', () => {
  const servers: Server[] = []

  afterEach(() => {
    for (const server of servers.splice(0)) server.close()
  })

  async function errorAgainst(answer: string | Buffer | null): Promise<ClientError> {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.on('data', () => (answer === null ? socket.end() : socket.end(answer)))
    })
    servers.push(server)
    const client = createClient({ brokers: await listening(server), retry: noRetries })
    return rejection(client.metadata.cluster())
  }

  test('an HTTP server is recognised', async () => {
    const error = await errorAgainst('HTTP/1.1 400 Bad Request\r\n\r\n')
    expect(error).toMatchObject({ code: 'KFK_CLIENT_NOT_KAFKA', retriable: false })
    expect(error.message).toContain('an HTTP server answered')
  })

  test('a TLS listener is recognised', async () => {
    const error = await errorAgainst(Buffer.from('15030100020246', 'hex'))
    expect(error.message).toContain('tlsTransport()')
  })

  test('garbage that looks like a frame is recognised', async () => {
    const error = await errorAgainst(Buffer.from('00000004deadbeef', 'hex'))
    expect(error.code).toBe('KFK_CLIENT_NOT_KAFKA')
  })

  test('a service that hangs up is described', async () => {
    const error = await errorAgainst(null)
    expect(error).toMatchObject({ code: 'KFK_CLIENT_UNREACHABLE' })
    expect(error.message).toContain('closed it at the first request')
  })

  test('a service that says nothing is given up after connectTimeoutMs', async () => {
    const server = createServer(() => {})
    servers.push(server)
    const brokers = await listening(server)
    const client = createClient({ brokers, retry: noRetries, connectTimeoutMs: 50 })
    const error = await rejection(client.metadata.cluster())
    expect(error.message).toContain('did not answer ApiVersions in time')
  })
})
