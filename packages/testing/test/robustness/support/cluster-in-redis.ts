import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { type Broker, type BrokerOptions, createBroker } from '@kfk/broker'
import { type Admin, createAdmin } from '@kfk/client'
import type { Coordination } from '@kfk/coordination'
import { redisCoordination } from '@kfk/coordination-redis'
import { eventually, type RedisServer, startRedisServer } from '../../../src/index.js'

/** Shorter than a user's, so that an outage longer than a session takes no minute. */
export const sessionTimeoutMs = 3000

/** Some brokers of this process, each with a connection of its own to one Redis server. */
export class ClusterInRedis {
  readonly brokers = new Map<number, Broker>()
  readonly logged: string[] = []
  readonly #coordinations = new Map<number, Coordination>()
  readonly #ports = new Map<number, number>()
  readonly #dir = fs.mkdtempSync(path.join(os.tmpdir(), 'kfk-robust-'))

  private constructor(readonly redis: RedisServer) {}

  static async start(count: number): Promise<ClusterInRedis> {
    const cluster = new ClusterInRedis(await startRedisServer())
    for (let nodeId = 1; nodeId <= count; nodeId++) await cluster.startBroker(nodeId)
    return cluster
  }

  dataDir(nodeId: number): string {
    return path.join(this.#dir, `node-${nodeId}`)
  }

  /** Starts it, at the port that it had before. */
  async startBroker(nodeId: number, options: Partial<BrokerOptions> = {}): Promise<Broker> {
    const log = (message: string): void => void this.logged.push(`${nodeId}: ${message}`)
    const logger = { debug: log, info: log, warn: log, error: log }
    const coordination = await this.connect(logger)
    try {
      const broker = await createBroker({
        nodeId,
        dataDir: this.dataDir(nodeId),
        port: this.#ports.get(nodeId) ?? 0,
        coordination,
        logger,
        ...options,
        config: {
          'broker.session.timeout.ms': String(sessionTimeoutMs),
          'coordination.timeout.ms': '8000',
          'request.timeout.ms': '6000',
          'group.min.session.timeout.ms': '500',
          ...options.config,
        },
      })
      this.brokers.set(nodeId, broker)
      this.#coordinations.set(nodeId, coordination)
      this.#ports.set(nodeId, broker.port)
      return broker
    } catch (error) {
      await coordination.close()
      throw error
    }
  }

  connect(logger: NonNullable<BrokerOptions['logger']>): Promise<Coordination> {
    return redisCoordination({ url: this.redis.url, callTimeoutMs: 500, feedIdleMs: 100, logger })
  }

  async stopBroker(nodeId: number): Promise<void> {
    const broker = this.brokers.get(nodeId)
    const coordination = this.#coordinations.get(nodeId)
    this.brokers.delete(nodeId)
    this.#coordinations.delete(nodeId)
    await broker?.close({ timeoutMs: 500 })
    await coordination?.close()
  }

  get addresses(): string[] {
    return [...this.brokers.values()].flatMap(({ brokers }) => [...brokers])
  }

  /** An admin that talks to one broker first. */
  admin(nodeId?: number): Admin {
    const brokers = nodeId === undefined ? this.addresses : [...this.brokers.get(nodeId)!.brokers]
    return createAdmin({ brokers })
  }

  /** All topics with what must never change by itself. */
  async topics(nodeId?: number): Promise<{ name: string; topicId: string; partitions: number }[]> {
    await using admin = this.admin(nodeId)
    const topics = await admin.describeTopics()
    return topics
      .map(({ name, topicId, partitions }) => ({ name, topicId, partitions: partitions.length }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** Leaders of a topic as one broker tells them; -1: nobody. */
  async leaders(topic: string, nodeId: number): Promise<number[]> {
    await using admin = this.admin(nodeId)
    const [found] = await admin.describeTopics([topic])
    return found!.partitions.map(({ leaderId }) => leaderId)
  }

  /** Empties the server, as an operator might. */
  async flushAll(): Promise<void> {
    const socket = net.connect(this.redis.port, '127.0.0.1')
    socket.write('FLUSHALL\r\n')
    const [reply] = (await once(socket, 'data')) as [Buffer]
    socket.destroy()
    if (!reply.toString().startsWith('+OK')) throw new Error(reply.toString())
  }

  /** The live brokers that the server knows; fails while it is away. */
  async registered(): Promise<number[]> {
    const coordination = await this.connect(silent)
    try {
      const entries = await coordination.list('brokers/')
      return entries.map(({ key }) => Number(key.slice('brokers/'.length))).sort()
    } finally {
      await coordination.close()
    }
  }

  /** Waits until every broker that runs is known to the server and to the others again. */
  async whenWhole(topic: string): Promise<void> {
    const expected = [...this.brokers.keys()].sort().join()
    await eventually('all brokers registered', async () =>
      (await this.registered()).join() === expected ? true : undefined,
    )
    for (const nodeId of this.brokers.keys()) {
      await eventually(`broker ${nodeId} sees every leader`, async () =>
        (await this.leaders(topic, nodeId)).includes(-1) ? undefined : true,
      )
    }
  }

  async close(): Promise<void> {
    for (const nodeId of [...this.brokers.keys()].reverse()) await this.stopBroker(nodeId)
    await this.redis.close()
    fs.rmSync(this.#dir, { recursive: true, force: true })
  }
}

const nothing = (): void => undefined
/** Reports nothing. */
export const silent = { debug: nothing, info: nothing, warn: nothing, error: nothing }
