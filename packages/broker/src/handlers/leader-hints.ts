import type { ClusterView } from '../context.js'

/**
 * Who leads a partition, for answers that refuse to be the leader (KIP-951); undefined when nobody
 * does.
 */
export function currentLeader(
  cluster: ClusterView,
  topic: string,
  partition: number,
): { leaderId: number; leaderEpoch: number } | undefined {
  const leader = cluster.leaderOf(topic, partition)
  if (leader === undefined || leader.leaderId < 0) return undefined
  return { leaderId: leader.leaderId, leaderEpoch: leader.leaderEpoch }
}

/** The addresses of these brokers. */
export function leaderEndpoints(
  cluster: ClusterView,
  nodeIds: ReadonlySet<number>,
): { nodeId: number; host: string; port: number; rack: string | null }[] {
  return cluster
    .brokers()
    .filter(({ nodeId }) => nodeIds.has(nodeId))
    .map(({ nodeId, host, port, rack }) => ({ nodeId, host, port, rack }))
}
