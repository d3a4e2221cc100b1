/* What a broker says when Redis is away, or belongs to others, at its start. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createBroker } from '@kfk/broker'
import { redisServerPeer, withPeer, type RedisServer, startRedisServer } from '../../src/index.js'
import { runKfkBroker } from './support/broker-process.js'
import { ClusterInRedis } from './support/cluster-in-redis.js'

withPeer(redisServerPeer(), 'a broker starts over Redis', () => {
  let dir: string
  beforeEach(() => {
    dir = fs.mkdtempSync(path.join(os.tmpdir(), 'kfk-start-'))
  })
  afterEach(() => fs.rmSync(dir, { recursive: true, force: true }))

  const args = (redis: { url: string }): string[] => [
    ...['--port', '0', '--data-dir', dir, '--coordination', redis.url],
  ]

  async function withRedis(act: (redis: RedisServer) => Promise<void>): Promise<void> {
    const redis = await startRedisServer({ appendonly: false })
    try {
      await act(redis)
    } finally {
      await redis.close()
    }
  }

  test(
    'Redis is away: an error that says so and what to do, soon',
    () =>
      withRedis(async (redis) => {
        await redis.kill()
        const { code, stdout, stderr } = await runKfkBroker(args(redis)).exited
        expect(code).toBe(1)
        expect(stdout).toBe('')
        expect(stderr).toContain(`kfk: cannot reach Redis at ${redis.url}`)
        expect(stderr).toContain('check --coordination')
        expect(stderr.trim().split('\n').length).toBeLessThanOrEqual(3)
      }),
    15_000,
  )

  test(
    'Redis takes connections and answers nothing: the same',
    () =>
      withRedis(async (redis) => {
        redis.freeze()
        const { code, stderr } = await runKfkBroker(args(redis)).exited
        expect(code).toBe(1)
        expect(stderr).toContain(`kfk: cannot reach Redis at ${redis.url}`)
      }),
    15_000,
  )

  test('Redis goes away between connecting and registering: an error, nothing stays locked', async () => {
    const cluster = await ClusterInRedis.start(1)
    try {
      const nothing = (): void => undefined
      const logger = { debug: nothing, info: nothing, warn: nothing, error: nothing }
      const coordination = await cluster.connect(logger)
      await cluster.redis.kill()
      const options = { nodeId: 2, dataDir: dir, port: 0, coordination }
      const config = { 'coordination.timeout.ms': '1000' }
      await expect(createBroker({ ...options, config })).rejects.toMatchObject({
        code: 'KFK_BROKER_UNAVAILABLE',
        retriable: true,
        message: expect.stringMatching(/coordination \(redis\) does not answer/),
      })
      await cluster.redis.start()
      const broker = await createBroker({ ...options, config })
      await broker.close()
      await coordination.close()
    } finally {
      await cluster.close()
    }
  })

  test('a broker of another cluster is refused, with what to do', async () => {
    const [mine, others] = [await ClusterInRedis.start(1), await ClusterInRedis.start(1)]
    try {
      const known = mine.brokers.get(1)!.clusterId
      const found = others.brokers.get(1)!.clusterId
      await mine.stopBroker(1)
      const dataDir = mine.dataDir(1)
      const refused = others.startBroker(2, { nodeId: 1, dataDir, port: 0 })
      await expect(refused).rejects.toMatchObject({
        code: 'KFK_BROKER_CLUSTER',
        message:
          `${dataDir} belongs to cluster ${known}, but coordination (redis) is that of ` +
          `cluster ${found}: use another data directory, or the coordination of cluster ${known}`,
      })
      // It has left no trace.
      expect(await others.registered()).toEqual([1])
      await mine.startBroker(1)
    } finally {
      await mine.close()
      await others.close()
    }
  })

  test('a fresh broker that founds its own cluster in an emptied Redis does not take over', async () => {
    const cluster = await ClusterInRedis.start(2)
    try {
      const { clusterId } = cluster.brokers.get(1)!
      for (const nodeId of [1, 2]) await cluster.stopBroker(nodeId)
      await cluster.flushAll()
      const stranger = await cluster.startBroker(9, { dataDir: dir })
      expect(stranger.clusterId).not.toBe(clusterId)
      await expect(cluster.startBroker(1)).rejects.toMatchObject({ code: 'KFK_BROKER_CLUSTER' })
      await cluster.stopBroker(9)
      await cluster.flushAll()
      expect((await cluster.startBroker(1)).clusterId).toBe(clusterId)
    } finally {
      await cluster.close()
    }
  })
})
