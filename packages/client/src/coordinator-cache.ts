import { apis } from '@kfk/protocol'
import type { RequestInput, ResponseOf } from '@kfk/protocol'
import { abortable } from './abortable.js'
import type { BrokerAddress } from './address.js'
import { kafkaError } from './errors.js'

/** The broker that coordinates a group. */
export interface Coordinator extends BrokerAddress {
  readonly nodeId: number
}

export interface CoordinatorCacheOptions {
  readonly send: (
    body: (apiVersion: number) => RequestInput<typeof apis.findCoordinator>,
  ) => Promise<ResponseOf<typeof apis.findCoordinator>>
  readonly onFound: (coordinator: Coordinator) => void
}

const groupKey = 0
/** Groups remembered; beyond it the longest known is forgotten and asked for again. */
const maxEntries = 10_000

/** Remembers coordinators until they are invalidated (NOT_COORDINATOR, a lost connection). */
export class CoordinatorCache {
  readonly #options: CoordinatorCacheOptions
  readonly #known = new Map<string, Promise<Coordinator>>()

  constructor(options: CoordinatorCacheOptions) {
    this.#options = options
  }

  /** Rejects with the broker's error; COORDINATOR_NOT_AVAILABLE and the like are retriable. */
  find(group: string, signal?: AbortSignal): Promise<Coordinator> {
    let found = this.#known.get(group)
    if (found === undefined) {
      const asked = this.#ask(group)
      found = asked
      this.#known.set(group, asked)
      asked.catch(() => {
        if (this.#known.get(group) === asked) this.#known.delete(group)
      })
      if (this.#known.size > maxEntries) this.#known.delete(this.#known.keys().next().value!)
    }
    return abortable(found, signal)
  }

  invalidate(group: string): void {
    this.#known.delete(group)
  }

  async #ask(group: string): Promise<Coordinator> {
    // A list of keys, and an answer for each, from version 4 on (KIP-699).
    const response = await this.#options.send((apiVersion) =>
      apiVersion >= 4
        ? { coordinatorKeys: [group], keyType: groupKey }
        : { key: group, keyType: groupKey },
    )
    const answer = response.coordinators.find(({ key }) => key === group) ?? response
    if (answer.errorCode !== 0) {
      throw kafkaError(answer.errorCode, answer.errorMessage, { group })
    }
    const { nodeId, host, port } = answer
    const coordinator = { nodeId, host, port }
    this.#options.onFound(coordinator)
    return coordinator
  }
}
