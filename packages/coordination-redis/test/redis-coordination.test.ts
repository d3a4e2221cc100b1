import type { Coordination } from '@kfk/coordination'
import { type ComplianceFixture, coordinationCompliance } from '@kfk/coordination/compliance'
import { redisCoordination } from '@kfk/coordination-redis'
import { redisServerPeer, type RedisServer, startRedisServer, withPeer } from '@kfk/testing'
import { Redis } from 'ioredis'
import { type FaultProxy, startFaultProxy } from './fault-proxy.js'

const callTimeoutMs = 1000
const maxValueBytes = 64 * 1024

async function flush(port: number): Promise<void> {
  const client = new Redis(port)
  await client.flushall()
  client.disconnect()
}

/** Adapters, each behind a proxy of its own, on `server`. */
function fixtureOn(server: RedisServer): ComplianceFixture {
  const all = new Map<Coordination, FaultProxy>()
  const proxyOf = (coordination: Coordination): FaultProxy => all.get(coordination)!
  return {
    async connect() {
      const proxy = await startFaultProxy(server.port)
      const url = `redis://127.0.0.1:${proxy.port}`
      const settings = { callTimeoutMs, maxValueBytes, feedIdleMs: 100 }
      const coordination = await redisCoordination({ url, ...settings })
      all.set(coordination, proxy)
      return coordination
    },
    pass: (durationMs) => new Promise((resolve) => setTimeout(resolve, durationMs)),
    async cutOff(coordination) {
      await proxyOf(coordination).cut()
      return () => proxyOf(coordination).heal()
    },
    server: {
      callTimeoutMs,
      restart: () => server.restart(),
      empty: () => flush(server.port),
      remember: async () => server.remember(),
      async freeze() {
        server.freeze()
        return async () => server.thaw()
      },
      async kill() {
        await server.kill()
        return () => server.start()
      },
      async delay(coordination, delayMs) {
        proxyOf(coordination).delay(delayMs)
        return async () => proxyOf(coordination).delay(0)
      },
    },
    async close() {
      await Promise.all([...all.keys()].map((coordination) => coordination.close()))
      await Promise.all([...all.values()].map((proxy) => proxy.close()))
      await flush(server.port)
    },
  }
}

withPeer(redisServerPeer(), 'Redis', () => {
  let server: RedisServer
  beforeAll(async () => (server = await startRedisServer()))
  afterAll(() => server.close())

  coordinationCompliance({
    describe,
    test,
    factory: async () => fixtureOn(server),
    capabilities: { remote: true, maxValueBytes },
  })
})
