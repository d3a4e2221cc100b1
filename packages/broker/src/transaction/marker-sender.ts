import { apis, errorByCode, errorCodes } from '@kfk/protocol'
import type { ClusterView } from '../context.js'
import type { PeerRequests } from '../network/broker-peers.js'
import type { Clock } from '../runtime/clock.js'
import type { Logger } from '../runtime/logger.js'
import type { MarkerWriter } from './marker-writer.js'
import {
  type PartitionSet,
  partitionSet,
  partitionsOf,
  type TopicPartition,
} from './partition-set.js'
import { EPOCH_BUMPING_CLIENT, type TransactionImage } from './transaction-image.js'

/** Between two tries for the same partitions, ms. */
const FIRST_BACKOFF_MS = 20
const LONGEST_BACKOFF_MS = 1000
/** How long another broker may take, ms. */
const PEER_TIMEOUT_MS = 30_000

export interface MarkerSenderOptions {
  readonly nodeId: number
  readonly cluster: ClusterView
  readonly clock: Clock
  readonly logger: Logger
  readonly write: MarkerWriter
  readonly peers: PeerRequests
  /** Aborted when the broker stops. */
  readonly stopped: AbortSignal
}

/** What has a marker by now, and whether to go on. */
export interface MarkerProgress {
  readonly coordinatorEpoch: number
  /** A partition has its marker, or needs none. */
  done(place: TopicPartition): void
  /** Nobody waits for these markers any more. */
  isAbandoned(): boolean
}

type Marker = Parameters<MarkerWriter>[1]

/**
 * Has the leaders of all partitions of a transaction write its marker, for as long as it takes: a
 * decided transaction has no other way out.
 */
export class MarkerSender {
  readonly #options: MarkerSenderOptions

  constructor(options: MarkerSenderOptions) {
    this.#options = options
  }

  /**
   * Resolves true when every partition has its marker; false when a later producer or coordinator
   * has been faster, or nobody waits any more.
   */
  async send(image: TransactionImage, progress: MarkerProgress): Promise<boolean> {
    const marker: Marker = {
      producerId: image.producerId,
      producerEpoch: image.producerEpoch,
      committed: image.status === 'PrepareCommit',
      coordinatorEpoch: progress.coordinatorEpoch,
      transactionVersion: image.clientVersion >= EPOCH_BUMPING_CLIENT ? 2 : 0,
    }
    let left = [...partitionsOf(image.partitions)]
    for (
      let backoffMs = FIRST_BACKOFF_MS;
      ;
      backoffMs = Math.min(backoffMs * 2, LONGEST_BACKOFF_MS)
    ) {
      const outcome = await this.#round(left, marker)
      if (progress.isAbandoned() || outcome === 'fenced') return false
      const again = new Set(outcome)
      for (const place of left) if (!again.has(place)) progress.done(place)
      if (outcome.length === 0) return true
      left = outcome
      await new Promise<void>((resolve) => this.#options.clock.setTimer(backoffMs, resolve))
      if (progress.isAbandoned() || this.#options.stopped.aborted) return false
    }
  }

  /** One try; what has to be tried again. */
  async #round(
    places: readonly TopicPartition[],
    marker: Marker,
  ): Promise<TopicPartition[] | 'fenced'> {
    const { cluster, nodeId, write } = this.#options
    const tries: Promise<readonly (readonly [TopicPartition, number])[]>[] = []
    const remote = new Map<number, TopicPartition[]>()
    for (const place of places) {
      const leader = cluster.leaderOf(place.topic, place.partition)
      // Deleted: nobody will ever read there.
      if (leader === undefined) continue
      if (leader.leaderId === nodeId) {
        tries.push(write(place, marker).then((code) => [[place, code]]))
      } else {
        const group = remote.get(leader.leaderId)
        if (group === undefined) remote.set(leader.leaderId, [place])
        else group.push(place)
      }
    }
    for (const [leaderId, group] of remote) tries.push(this.#ask(leaderId, group, marker))
    const again: TopicPartition[] = []
    let fenced = false
    for (const [place, code] of (await Promise.all(tries)).flat()) {
      if (code === errorCodes.NONE) continue
      if (isFencing(code)) fenced = true
      else if (cluster.leaderOf(place.topic, place.partition) !== undefined) again.push(place)
      this.#options.logger.debug('a transaction marker was not written', {
        ...place,
        error: errorByCode(code).name,
        producerId: String(marker.producerId),
      })
    }
    return fenced ? 'fenced' : again
  }

  async #ask(
    leaderId: number,
    places: readonly TopicPartition[],
    marker: Marker,
  ): Promise<readonly (readonly [TopicPartition, number])[]> {
    const { peers, stopped } = this.#options
    const unreachable = places.map((place) => [place, errorCodes.NOT_LEADER_OR_FOLLOWER] as const)
    if (leaderId < 0) return unreachable
    const { committed, ...rest } = marker
    const topics = topicsOf(partitionSet(places))
    const request = { markers: [{ ...rest, transactionResult: committed, topics }] }
    try {
      const response = await peers.request(leaderId, apis.writeTxnMarkers, request, {
        signal: stopped,
        timeoutMs: PEER_TIMEOUT_MS,
      })
      const answered = response.markers[0]?.topics ?? []
      return places.map((place) => {
        const topic = answered.find(({ name }) => name === place.topic)
        const found = topic?.partitions.find((one) => one.partitionIndex === place.partition)
        return [place, found?.errorCode ?? errorCodes.UNKNOWN_SERVER_ERROR] as const
      })
    } catch {
      return unreachable
    }
  }
}

function topicsOf(set: PartitionSet): { name: string; partitionIndexes: number[] }[] {
  return [...set].map(([name, indexes]) => ({ name, partitionIndexes: [...indexes] }))
}

/** A later producer or a later coordinator has been there: the markers are not ours to write. */
function isFencing(code: number): boolean {
  return (
    code === errorCodes.INVALID_PRODUCER_EPOCH || code === errorCodes.TRANSACTION_COORDINATOR_FENCED
  )
}
