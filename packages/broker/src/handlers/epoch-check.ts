import { errorCodes } from '@kfk/protocol'
import type { Partition } from '../context.js'

/** No idea of the epoch at all. */
const notGiven = -1

/** NONE when the sender's idea of the leader epoch (-1: none) is right or not given (KIP-320). */
export function checkLeaderEpoch(partition: Partition, currentLeaderEpoch: number): number {
  if (currentLeaderEpoch === notGiven || currentLeaderEpoch === partition.leaderEpoch) {
    return errorCodes.NONE
  }
  return currentLeaderEpoch < partition.leaderEpoch
    ? errorCodes.FENCED_LEADER_EPOCH
    : errorCodes.UNKNOWN_LEADER_EPOCH
}

/** Where the records of an epoch end, or of the last one before it; -1: nobody knows. */
export function epochEnd(
  partition: Partition,
  leaderEpoch: number,
): { leaderEpoch: number; endOffset: number } {
  const { log } = partition
  if (leaderEpoch === notGiven) return { leaderEpoch, endOffset: -1 }
  // An epoch enters the log with its first batch; until then it ends where it would begin.
  if (leaderEpoch === partition.leaderEpoch) return { leaderEpoch, endOffset: log.logEndOffset }
  // Beyond our own epoch nothing is known.
  if (leaderEpoch > partition.leaderEpoch) return { leaderEpoch: -1, endOffset: -1 }
  const found = log.epochEnd(leaderEpoch)
  if (found.leaderEpoch >= 0) return found
  // Nothing in the log is that old: whatever was written under it is gone, and cannot contradict
  // anyone. If nothing is in it at all, our own epoch begins at its end.
  return { leaderEpoch, endOffset: found.endOffset < 0 ? log.logEndOffset : found.endOffset }
}
