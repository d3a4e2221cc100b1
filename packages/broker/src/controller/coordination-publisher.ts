import { delay } from '@kfk/client'
import { type Coordination, CoordinationError } from '@kfk/coordination'
import type { Clock, Logger } from '../context.js'
import type { CoordinationDirectory } from './coordination-directory.js'
import {
  CLUSTER_KEY,
  type ClusterEntry,
  CONTROLLER_KEY,
  type ControllerEntry,
  parseController,
} from './coordination-entries.js'

const RETRY_MS = 250

/**
 * Sees to it that coordination says what this broker knows: which cluster it is (every broker's
 * business), and where the controller is (the controller's). What an emptied or rolled back server
 * has lost is published again from here.
 */
export class CoordinationPublisher {
  readonly #coordination: Coordination
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #cluster: ClusterEntry
  readonly #stopped = new AbortController()
  #controller: ControllerEntry | undefined
  #running: Promise<void> | undefined
  #again = false
  #reported = ''

  constructor(options: {
    coordination: Coordination
    clock: Clock
    logger: Logger
    identity: ClusterEntry
  }) {
    this.#coordination = options.coordination
    this.#clock = options.clock
    this.#logger = options.logger
    const { clusterId, controllerNodeId } = options.identity
    this.#cluster = { clusterId, controllerNodeId }
  }

  /** From now on this broker is published as the controller. */
  announce(controller: ControllerEntry): void {
    this.#controller = controller
  }

  stop(): void {
    this.#stopped.abort(new Error('the broker stops'))
  }

  /**
   * Publishes what is missing or wrong in `directory`; tries for as long as coordination is away.
   * One run at a time.
   */
  reconcile(directory: CoordinationDirectory): Promise<void> {
    this.#again = true
    this.#running ??= this.#run(directory).finally(() => (this.#running = undefined))
    return this.#running
  }

  async #run(directory: CoordinationDirectory): Promise<void> {
    const { signal } = this.#stopped
    while (this.#again && !signal.aborted) {
      this.#again = false
      try {
        await this.#publishCluster(directory)
        await this.#publishController(directory)
      } catch (error) {
        if (!(error instanceof CoordinationError)) throw error
        if (error.code === 'KFK_COORDINATION_CLOSED') return
        // A lost race is no trouble: the next turn sees what the winner wrote.
        this.#again = error.retriable || error.code === 'KFK_COORDINATION_CONFLICT'
        if (error.code === 'KFK_COORDINATION_CONFLICT') continue
        if (!error.retriable) throw error
        await delay(this.#clock, RETRY_MS, signal).catch(() => undefined)
      }
    }
  }

  async #publishCluster(directory: CoordinationDirectory): Promise<void> {
    if (!directory.isAbsent(CLUSTER_KEY)) {
      const found = directory.cluster()
      if (found?.clusterId !== this.#cluster.clusterId) {
        const { clusterId } = this.#cluster
        this.#report(
          `coordination has become that of cluster ${found?.clusterId ?? '?'}: this ` +
            `broker stays with cluster ${clusterId} and what it knew`,
        )
      }
      return
    }
    const entry = await this.#coordination.get(CLUSTER_KEY)
    if (entry !== undefined) return
    const value = JSON.stringify(this.#cluster)
    await this.#coordination.compareAndSet(CLUSTER_KEY, { expectedVersion: 0, value })
  }

  async #publishController(directory: CoordinationDirectory): Promise<void> {
    const wanted = this.#controller
    if (wanted === undefined) return
    const held = directory.controller()
    if (held !== undefined && isSame(held, wanted)) return
    const entry = await this.#coordination.get(CONTROLLER_KEY)
    const found = entry && parseController(entry.value)
    if (found !== undefined && isSame(found, wanted)) return
    if (found?.nodeId === wanted.nodeId && found.epoch > wanted.epoch) {
      // Epochs grow with each start on one disk, so there is a second disk with the same data.
      this.#report(
        `a later start of node ${wanted.nodeId}, of epoch ${found.epoch}, is published ` +
          'as controller: is a copy of the data directory in use?',
      )
      return
    }
    await this.#coordination.compareAndSet(CONTROLLER_KEY, {
      expectedVersion: entry?.version ?? 0,
      value: JSON.stringify(wanted),
    })
  }

  #report(message: string): void {
    if (message !== this.#reported) this.#logger.error(message)
    this.#reported = message
  }
}

function isSame(a: ControllerEntry, b: ControllerEntry): boolean {
  return a.nodeId === b.nodeId && a.epoch === b.epoch && a.host === b.host && a.port === b.port
}
