import type { Client } from '@kfk/client'
import type { Api, RequestInput, ResponseOf } from '@kfk/protocol'
import type { BrokerImage, ClusterView } from '../context.js'

type PeerClient = Pick<Client, 'request' | 'close'>

/** Requests between brokers. */
export interface PeerRequests {
  /** Rejects when the broker is not there, does not answer in time, or the signal aborts. */
  request<A extends Api>(
    nodeId: number,
    api: A,
    request: RequestInput<A>,
    options: { readonly signal: AbortSignal; readonly timeoutMs: number },
  ): Promise<ResponseOf<A>>
  /** Drops all connections. */
  close(): void
}

export interface BrokerPeersOptions {
  readonly cluster: ClusterView
  /** Makes a client that knows exactly one broker. Nothing is contacted yet. */
  readonly createClient: (address: { host: string; port: number }) => PeerClient
}

/** One client to each other broker that was asked something, for as long as it is at its place. */
export class BrokerPeers implements PeerRequests {
  readonly #options: BrokerPeersOptions
  readonly #peers = new Map<number, { readonly at: BrokerImage; readonly client: PeerClient }>()
  readonly #unsubscribe: () => void

  constructor(options: BrokerPeersOptions) {
    this.#options = options
    this.#unsubscribe = options.cluster.onChange(({ brokersChanged }) => {
      if (brokersChanged) this.#forgetMoved()
    })
  }

  async request<A extends Api>(
    nodeId: number,
    api: A,
    request: RequestInput<A>,
    options: { readonly signal: AbortSignal; readonly timeoutMs: number },
  ): Promise<ResponseOf<A>> {
    const at = this.#place(nodeId)
    if (at === undefined) throw new Error(`broker ${nodeId} is not there`)
    let peer = this.#peers.get(nodeId)
    if (peer === undefined) {
      peer = { at, client: this.#options.createClient(at) }
      this.#peers.set(nodeId, peer)
    }
    return peer.client.request(api, request, 'any', { ...options, lane: 'peer' })
  }

  close(): void {
    this.#unsubscribe()
    for (const nodeId of [...this.#peers.keys()]) this.#forget(nodeId)
  }

  #place(nodeId: number): BrokerImage | undefined {
    return this.#options.cluster.brokers().find((broker) => broker.nodeId === nodeId)
  }

  #forgetMoved(): void {
    for (const [nodeId, { at }] of this.#peers) {
      const now = this.#place(nodeId)
      if (now?.host !== at.host || now.port !== at.port) this.#forget(nodeId)
    }
  }

  #forget(nodeId: number): void {
    void this.#peers.get(nodeId)?.client.close({ timeoutMs: 0 })
    this.#peers.delete(nodeId)
  }
}
