import type { BrokerAddress, Transport } from '@kfk/client'
import type { Coordination } from '@kfk/coordination'
import type { LogDirectory } from '@kfk/log-store'
import type { BrokerError } from './errors.js'
import type { Logger } from './context.js'
import type { ClusterMember } from './controller/cluster-member.js'
import type { GroupCoordinator } from './group/group-coordinator.js'
import type { ConnectionSet } from './network/connection-set.js'
import { offerInProcess } from './network/in-process-transport.js'
import type { Listener } from './network/listener.js'
import type { KeyedPurgatory } from './network/purgatory.js'
import type { PartitionMaintenance } from './partition/maintenance.js'
import type { LogPartitionRegistry } from './partition/partition-registry.js'
import type { TransactionCoordinator } from './transaction/transaction-coordinator.js'

/** How long a stopping broker waits for requests that run. */
const closeTimeoutMs = 5000
/** One thing to undo. */
export type Step = () => Promise<void> | void

/** A running broker. */
export interface Broker extends AsyncDisposable {
  readonly nodeId: number
  readonly clusterId: string
  /** The address that clients are told. */
  readonly host: string
  readonly port: number
  /** The same as `host:port`, for the clients' `brokers` option. */
  readonly brokers: readonly string[]
  /**
   * Resolves when the broker has stopped: with nothing after `close`, with the reason when it had
   * to stop by itself, which is a BrokerError KFK_BROKER_CLUSTER after another broker took its node
   * id.
   */
  readonly closed: Promise<BrokerError | undefined>
  /** Reaches this broker and others of the process without a socket: `createClient({ broker })`. */
  readonly transport: Transport
  /**
   * Stops: takes no more requests, answers those that run (for at most `timeoutMs`, 5000 by
   * default), leaves the cluster, and closes the logs with everything on disk. Idempotent.
   */
  close(options?: { readonly timeoutMs?: number }): Promise<void>
}

/** What a broker consists of. */
export interface Parts {
  readonly nodeId: number
  readonly clusterId: string
  readonly address: BrokerAddress
  readonly transport: Transport
  readonly listener: Listener | undefined
  readonly connections: ConnectionSet
  readonly purgatory: KeyedPurgatory
  readonly groups: GroupCoordinator
  readonly transactions: TransactionCoordinator
  readonly member: ClusterMember
  readonly maintenance: PartitionMaintenance
  readonly registry: LogPartitionRegistry
  readonly directory: LogDirectory
  readonly ownCoordination: Coordination | undefined
  readonly logger: Logger
}

/** The life of a broker once it is put together: joins, serves, drains, leaves. */
export class RunningBroker implements Broker {
  readonly nodeId: number
  readonly clusterId: string
  readonly host: string
  readonly port: number
  readonly brokers: readonly string[]
  readonly transport: Transport
  readonly closed: Promise<BrokerError | undefined>
  readonly #parts: Parts
  #tellClosed: (reason: BrokerError | undefined) => void = () => undefined
  #failure: BrokerError | undefined
  #withdraw: () => void = () => undefined
  #closing: Promise<void> | undefined

  constructor(parts: Parts) {
    const { host, port } = parts.address
    this.nodeId = parts.nodeId
    this.clusterId = parts.clusterId
    this.host = host
    this.port = port
    this.brokers = [`${host}:${port}`]
    this.transport = parts.transport
    this.#parts = parts
    this.closed = new Promise((resolve) => (this.#tellClosed = resolve))
  }

  /** Joins the cluster and lets clients in. */
  async serve(): Promise<void> {
    const { address, connections, groups, listener, logger, maintenance, member, registry } =
      this.#parts
    member.view.onChange((change) => {
      registry
        .apply(change)
        .catch((error: unknown) =>
          logger.error(`cannot apply a change: ${String(error)}`, { error }),
        )
    })
    this.#withdraw = offerInProcess(address, (stream) => connections.add(stream))
    await member.join(address)
    await groups.start()
    this.#parts.transactions.start()
    maintenance.start()
    listener?.serve((stream) => connections.add(stream))
    logger.info(`node ${this.nodeId} of cluster ${this.clusterId} serves ${this.brokers[0]}`)
  }

  close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(options.timeoutMs ?? closeTimeoutMs).finally(() =>
      this.#tellClosed(this.#failure),
    )
    return this.#closing
  }

  /** It cannot go on: closes, and gives `closed` the reason. */
  fail(reason: BrokerError): void {
    if (this.#closing !== undefined) return
    const { logger } = this.#parts
    this.#failure = reason
    logger.error(`node ${this.nodeId} stops: ${reason.message}`)
    this.close().catch((error: unknown) =>
      logger.error(`node ${this.nodeId} did not stop cleanly: ${String(error)}`, { error }),
    )
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(timeoutMs: number): Promise<void> {
    const { connections, directory, groups, listener, logger, maintenance, member, registry } =
      this.#parts
    this.#withdraw()
    listener?.close()
    const drained = connections.close(timeoutMs)
    this.#parts.purgatory.expireAll()
    const steps = [
      () => this.#parts.transactions.stop(),
      () => groups.stop(),
      () => drained,
      () => member.leave(),
      () => maintenance.stop(),
      () => registry.close(),
      () => directory.close(),
      () => this.#parts.ownCoordination?.close(),
    ]
    await runAll(steps)
    logger.info(`node ${this.nodeId} stopped`)
  }
}

/** Takes every step, whatever the others do, and then fails with the first failure. */
export async function runAll(steps: readonly Step[]): Promise<void> {
  const failures: unknown[] = []
  for (const step of steps) {
    try {
      await step()
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
}
