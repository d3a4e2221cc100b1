import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient, type Client } from '@kfk/client'
import { type EmbeddedCoordination, memoryCoordination } from '@kfk/coordination'
import { apis, type RequestInput, type ResponseOf, type Api } from '@kfk/protocol'
import { type Broker, createBroker } from '../../src/index'
import type { BrokerOptions } from '../../src/options'

/** Some brokers of one cluster, in this process, on data directories of their own. */
export class BrokerGroup {
  readonly coordination = memoryCoordination()
  /** Each broker's own connection to coordination, to be cut. */
  readonly connections = new Map<number, EmbeddedCoordination>()
  readonly brokers = new Map<number, Broker>()
  readonly logged: string[] = []
  readonly #clients = new Map<number, Client>()
  readonly #directory: Promise<string> = mkdtemp(join(tmpdir(), 'kfk-controller-'))

  async dataDir(nodeId: number): Promise<string> {
    return join(await this.#directory, `node-${nodeId}`)
  }

  async start(nodeId: number, options: Partial<BrokerOptions> = {}): Promise<Broker> {
    const connection = this.coordination.connect()
    const log = (message: string) => void this.logged.push(`${nodeId}: ${message}`)
    try {
      const broker = await createBroker({
        nodeId,
        dataDir: await this.dataDir(nodeId),
        port: 0,
        coordination: connection,
        logger: { debug: log, info: log, warn: log, error: log },
        ...options,
        config: {
          'broker.session.timeout.ms': '1500',
          'request.timeout.ms': '3000',
          ...options.config,
        },
      })
      this.brokers.set(nodeId, broker)
      this.connections.set(nodeId, connection)
      return broker
    } catch (error) {
      await connection.close()
      throw error
    }
  }

  async stop(nodeId: number): Promise<void> {
    await this.#clients.get(nodeId)?.close({ timeoutMs: 0 })
    this.#clients.delete(nodeId)
    await this.brokers.get(nodeId)?.close({ timeoutMs: 500 })
    await this.connections.get(nodeId)?.close()
    this.brokers.delete(nodeId)
    this.connections.delete(nodeId)
  }

  /** One request to one broker. */
  ask<A extends Api>(nodeId: number, api: A, body: RequestInput<A>): Promise<ResponseOf<A>> {
    let client = this.#clients.get(nodeId)
    if (client === undefined) {
      client = createClient({ brokers: [...this.brokers.get(nodeId)!.brokers] })
      this.#clients.set(nodeId, client)
    }
    // The only broker that the client knows, since it has no metadata.
    return client.request(api, body, 'any', { timeoutMs: 60_000 })
  }

  async create(
    nodeId: number,
    name: string,
    numPartitions = 1,
    configs: Record<string, string> = {},
  ) {
    const { topics } = await this.ask(nodeId, apis.createTopics, {
      topics: [
        {
          name,
          numPartitions,
          replicationFactor: -1,
          assignments: [],
          configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
        },
      ],
      timeoutMs: 60_000,
      validateOnly: false,
    })
    return topics[0]!
  }

  /** Topics by name, as this broker tells them. */
  async topics(nodeId: number) {
    const { topics } = await this.ask(nodeId, apis.metadata, { topics: null })
    return new Map(topics.map((topic) => [topic.name!, topic]))
  }

  async close(): Promise<void> {
    for (const nodeId of [...this.brokers.keys()].reverse()) await this.stop(nodeId)
    await this.coordination.close()
    await rm(await this.#directory, { recursive: true, force: true })
  }
}

/** Looks until it is so; the test's own timeout is the bound. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 10))
}
